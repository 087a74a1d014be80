"""How TalkingGaussian and GaussianTalker learn: what each switch changes, stopping and going on, known faults."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from pgstalker.method import method
from pgstalker.models.head import view_from
from pgstalker.rendering import rasterize
from pgstalker.subject import Subject
from pgstalker.training import gaussian_talker, talking_gaussian
from pgstalker.training.data import TrainingData
from pgstalker.training.session import Options, Session
from pgstalker.training.talking_gaussian import FACE_UNTIL, MOUTH_UNTIL, FrameChoice, lip_rectangles, within

SIZE, STEPS = 64, 300
BUILDS = {"talking-gaussian": talking_gaussian.build, "gaussian-talker": gaussian_talker.build}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from pgstalker.synthetic import make_subject

    return make_subject(tmp_path_factory.mktemp("gaussian") / "toon", seconds=2.0, size=SIZE, seed=3)


@pytest.fixture(scope="module")
def data(folder):
    return TrainingData.load(folder, SIZE)


@pytest.fixture(scope="module")
def session(folder, data):
    def make(name, steps=STEPS, **switches):
        values = {n: v[0] for n, v in method(name).switches.items()} | switches
        options = Options(name, "quick", SIZE, steps, 0, switches, "")
        return Session(data, Subject.load(folder), options, values, torch.device("cpu"), lambda *_: None)

    return make


def learner(session, name, **switches):
    torch.manual_seed(0)
    return BUILDS[name](session(name, **switches), None)


def at_share(made, share, steps=3):
    """The learner after `steps` steps from that share of its run on."""
    made.step_number = round(share * made.steps)
    for _ in range(steps):
        made.step()
    return made


@pytest.mark.parametrize("name", BUILDS)
def test_pictures_may_lie_in_memory_as_those_of_cuda_do(session, name, monkeypatch):
    """gsplat's have their channels last, as the oracle's have."""
    monkeypatch.setattr("pgstalker.rendering.rasterizer.choose_backend", lambda *_: "reference")
    for share in (0.0, 0.3, 0.9):
        assert np.isfinite(at_share(learner(session, name), share, 1).step().loss)


@pytest.mark.parametrize("name", BUILDS)
def test_what_was_stopped_goes_on_as_if_it_had_not_been(session, name):
    whole = learner(session, name)
    for share in (MOUTH_UNTIL - 0.01, FACE_UNTIL - 0.01):  # over the change of stages, with density statistics
        whole = at_share(whole, share)
    tensors, config = {n: v.clone() for n, v in whole.state().items()}, whole.config()
    again = BUILDS[name](session(name), config)
    again.restore(tensors, whole.step_number)
    reports = [(whole.step(), again.step()) for _ in range(4)]
    assert [one for one, _ in reports] == [other for _, other in reports]
    for (place, value), other in zip(whole.state().items(), again.state().values(), strict=True):
        torch.testing.assert_close(value, other, rtol=0, atol=0, msg=place)


@pytest.mark.parametrize(("name", "part"), [("gaussian-talker", 1.0), ("talking-gaussian", MOUTH_UNTIL)])
def test_it_learns(session, name, part):
    """To the end, or until another branch begins; in pictures that it must not know yet it sees a still head."""
    torch.manual_seed(0)
    made = BUILDS[name](session(name, steps=60), None)
    psnr = [made.step().psnr for _ in range(round(60 * part))]
    assert np.mean(psnr[-8:]) > np.mean(psnr[:8]) + 1


def switch_cases() -> list[tuple[str, str, str]]:
    cases = []
    for name in BUILDS:
        for switch, values in method(name).switches.items():
            if switch == "audio":
                values = ("mel", "viseme")  # the others need models that are not in the repository
            cases += [(name, switch, value) for value in values[1:]]
    return cases


@pytest.mark.parametrize(("name", "switch", "value"), switch_cases())
def test_a_switch_changes_what_it_names_and_the_result(session, name, switch, value):
    plain, changed = learner(session, name), learner(session, name, **{switch: value})
    differing = {field for field, v in plain.config().items() if changed.config()[field] != v}
    assert differing == ({switch} if switch != "density" else set())
    assert (plain.density.rule != changed.density.rule) == (switch == "density")
    clouds = zip(plain.model.clouds.values(), changed.model.clouds.values(), strict=True)
    assert all(torch.equal(a.means, b.means) for a, b in clouds), "they start alike"
    share = 0.05 if switch == "density" else 0.7  # density acts in the coarse stage, the others while things move
    images = []
    for made in (plain, changed):
        torch.manual_seed(0)
        at_share(made, share, steps=5)
        images.append(made.attempt(torch.Generator().manual_seed(0)).image.detach())
    assert (images[0] - images[1]).abs().amax() > 1e-4


def test_nobody_who_never_blinks_hangs_training(session):
    asked = session("talking-gaussian")
    drive = replace(asked.data.drive, eyes=np.zeros_like(asked.data.drive.eyes))
    labels, aperture = np.zeros_like(asked.data.labels), np.full(len(asked.data), 0.1)
    choice = FrameChoice(replace(asked, data=replace(asked.data, drive=drive, labels=labels, aperture=aperture)))
    moments = itertools.product(("mouth", "face"), (0, 0.5, 0.99), range(45))
    frames = {choice.at(*moment) for moment in moments}
    assert frames <= set(range(len(asked.data))) and len(frames) > 10


def test_the_frame_nearest_to_an_empty_range_is_taken():
    track = np.array([0.0, 0.2, 0.9, 0.5])
    assert within(np.array([0, 1, 3]), track, 0.7, 1.0).tolist() == [3]
    assert within(np.arange(4), track, 0.1, 0.6).tolist() == [1, 3]


def test_lip_rectangles_stay_inside_the_picture():
    landmarks = np.full((2, 478, 3), -30.0)
    landmarks[1] = 1000.0
    for top, bottom, left, right in lip_rectangles(landmarks, SIZE):
        assert 0 <= top < bottom <= SIZE and 0 <= left < right <= SIZE


def test_attention_is_weighed_as_if_it_were_splatted(session):
    """Mass times attention is the mean of the attention's picture, and so is its gradient."""
    made = learner(session, "talking-gaussian")
    made.step_number = round(0.7 * STEPS)
    with torch.no_grad():
        moved, _ = made._moved("face", 5, 0.5, torch.Generator().manual_seed(0), False)
    scene = made.model.scene("face", moved, made.poses[5])
    rendering = made.draw(scene, 5, None)
    still = made.model.face.still()
    hair = made.labels(5) == 3
    quick = made._attention(still, rendering, hair, 5)
    to_audio, to_eyes = still[1][:, :-1].norm(dim=1), still[1][:, -1].abs()
    painted = torch.stack([to_eyes, to_audio + to_eyes, torch.zeros_like(to_eyes)], 1)
    fixed = [part.detach() for part in scene[:4]]
    camera, pose = made.model.camera, made.poses[5]
    picture = rasterize(*fixed, painted, camera, SIZE, SIZE, camera_from_world=pose).image
    plain = 1e-4 * (picture[0][made._inside_lips(5)].mean() + picture[1][hair].mean())
    torch.testing.assert_close(quick, plain, rtol=1e-4, atol=1e-9)
    weights = list(made.model.face.fusion.attend_audio.parameters())
    for ours, theirs in zip(*(torch.autograd.grad(v, weights, retain_graph=True) for v in (quick, plain)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-9)


def test_the_face_leaves_the_mouth_open_and_the_mouth_fills_the_lips(session):
    made = learner(session, "talking-gaussian")
    made.step_number = round(0.7 * STEPS)
    attempt = made.attempt(torch.Generator().manual_seed(0))
    green = made.green[:, None, None]
    is_mouth = made.labels(attempt.frame) == 5
    assert (attempt.target == green).all(0)[is_mouth].all()
    made.step_number = round(0.2 * STEPS)
    attempt = made.attempt(torch.Generator().manual_seed(0))
    is_mouth = made.labels(attempt.frame) == 5
    kept = ~(attempt.target == green).all(0)
    assert torch.equal(kept, is_mouth) or not is_mouth.any()


def test_green_gaussians_are_dropped_and_scales_do_not_grow(session):
    made = at_share(learner(session, "talking-gaussian"), 0.6)
    cloud = made.model.clouds["face"]
    with torch.no_grad():
        cloud.colors[:3] = torch.tensor([0.0, 1.0, 0.0])
    largest, count = float(cloud.scales.detach().max()), len(cloud)
    assert made.unwanted("face")[:3].all()
    with torch.no_grad():
        view = view_from(made.poses[made.frame])
        cloud.colors[3:5] = made.green / 2
        cloud.shading[3] = (made.green - 0.4) * view[:, None] / view.square().sum()  # green from this side
        cloud.shading[4] = -cloud.shading[3]
    assert made.unwanted("face")[3] and not made.unwanted("face")[4]
    made._densify("face", torch.Generator().manual_seed(0))
    assert len(cloud) <= count - 3 + int(made.density.grow * count)
    assert not made.unwanted("face").any() and float(cloud.scales.detach().max()) <= largest


def test_the_last_stage_moves_colours_and_the_faces_opacity_alone(session):
    made = at_share(learner(session, "talking-gaussian"), FACE_UNTIL - 0.02)
    made.step_number = round(FACE_UNTIL * STEPS) + 1
    before = {name: value.clone() for name, value in made.model.named_parameters()}
    made.step()
    moved = {name for name, value in made.model.named_parameters() if not torch.equal(value, before[name])}
    colours = {f"{branch}.cloud.{name}" for branch in ("face", "mouth") for name in ("colors", "shading")}
    assert moved == colours | {"face.cloud.opacity_logits"}


@pytest.mark.parametrize(
    ("name", "share"),
    [("talking-gaussian", MOUTH_UNTIL - 0.004), ("talking-gaussian", FACE_UNTIL - 0.01), ("talking-gaussian", 0.98)]
    + [("gaussian-talker", 0.05), ("gaussian-talker", 0.9)],
)
def test_lpips_sharpens_where_its_weights_are(session, name, share):
    """With a stand-in that finds every pair of patches 1 apart; the patches must be pictures that AlexNet can take."""
    made, seen = learner(session, name), []
    made.step_number = round(share * STEPS)
    made.perceptual = None
    torch.manual_seed(0)  # dropout
    plain = float(made.attempt(torch.Generator().manual_seed(0)).loss.detach())

    def distance(image, target):
        seen.append((image.shape, target.shape))
        return 1 + 0 * image.sum()

    made.perceptual = distance
    torch.manual_seed(0)
    sharper = float(made.attempt(torch.Generator().manual_seed(0)).loss.detach())
    assert sharper - plain > 0.005 and seen
    assert all(one == other and min(one[1:]) >= SIZE for one, other in seen)
