"""A head over the true torso: layers are laid over one another as the paper's formula has it."""

import numpy as np
import pytest
import torch

from pgstalker.errors import AvatarError
from pgstalker.method import Performance
from pgstalker.models.head import HeadOnTorso, HeadShape, Moment
from pgstalker.models.talking_gaussian import TalkingGaussian
from pgstalker.rendering import rasterize
from pgstalker.subject import Subject

SIZE = 64


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    from pgstalker.synthetic import make_subject

    return Subject.load(make_subject(tmp_path_factory.mktemp("head") / "toon", seconds=2.0, size=SIZE, seed=1))


def head(subject):
    torch.manual_seed(1)
    focal = subject.camera.focal_px
    made = TalkingGaussian(HeadShape(SIZE, focal, "region-attention", "mel", "end-to-end", {"face": 60, "mouth": 20}))
    with torch.no_grad():
        made.ears["face"].audio_statistics[1] = made.ears["mouth"].audio_statistics[1] = 1.0
        for cloud in made.clouds.values():
            cloud.means.copy_(torch.randn(len(cloud), 3) * 4)
            cloud.log_scales.fill_(0.5)
            cloud.colors.uniform_(0, 1)
    return made.eval()


def test_face_over_mouth_over_torso(subject):
    made, performance = head(subject), Performance.of(subject)[:2]
    pictures = list(made.render(performance))
    torsos = list(performance.torsos(made.plate.permute(1, 2, 0).numpy()))
    for number, (picture, torso) in enumerate(zip(pictures, torsos, strict=True)):
        pose = torch.as_tensor(performance.camera_from_head[number], dtype=torch.float32)
        heard = {
            name: ear.listen(performance.samples, performance.recording_frames, True)[performance.moments[number]]
            for name, ear in made.ears.items()
        }
        moment = Moment(heard, torch.as_tensor(performance.eyes[number : number + 1]).float(), pose)
        with torch.no_grad():
            on_device = made.composite_on_device(made.layers(moment, made.still()), pose, torso)
        image = torch.from_numpy(torso).permute(2, 0, 1) / 255
        for branch in ("mouth", "face"):
            with torch.no_grad():
                scene = made.scene(branch, made.moved(branch, moment, None), pose)
                drawn = rasterize(*scene, made.camera, SIZE, SIZE, camera_from_world=pose)
            image = drawn.image + (1 - drawn.alpha) * image
        expected = (image.clamp(0, 1) * 255).permute(1, 2, 0).numpy()
        # colours are rounded to whole numbers behind the face and again at the end
        assert np.abs(picture - expected).max() <= 1.6
        assert np.abs(on_device - expected).max() <= 0.6, "rounded once"


def test_the_sound_moves_it(subject):
    made, performance = head(subject), Performance.of(subject)[:2]
    loud = Performance.said_by(subject, np.random.default_rng(0).normal(size=16_000).astype(np.float32), frames=2)
    with torch.no_grad():
        for branch in (made.face, made.mouth):
            branch.head.straight.weight.mul_(50)
    assert np.abs(np.stack(list(made.render(performance))) - np.stack(list(made.render(loud))).astype(int)).max() > 3


def test_a_foreign_configuration_is_refused():
    with pytest.raises(AvatarError, match="configuration of this head"):
        HeadShape.read({"size": 64, "colour": "red"})


def test_a_head_of_an_older_program_is_refused(subject):
    made = head(subject)
    older = {name: value for name, value in made.state_dict().items() if not name.endswith("shading")}
    with pytest.raises(AvatarError, match="another version of the program"):
        HeadOnTorso.restored(TalkingGaussian, (made.config, older, {}), "cpu")
    again = HeadOnTorso.restored(TalkingGaussian, (made.config, made.state_dict(), {}), "cpu")
    assert again.size == SIZE
