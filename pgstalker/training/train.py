"""Subject in, avatar out: both stages, with progress, checkpoints and resumption."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from pgstalker import __version__
from pgstalker.audio import create_features
from pgstalker.avatar.format import Avatar, IdleMotion, check_replaceable
from pgstalker.devices import choose_device, one_torch_thread
from pgstalker.errors import ConfigError
from pgstalker.files import sweep
from pgstalker.gaussians.initialise import Initialiser
from pgstalker.method import Progress, TrainingRequest
from pgstalker.models.config import TalkerConfig, check_switches
from pgstalker.models.mouth_code import MouthBasis
from pgstalker.models.talker import Talker
from pgstalker.presets import SHARES, Preset, preset
from pgstalker.rendering.numba_runtime import thread_count
from pgstalker.subject import Subject
from pgstalker.training import checkpoint, loop
from pgstalker.training.data import TrainingData
from pgstalker.training.hearing import calibrate, train_hearing
from pgstalker.training.preview import Preview, calm_frame, with_preview
from pgstalker.training.session import data_digests
from pgstalker.training.trainer import Trainer

log = logging.getLogger(__name__)
END_TO_END_CODE = 16
FRAMES_PER_STEP = {"cpu": 1, "cuda": 4}
"""Where none are asked for. On the CPU frames cost their time one by one; on CUDA four fill the device that one leaves
half idle."""
MOST_FRAMES = 64


@dataclass(frozen=True)
class TrainingOptions:
    """What decides the outcome, and so must be the same when a run is taken up again."""

    preset: str
    size: int
    steps: int
    seed: int
    switches: dict[str, str]
    subject_sha256: str
    frames_per_step: int = 1
    most_gaussians: int | None = None


@one_torch_thread()
def train(
    subject_folder: Path | str,
    out: Path | str,
    request: TrainingRequest | None = None,
    progress: Progress | None = None,
    preview: Preview | None = None,
) -> Avatar:
    """Train an avatar of a prepared subject and save it in `out`.

    preview is shown a frame of the avatar now and then while it learns. A checkpoint beside `out` is kept up to date
    at least every loop.CHECKPOINT_SECONDS; resume takes it up where there is one. Raises SubjectError, ConfigError,
    AvatarError where something else stands in `out`.
    """
    request, out = request or TrainingRequest(), Path(out)
    chosen = preset(request.preset).with_at_most(request.gaussians)
    check_switches(request.switches)
    _ = create_features(request.switches.get("audio", "mel")).window  # a model that is not at hand is missed at once
    report = progress or (lambda stage, share, numbers: None)
    device = choose_device(request.device)
    subject = Subject.load(subject_folder)
    _check_numbers(request, subject.camera.width)
    check_replaceable(out)
    size = request.size or min(chosen.size, subject.camera.width)
    started = time.monotonic()
    report("load", 0.0, {})
    data = TrainingData.load(Path(subject_folder), size)
    options = TrainingOptions(
        request.preset,
        size,
        request.steps or chosen.steps,
        request.seed,
        request.switches,
        subject.manifest["source"]["sha256"],
        request.frames_per_step or FRAMES_PER_STEP[device],
        request.gaussians,
    )
    path = out.with_name(f".{out.name}.checkpoint.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    is_resumed = request.resume and path.exists()
    if request.minutes is not None and is_resumed:  # how many steps they were is known
        options = replace(options, steps=checkpoint.load(path)[1]["options"]["steps"])
    elif request.minutes is not None:
        options = replace(options, steps=_steps_in(request.minutes, options, data, subject, chosen, device))
        log.info("%.1f minutes are %d steps here; --steps %d repeats this run", request.minutes, *[options.steps] * 2)
    if is_resumed:
        trainer, spent = _resumed(path, options, data, chosen, device)
    else:
        if request.resume:
            log.info("nothing to resume (no %s): training starts at the beginning", path)
        trainer, spent = _fresh(options, data, subject, chosen, device, report), 0.0
        loop.save(trainer, path, asdict(options), time.monotonic() - started)  # stage A of a long clip takes minutes
    report = with_preview(report, preview, trainer)
    loop.run(trainer, path, asdict(options), report, spent + time.monotonic() - started)
    talker = trainer.finish()
    avatar = _avatar(talker, data, subject, options, spent + time.monotonic() - started)
    avatar.save(out)
    path.unlink(missing_ok=True)
    sweep(path)
    return avatar


def _check_numbers(request: TrainingRequest, width: int) -> None:
    """Raises ConfigError for a number that cannot be trained with; width: px of the subject's pictures."""
    size, steps, minutes = request.size, request.steps, request.minutes
    if size is not None and (size % 2 or not 32 <= size <= width):
        raise ConfigError(f"size {size} is not possible; give an even number from 32 to {width}, the subject's size")
    if steps is not None and steps < 1:
        raise ConfigError(f"steps {steps} is not possible; give 1 or more")
    frames = request.frames_per_step
    if frames is not None and not 1 <= frames <= MOST_FRAMES:
        raise ConfigError(f"frames_per_step {frames} is not possible; give a number from 1 to {MOST_FRAMES}")
    if minutes is not None and not minutes > 0:
        raise ConfigError(f"minutes {minutes:g} is not possible; give more than 0")
    if not 0 <= request.seed < 2**32:
        raise ConfigError(f"seed {request.seed} is not possible; give a number from 0 to {2**32 - 1}")


def _resumed(path: Path, options: TrainingOptions, data, chosen: Preset, device) -> tuple[Trainer, float]:
    tensors, header = checkpoint.load(path)
    before = {"frames_per_step": 1, **header["options"]}  # older checkpoints knew one only
    differing = [name for name, value in asdict(options).items() if before.get(name) != value]
    if differing:
        raise ConfigError(
            f"the checkpoint {path} was made with other {', '.join(differing)}; "
            "repeat its options or train without --resume"
        )
    talker = Talker(TalkerConfig.from_dict(header["model"])).to(device)
    talker.load_state_dict(checkpoint.under("talker/", tensors))
    unseen = tensors["unseen"].numpy() if "unseen" in tensors else None
    trainer = Trainer(talker, data, options.steps, chosen.cap, options.seed, unseen, options.frames_per_step)
    trainer.restore(tensors, header["step"])
    return trainer, header["seconds"]


def _fresh(options: TrainingOptions, data, subject, chosen: Preset, device, report: Progress) -> Trainer:
    torch.manual_seed(options.seed)
    switches = options.switches
    is_end_to_end = switches.get("audio_training") == "end-to-end"
    hearing: dict[str, Any] = {"code_size": END_TO_END_CODE, "members": 1} if is_end_to_end else {}
    config = TalkerConfig(
        size=options.size,
        focal_px=subject.camera.scaled(options.size).focal_px,
        resolution=chosen.resolution,
        **hearing,
        **cast(dict[str, Any], switches),
    )
    start = Initialiser(
        data.pictures,
        data.labels,
        data.drive.camera_from_head,
        data.surface,
        subject.camera.scaled(options.size),
        options.seed,
    )
    counts = {name: round(chosen.initial * share) for name, share in SHARES.items()}
    if config.torso == "gt":
        counts["torso"] = 0
    clouds = {name: getattr(start, name)(count) for name, count in counts.items()}
    config = replace(config, counts={name: len(cloud["means"]) for name, cloud in clouds.items()})
    talker = Talker(config)
    for name, cloud in clouds.items():
        talker.clouds[name].fill({key: torch.as_tensor(value, dtype=torch.float32) for key, value in cloud.items()})
    low, high = start.mouth_box()
    talker.mouth.place(torch.as_tensor(low, dtype=torch.float32), torch.as_tensor(high, dtype=torch.float32))
    talker.torso.centre.copy_(torch.as_tensor(start.torso_centre(subject.manifest.get("torso_pivot"))))
    talker.plate.copy_(torch.from_numpy(data.plate).permute(2, 0, 1))
    pose = talker.pose_features(data.drive.camera_from_head)
    talker.pose_mean.copy_(torch.as_tensor(pose.mean(0)))
    talker.pose_scale.copy_(torch.as_tensor(pose.std(0) + 1e-6))
    talker.torso.fit_motion((pose - pose.mean(0)) / (pose.std(0) + 1e-6), data.drive.torso)
    talker.audio_statistics.copy_(torch.as_tensor(talker.features.measure(data.samples)))
    talker.mouth_basis = MouthBasis.fit(data.landmarks[data.valid], config.code_size)
    unseen = None
    if not is_end_to_end:
        unseen = _hear(talker, data, chosen, options.seed, report)
    return Trainer(talker.to(device), data, options.steps, chosen.cap, options.seed, unseen, options.frames_per_step)


def _hear(talker: Talker, data, chosen: Preset, seed: int, report: Progress) -> np.ndarray:
    """Stage A; the cross-fitted codes it returns are calibrated like those of a real drive."""
    codes = talker.mouth_basis.encode(data.landmarks)
    hearing = train_hearing(
        talker.features,
        data.samples,
        codes,
        talker.config,
        chosen.hearing_epochs,
        seed,
        lambda share, loss: report("hearing", share, {"loss": loss}),
        data.valid,
    )
    talker.hearing = hearing.encoder
    calibrate(talker.calibration, hearing.unseen_codes[data.valid], codes[data.valid])
    with torch.no_grad():
        return talker.calibration(torch.from_numpy(hearing.unseen_codes)).numpy()


def _steps_in(minutes: float, options: TrainingOptions, data, subject, chosen: Preset, device) -> int:
    """How many steps fit: a trial of loop.TRIAL_STEPS is timed and thrown away."""
    started = time.monotonic()
    trial = _fresh(options, data, subject, chosen, device, lambda *_: None)
    prepared = time.monotonic() - started
    rate = loop.steps_per_second(trial)
    spent = time.monotonic() - started  # and the preparation comes once more
    return max(loop.TRIAL_STEPS, int(rate * (minutes * 60 - spent - prepared)))


def _avatar(talker: Talker, data, subject, options: TrainingOptions, seconds: float) -> Avatar:
    drive = replace(data.drive, torso=data.drive.torso if data.torso_tracked else None)
    provenance = {
        **asdict(options),
        "source_name": subject.manifest["source"]["name"],
        "seconds": round(seconds, 1),
        "train_frames": len(data),
        "gaussians": sum(talker.config.counts.values()),
        "data": data_digests(data, talker.config.audio),
        "device": str(talker.device),
        "pgstalker": __version__,
        "torch": torch.__version__,
        "threads": thread_count(),
        "cpus": os.cpu_count(),
    }
    idle = IdleMotion(drive.camera_from_head, drive.torso, drive.eyes)
    return Avatar(talker, idle, data.pictures[calm_frame(data)], provenance)
