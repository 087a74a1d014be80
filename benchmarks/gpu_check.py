"""Everything that only a CUDA device can tell, in one run; a JSON line, and files in a folder named after the device.

    python benchmarks/gpu_check.py --subject SUBJECT [--wheels DIR] [--library DIR] [--stages build parity ...]

    build      installs the wheels in --wheels (no network); takes gsplat's kernels from --library, or compiles them for
               this device's kind and puts them there, packed in parts, to be carried to the next machine
    parity     the CUDA tests
    fidelity   trains the subject at 512 px, renders its held-out part: seconds, PSNR, peak memory
    nerf       trains er-nerf on the subject at 512 px, renders its held-out part: frames a second, PSNR, peak memory
    bench      python -m pgstalker bench --device cuda

The device machine needs torch, nvcc, pytest and this working tree; build comes first whatever the stages are.
"""

from __future__ import annotations

import argparse
import glob
import json
import lzma
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("parity", "fidelity", "nerf", "bench")
PARITY = (
    "tests/rendering/test_gsplat.py",
    "tests/models/test_playing_cuda.py",
    "tests/nerf/test_cuda.py",
    "tests/training/test_gaussian_methods_cuda.py",
)
NERF_STEPS, NERF_FRAMES = 3000, 100
PART_BYTES = 15 << 20
LIBRARY = "csrc.so"
"""gsplat looks for a compiled module of that name in its own folder before it compiles anything."""
PRESETS = ("quick", "default", "paper")


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line, checked; what is wrong ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subject", type=Path, help="a prepared subject, for fidelity")
    parser.add_argument("--avatar", type=Path, default=ROOT / "sample_data" / "avatars" / "mira", help="for bench")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels to install")
    parser.add_argument("--library", type=Path, default=ROOT / "build" / "gsplat", help="gsplat's kernels, packed")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--preset", choices=PRESETS, default="default")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each timing of bench lasts")
    parser.add_argument("--jobs", type=int, default=16, help="compilers at a time")
    given = parser.parse_args(words)
    if given.wheels is not None and not list(given.wheels.glob("*.whl")):
        parser.error(f"--wheels {given.wheels}: no .whl file is in that folder")
    if learning := [stage for stage in given.stages if stage in ("fidelity", "nerf")]:
        if given.subject is None:
            parser.error(f"{learning[0]} needs --subject; or leave it out: --stages parity bench")
        if not (given.subject / "subject.json").is_file():
            parser.error(f"--subject {given.subject}: no prepared subject (it has no subject.json)")
    if "bench" in given.stages and not (given.avatar / "config.json").is_file():
        parser.error(f"--avatar {given.avatar}: no avatar (it has no config.json)")
    if not given.seconds > 0 or given.jobs < 1:
        parser.error("--seconds and --jobs must be more than 0")
    return given


def slug(name: str) -> str:
    """A device's name as that of a folder: lower case, words joined by dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


# ---- what is carried


def install(wheels: Path, site: Path) -> None:
    """The wheels into `site`, for this process and those that it starts."""
    files = [str(path) for path in sorted(wheels.glob("*.whl"))]
    options = ["--quiet", "--no-index", "--no-deps", "--upgrade", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *files], check=True)
    sys.path.insert(0, str(site))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])


def lend_ffmpeg(folder: Path) -> None:
    """imageio-ffmpeg's program under the name that the library calls, where there is no ffmpeg."""
    if shutil.which("ffmpeg") is None and find_spec("imageio_ffmpeg"):
        import imageio_ffmpeg

        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ffmpeg").unlink(missing_ok=True)
        (folder / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def pack(file: Path, folder: Path) -> list[Path]:
    """`file`, compressed, as numbered parts of at most PART_BYTES in `folder`; older parts go."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{file.name}.xz.*"):
        old.unlink()
    packed = lzma.compress(file.read_bytes(), preset=3)
    parts = []
    for start in range(0, len(packed), PART_BYTES):
        parts.append(folder / f"{file.name}.xz.{len(parts):03d}")
        parts[-1].write_bytes(packed[start : start + PART_BYTES])
    return parts


def unpack(folder: Path, file: Path) -> bool:
    """The inverse of pack(), into `file`; whether there were parts. Raises lzma.LZMAError for damaged ones."""
    parts = sorted(folder.glob(f"{file.name}.xz.*"))
    if not parts:
        return False
    unpacked = lzma.decompress(b"".join(part.read_bytes() for part in parts))
    temporary = file.with_name(f".{file.name}.part")
    temporary.write_bytes(unpacked)
    temporary.replace(file)
    return True


def library_kind(torch_version: str, capability: tuple[int, int]) -> str:
    """What a compiled library fits: torch, Python and the device's architecture."""
    python = "".join(platform.python_version_tuple()[:2])
    return f"gsplat_torch-{slug(torch_version)}_cp{python}_sm{capability[0]}{capability[1]}_{platform.machine()}"


def build(library: Path, jobs: int) -> dict[str, Any]:
    """gsplat with its kernels, carried or compiled: where from, seconds, and why it cannot draw (None: it can)."""
    import torch

    spec = find_spec("gsplat")
    if spec is None or not spec.submodule_search_locations:
        return {"unusable": "gsplat is not installed; carry its wheel in --wheels", "from": None, "seconds": 0.0}
    package = Path(next(iter(spec.submodule_search_locations)))
    capability = torch.cuda.get_device_capability()
    folder = library / library_kind(torch.__version__, capability)
    started, source = time.monotonic(), "carried"
    if not unpack(folder, package / LIBRARY):
        source = "compiled"
        shutil.copy(compile_kernels(package / "cuda", capability, jobs), package / LIBRARY)
        pack(package / LIBRARY, folder)
    from pgstalker.rendering.cuda import why_unusable

    return {"unusable": why_unusable(), "from": source, "seconds": round(time.monotonic() - started, 1)}


def compile_kernels(folder: Path, capability: tuple[int, int], jobs: int) -> Path:
    """gsplat's sources with its own options, under the name that it imports without compiling."""
    from torch.utils.cpp_extension import load

    os.environ["TORCH_CUDA_ARCH_LIST"] = f"{capability[0]}.{capability[1]}"
    os.environ["MAX_JOBS"] = str(jobs)
    place = Path(tempfile.mkdtemp(prefix="gsplat-"))
    sources = [*glob.glob(f"{folder}/csrc/*.cu"), *glob.glob(f"{folder}/csrc/*.cpp"), f"{folder}/ext.cpp"]
    load(
        name=Path(LIBRARY).stem,
        sources=sources,
        extra_cflags=["-O3", "-Wno-attributes"],
        extra_cuda_cflags=["-O3", "-use_fast_math"],
        extra_include_paths=[f"{folder}/include", f"{folder}/csrc/third_party/glm"],
        build_directory=str(place),
        verbose=True,
        is_python_module=False,
    )
    return place / LIBRARY


# ---- stages


def parity() -> dict[str, Any]:
    """The outcome of the CUDA tests; one that skips has not passed."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-m", "gpu", "-p", "no:cacheprovider", *PARITY]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout[-4000:], file=sys.stderr)
    return parity_outcome(done.returncode, done.stdout)


def parity_outcome(code: int, output: str) -> dict[str, Any]:
    """From pytest's exit code and what it printed."""
    last = output.strip().rpartition("\n")[2]
    return {"passed": code == 0 and "skipped" not in last, "last_line": last}


def fidelity(subject_folder: Path, preset: str) -> dict[str, Any]:
    """Train at 512 px and compare the held-out part with the subject's own pictures."""
    import numpy as np
    import torch

    from pgstalker.avatar import drive_from_subject
    from pgstalker.measures import psnr
    from pgstalker.subject import Subject
    from pgstalker.training import TrainingRequest, train

    torch.cuda.reset_peak_memory_stats()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        avatar = train(subject_folder, Path(folder) / "avatar", TrainingRequest(preset=preset, size=512, device="cuda"))
    facts = ("steps", "gaussians", "frames_per_step", "train_frames")
    result: dict[str, Any] = {"subject": subject_folder.name, "preset": preset}
    result |= {name: avatar.provenance[name] for name in facts}
    result["train_seconds"] = round(time.monotonic() - started, 1)
    result["peak_memory_mb"] = torch.cuda.max_memory_allocated() // 2**20
    subject = Subject.load(subject_folder)
    truths = list(subject.read_frames(size=512, start=subject.train_frames))
    for mouth in ("audio", "tracked"):
        drive, _ = drive_from_subject(avatar, subject, "held-out", mouth=mouth)
        scores = [psnr(image, truth) for image, truth in zip(avatar.talker.render(drive), truths, strict=True)]
        result[f"{mouth}_mouth_db"] = round(float(np.mean(scores)), 2)
    return result


def nerf(subject_folder: Path) -> dict[str, Any]:
    """Train er-nerf at 512 px, and time whole frames: true torso to the device, drawn, back as uint8."""
    import numpy as np
    import torch

    from pgstalker.measures import psnr
    from pgstalker.method import Performance, TrainingRequest, method
    from pgstalker.subject import Subject

    torch.cuda.reset_peak_memory_stats()
    request, started = TrainingRequest(preset="default", steps=NERF_STEPS, size=512, device="cuda"), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        learnt = method("er-nerf").train(subject_folder, Path(folder) / "er-nerf", request, lambda *_: None)
    result: dict[str, Any] = {"subject": subject_folder.name, "steps": NERF_STEPS}
    result["train_seconds"] = round(time.monotonic() - started, 1)
    result["peak_memory_mb"] = torch.cuda.max_memory_allocated() // 2**20
    held_out = Performance.of(Subject.load(subject_folder))
    scores = [psnr(image, truth) for image, truth in zip(learnt.render(held_out), held_out.pictures(512), strict=True)]
    result["psnr_db"] = round(float(np.mean(scores)), 2)
    return result | {"frames_per_second": round(nerf_speed(learnt.talker, held_out), 1)}


def nerf_speed(talker: Any, performance: Any) -> float:
    """Frames a second that a NerfTalker draws over a background, the copies to and from the device included."""
    import numpy as np
    import torch

    codes = talker.ear.listen(performance.samples, performance.recording_frames, performance.is_own)
    background = np.zeros((talker.size, talker.size, 3), np.uint8)
    numbers, started = range(NERF_FRAMES + 10), 0.0
    for number in numbers:
        if number == 10:
            torch.cuda.synchronize()
            started = time.perf_counter()
        place = number % len(performance)
        code, pose = codes[performance.moments[place]], performance.camera_from_head[place]
        talker.draw(pose, code, float(performance.eyes[place]), background).cpu()
    return NERF_FRAMES / (time.perf_counter() - started)


def speed(avatar: Path, seconds: float) -> list[dict[str, Any]]:
    """The rows of `bench --device cuda`."""
    from pgstalker.performance import BenchRequest, bench

    return list(bench(avatar, BenchRequest(device="cuda", seconds=seconds)))


def write(folder: Path, result: dict[str, Any]) -> list[Path]:
    """gpu_check.json, and the bench's rows in bench_cuda.jsonl as the command writes them; what an earlier run with
    other stages found is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, path = result.get("bench"), folder / "gpu_check.json"
    before = json.loads(path.read_text()) if path.is_file() else {}
    whole = {**before, **{name: value for name, value in result.items() if name != "bench"}}
    path.write_text(json.dumps(whole, indent=1) + "\n")
    written = [path]
    if rows is not None:
        written.append(folder / "bench_cuda.jsonl")
        written[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return written


def main() -> int:
    given = arguments()
    sys.path.insert(0, str(ROOT))
    if given.wheels is not None:
        install(given.wheels, Path(tempfile.mkdtemp(prefix="site-")))
    lend_ffmpeg(Path(tempfile.mkdtemp(prefix="bin-")))
    import torch

    if not torch.cuda.is_available():
        sys.exit("no CUDA device on this machine")
    device = torch.cuda.get_device_name()
    result: dict[str, Any] = {"device": device, "torch": torch.__version__, "cuda": torch.version.cuda}
    result["build"] = build(given.library, given.jobs)
    folder = given.out / slug(device)
    measures: dict[str, Callable[[], Any]] = {
        "parity": parity,
        "fidelity": lambda: fidelity(given.subject, given.preset),
        "nerf": lambda: nerf(given.subject),
        "bench": lambda: speed(given.avatar, given.seconds),
    }
    for stage in [] if result["build"]["unusable"] else given.stages:
        result[stage] = measures[stage]()
        write(folder, result)  # the next stage may not end in time
    write(folder, result)
    print(json.dumps(result))
    return int(bool(result["build"]["unusable"]) or not result.get("parity", {"passed": True})["passed"])


if __name__ == "__main__":
    sys.exit(main())
