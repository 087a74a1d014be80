"""How fast avatars are drawn and trained: one JSON row per stage, the project's only words for speed.

    render      the rasterizer alone, Gaussians resident, another frame each time
    frame       networks, rasterizer, plate, uint8 on the host
    end_to_end  a sound file to the finished video, features included
    train_step  one optimiser step

On CUDA render and frame come at each of BATCHES frames drawn together, and train_step for one frame and for several;
rows there carry peak_memory_mb.

Times on a shared machine say little by themselves. On the CPU every timing takes turns with a loop of multiply-adds on
the same threads; rows carry what that reached in the same minute, and ratios are what to compare.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pgstalker import __version__
from pgstalker.errors import ConfigError
from pgstalker.preflight import check_python
from pgstalker.types import FPS, SAMPLE_RATE_HZ, Drive

if TYPE_CHECKING:
    from pgstalker.avatar import Avatar
    from pgstalker.player import Player

STAGES = ("render", "frame", "end_to_end", "train_step")
PLAY, TRAIN = (512, 30_000), (256, 8_000)
"""Side in px and Gaussians, all branches together, where none are asked for."""
DRIVE_S = 4
SPEECH_S = 10
FEWEST = 12
BATCHES = 1, 16
LONG = 1000
"""Batches of one long drive on CUDA: what is made once per drive is not a frame's."""
LIBRARIES = ("numpy", "numba", "torch", "gsplat")


@dataclass(frozen=True)
class BenchRequest:
    """size and gaussians: None takes PLAY, and TRAIN for training; seconds: how long each timing lasts."""

    device: str = "cpu"
    size: int | None = None
    gaussians: int | None = None
    stages: tuple[str, ...] = STAGES
    seconds: float = 8.0


def possible() -> tuple[str, ...]:
    """The stages that what is installed allows: training needs torch."""
    return STAGES if find_spec("torch") else STAGES[:-1]


def bench(folder: str | Path, request: BenchRequest) -> Iterator[dict[str, Any]]:
    """Rows of the stages asked for, measured with the avatar in `folder`. Raises AvatarError, ConfigError."""
    if "train_step" in request.stages:
        check_python("bench of train_step", "torch")
    unknown = [stage for stage in request.stages if stage not in STAGES]
    if unknown:
        raise ConfigError(f"stage {unknown[0]} is unknown; use some of: {', '.join(STAGES)}")
    for stage in request.stages:
        size, gaussians = TRAIN if stage == "train_step" else PLAY
        avatar, copies = prepared(folder, request, request.size or size, request.gaussians or gaussians)
        about = {"gaussians": copies, "size": avatar.talker.size, "avatar": Path(folder).name}
        for row in _MEASURES[stage](avatar, request):
            yield {"stage": stage, **row, **_peak_memory(request.device), **about, **_machine(request.device)}


def prepared(folder: str | Path, request: BenchRequest, size: int, gaussians: int) -> tuple[Avatar, int]:
    """The avatar with that many Gaussians at that size, on the device asked for, and how many it has."""
    from pgstalker.avatar import Avatar
    from pgstalker.devices import choose_device

    avatar = Avatar.load(folder, "cpu")
    player = rescaled(avatar.talker, size, gaussians)
    device = choose_device(request.device)
    talker = player if device == "cpu" else player.twin().to(device)
    return Avatar(talker, avatar.idle, avatar.poster), sum(player.config.counts.values())


COPIED = ("means", "log_scales", "quats", "colors", "shading")


def rescaled(player: Player, size: int, gaussians: int, seed: int = 0) -> Player:
    """A copy of an avatar for another picture size, its Gaussians split or thinned to the number asked for.

    Parts of a Gaussian lie scattered within it and share its area, so that the picture stays much the same and every
    pixel keeps about as many Gaussians as in a model trained with that number."""
    from pgstalker.player import Player

    rng = np.random.default_rng(seed)
    config = replace(player.config, baked=0)
    state = {name: value for name, value in player.state_dict().items() if not name.startswith("bake.")}
    total = sum(config.counts.values())
    counts = {name: round(count * gaussians / total) for name, count in config.counts.items()}
    counts["face"] += gaussians - sum(counts.values())
    for name, count in counts.items():
        had = config.counts[name]
        chosen = np.sort(np.r_[np.arange(count) % had] if count >= had else rng.choice(had, count, replace=False))
        cloud = {key: state[f"{name}.cloud.{key}"][chosen] for key in COPIED}
        parts = np.bincount(chosen, minlength=had)[chosen][:, None]
        spread = np.where(parts > 1, 0.7 * np.exp(cloud["log_scales"]), 0)
        cloud["means"] = cloud["means"] + spread * rng.normal(size=cloud["means"].shape)
        cloud["log_scales"] = cloud["log_scales"] - 0.5 * np.log(parts)
        cloud["opacity_logits"] = state[f"{name}.cloud.opacity_logits"][chosen]
        state |= {f"{name}.cloud.{key}": value.astype(np.float32) for key, value in cloud.items()}
    state["plate"] = _resized(state["plate"], size)
    focal_px = config.focal_px * size / config.size
    return Player(replace(config, size=size, focal_px=focal_px, counts=counts), state)


def _resized(plate: np.ndarray, size: int) -> np.ndarray:
    """[3, S, S] to [3, size, size]: nearest neighbour, which is all that timing asks for."""
    index = np.arange(size) * plate.shape[1] // size
    return np.ascontiguousarray(plate[:, index][:, :, index])


# ---- stages


def _render(avatar: Avatar, request: BenchRequest) -> Iterator[dict[str, Any]]:
    """The rasterizer over frames whose Gaussians are already moved; on the CPU also against the uncached way."""
    player, drive = _player(avatar), moving(avatar)
    if request.device != "cpu":
        yield from _render_cuda(avatar, drive, request)
        return
    scenes, draw = [], player.canvas.draw
    for poses, vectors in player.inputs(player.controls(drive[: 2 * FPS])):
        scene = player.stage.move(poses, vectors)
        scenes.append(type(scene)(*map(np.copy, scene)))
    actions = {"render": _over(scenes, draw)}
    uncached = _uncached(player, drive)
    if uncached is not None:
        actions["uncached"] = uncached
    times = timed(actions, request.seconds)
    rows = np.mean([_rows(player, scene) for scene in scenes[:: len(scenes) // 5]])
    row = summary(times["render"], times["calibration"])
    row["rows_of_16_px"] = round(float(rows))
    row["fma_limit_ms"] = _limit_ms(float(rows), row["calibration"])
    row["times_fma_limit"] = round(1e3 / row["fps_median"] / row["fma_limit_ms"], 2)
    if uncached is not None:
        slow = summary(times["uncached"], times["calibration"])
        row["uncached_ms"] = round(1e3 / slow["fps_median"], 2)
        row["times_faster_than_uncached"] = round(row["uncached_ms"] * row["fps_median"] / 1e3, 2)
    yield row


def _frame(avatar: Avatar, request: BenchRequest) -> Iterator[dict[str, Any]]:
    """Whole frames with a moving head, then with a still one."""
    from pgstalker.avatar import held_still

    drive = moving(avatar)
    if request.device != "cpu":
        yield from _frame_cuda(avatar, drive, request)
        return
    for is_still in (False, True):
        frames = _frames(avatar, held_still(drive) if is_still else drive)
        times = timed({"frame": frames.__next__}, request.seconds, calibrated=request.device == "cpu")
        yield {"still_pose": is_still} | summary(times["frame"], times.get("calibration"))


def _end_to_end(avatar: Avatar, request: BenchRequest) -> Iterator[dict[str, Any]]:
    """Ten seconds of sound to a video on disk, the program warm: the best of three, and the median."""
    from pgstalker.avatar import render_audio
    from pgstalker.media import write_wav

    with tempfile.TemporaryDirectory() as name:
        speech = Path(name) / "speech.wav"
        write_wav(speech, _speech(), SAMPLE_RATE_HZ)
        next(iter(_frames(avatar, moving(avatar))))
        runs = [render_audio(avatar, speech, Path(name) / "out.mp4") for _ in range(3)]
    seconds = [run["frames"] / run["frames_per_second"] for run in runs]
    row = {"fps_median": round(SPEECH_S * FPS / float(np.median(seconds)), 1), "ms_p95": None, "batch": 1}
    middle = runs[int(np.argsort(seconds)[1])]
    yield row | {"seconds": round(float(np.median(seconds)), 2), "stage_seconds": middle["stage_seconds"]}


def _train_step(avatar: Avatar, request: BenchRequest) -> Iterator[dict[str, Any]]:
    """Steps in the middle of a training of this avatar on pictures of the drawn presenter."""
    from pgstalker.devices import choose_device, one_torch_thread
    from pgstalker.synthetic import make_subject
    from pgstalker.training.data import TrainingData
    from pgstalker.training.train import FRAMES_PER_STEP
    from pgstalker.training.trainer import Trainer

    talker = avatar.talker if request.device != "cpu" else _player(avatar).twin()
    device, steps = choose_device(request.device), 2000
    with tempfile.TemporaryDirectory() as name, one_torch_thread():
        folder = make_subject(Path(name) / "subject", seconds=DRIVE_S, size=avatar.talker.size)
        data = TrainingData.load(folder, avatar.talker.size)
        talker = talker.requires_grad_(True).to(device)
        for frames in sorted({1, FRAMES_PER_STEP[device]}):
            trainer = Trainer(talker, data, steps, 0, 0, None, frames)
            trainer.step_number = round(0.62 * steps)  # after density control: every step is alike
            times = timed({"train_step": trainer.step}, request.seconds, calibrated=request.device == "cpu")
            yield summary(times["train_step"], times.get("calibration")) | {"frames_per_step": frames}


_MEASURES: dict[str, Callable[[Any, BenchRequest], Iterator[dict[str, Any]]]] = {
    "render": _render,
    "frame": _frame,
    "end_to_end": _end_to_end,
    "train_step": _train_step,
}


# ---- what is timed


def moving(avatar: Avatar) -> Drive:
    """DRIVE_S seconds of the avatar's own head movement over a sound that opens the mouth."""
    from pgstalker.avatar import drive_from_audio

    return drive_from_audio(avatar, _speech()[: DRIVE_S * SAMPLE_RATE_HZ])


def _speech() -> np.ndarray:
    """SPEECH_S seconds of syllables: float32 at 16 kHz."""
    t = np.arange(SPEECH_S * SAMPLE_RATE_HZ, dtype=np.float32) / SAMPLE_RATE_HZ
    voice = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 12))
    return (0.1 * voice * np.clip(np.sin(2 * np.pi * 2.3 * t) + np.sin(2 * np.pi * 0.7 * t), 0, 2)).astype(np.float32)


def _player(avatar: Avatar) -> Any:
    return avatar.talker


def _frames(avatar: Avatar, drive: Drive) -> Iterator[np.ndarray]:
    while True:
        yield from avatar.talker.render(drive)


def _over(scenes: list, draw: Callable) -> Callable[[], Any]:
    turn = cycle(scenes)
    return lambda: draw(next(turn))


def _uncached(player: Player, drive: Drive) -> Callable[[], Any] | None:
    """A frame as TalkingGaussian makes it, in torch: tri-plane features and whole networks again each time, a picture
    per branch, one laid over the other. None where torch is not installed."""
    if find_spec("torch") is None:
        return None
    import torch

    from pgstalker.devices import one_torch_thread
    from pgstalker.rendering import rasterize

    talker, size = player.twin(), player.size
    controls, turn = talker.controls(drive), cycle(range(len(drive)))
    camera = torch.as_tensor(talker.camera.matrix(), dtype=torch.float32)
    counts = [player.config.counts[name] for name in player.branches]

    @torch.no_grad()
    def draw() -> np.ndarray:
        with one_torch_thread():
            scene = talker(controls[next(turn)]).scene()
            picture = talker.plate
            for part in reversed(list(zip(*(tensor.split(counts) for tensor in scene), strict=True))):
                means, quats, scales, opacities, colors = part
                picture = rasterize(
                    means, quats, scales, opacities, colors, camera, size, size, background=picture
                ).image
            return (picture.clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()

    return draw


def _render_cuda(avatar: Avatar, drive: Drive, request: BenchRequest) -> Iterator[dict[str, Any]]:
    """The rasterizer on Gaussians that lie on the device, pictures left there."""
    import torch

    from pgstalker.rendering import render_uint8_frames

    talker = _player(avatar)
    controls, size = talker.controls(drive), talker.size
    camera = torch.as_tensor(talker.camera.matrix(), dtype=torch.float32)
    for batch in BATCHES:
        with torch.no_grad():
            starts = range(0, len(controls) - batch + 1, batch)
            scenes = [talker(controls[start : start + batch]).scene() for start in starts]

        def draw(scene: tuple) -> None:
            render_uint8_frames(*scene, camera, size, size, background=talker.plate)
            torch.cuda.synchronize()

        times = timed({"render": _over(scenes, draw)}, request.seconds, calibrated=False)
        yield summary(times["render"], None, batch)


def _frame_cuda(avatar: Avatar, drive: Drive, request: BenchRequest) -> Iterator[dict[str, Any]]:
    """Whole frames with a moving head, pictures on the host."""
    from pgstalker.models.playing import play

    talker = _player(avatar)
    controls = talker.controls(drive)
    for batch in BATCHES:
        numbers = [number % len(controls) for number in range(LONG * batch)]

        def endless(numbers: list[int] = numbers, batch: int = batch) -> Iterator[np.ndarray]:
            while True:
                yield from play(talker, controls[numbers], batch=batch)

        draw = partial(_taken, endless(), batch)
        times = timed({"frame": draw}, request.seconds, calibrated=False)
        yield {"still_pose": False} | summary(times["frame"], None, batch)


def _taken(frames: Iterator[np.ndarray], count: int) -> list[np.ndarray]:
    return list(islice(frames, count))


def _peak_memory(device: str) -> dict[str, int]:
    """The most that lay on the device since the last call, where there is one."""
    if device == "cpu":
        return {}
    import torch

    peak = torch.cuda.max_memory_allocated() // 2**20
    torch.cuda.reset_peak_memory_stats()
    return {"peak_memory_mb": peak}


# ---- timing


def timed(actions: dict[str, Callable[[], Any]], seconds: float, *, calibrated: bool = True) -> dict[str, np.ndarray]:
    """Seconds of each call, the actions taking turns until `seconds` have passed; with them, as "calibration", those
    of the multiply-adds on all threads."""
    if calibrated:
        from pgstalker.rendering.numba_calibration import calibrate
        from pgstalker.rendering.numba_runtime import share, thread_count

        sums = np.empty(thread_count(), np.float32)
        actions = {"calibration": lambda: share(calibrate, len(sums), sums, parts_per_thread=1), **actions}
    for action in actions.values():
        for _ in range(3):
            action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or len(next(iter(times.values()))) < FEWEST:
        for name, action in actions.items():
            before = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - before)
    return {name: np.array(values) for name, values in times.items()}


def summary(seconds: np.ndarray, calibration: np.ndarray | None, batch: int = 1) -> dict[str, Any]:
    """fps_median, ms_p95 and batch of calls that made `batch` frames each; calibration in GF/s per core."""
    row: dict[str, Any] = {
        "fps_median": round(batch / float(np.median(seconds)), 1),
        "ms_p95": round(float(np.percentile(seconds, 95)) * 1e3, 2),
        "batch": batch,
    }
    if calibration is not None:
        from pgstalker.rendering.numba_calibration import FLOPS

        rates = FLOPS / calibration / 1e9
        row["calibration"] = {
            "gflops_per_core_median": round(float(np.median(rates)), 1),
            "gflops_per_core_best": round(float(rates.max()), 1),
        }
    return row


def _rows(player: Player, scene: Any) -> int:
    """Rows of 16 px that the Gaussians of a moved scene reach."""
    from pgstalker.rendering.numba_calibration import count_rows

    return count_rows(*player.canvas.lists(scene))


def _limit_ms(rows: float, calibration: dict[str, float]) -> float:
    """Time of the blending alone if every vector operation ran at the peak of the same minute, on all threads."""
    from pgstalker.rendering.numba_calibration import OPERATIONS_PER_ROW
    from pgstalker.rendering.numba_runtime import thread_count

    flops = rows * OPERATIONS_PER_ROW * 32
    return round(flops / (calibration["gflops_per_core_median"] * 1e9 * thread_count()) * 1e3, 2)


def _machine(device: str) -> dict[str, Any]:
    from pgstalker.rendering.numba_runtime import thread_count

    name = processor()
    if device == "cuda":
        import torch

        name = torch.cuda.get_device_name()
    return {
        "device": device,
        "processor": name,
        "threads": thread_count(),
        "cpus": os.cpu_count(),
        "versions": {"pgstalker": __version__} | {library: _version(library) for library in LIBRARIES},
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """What this machine calls its processor."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
