"""Everything that only a CUDA device can tell, in one run; one JSON line, and a file named after the device.

    python benchmarks/gpu_check.py --subject SUBJECT [--wheels DIR] [--build DIR] [--out benchmarks/results]

1. Installs the wheels in DIR without a network (gsplat and what it needs), where gsplat is not installed.
2. Builds gsplat's kernels once into --build; carry that folder to the next machine and nothing is compiled there.
3. Runs the CUDA parity tests.
4. Trains the subject at 512 px and renders its held-out part: seconds, PSNR, frames per second.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def install(wheels: Path | None) -> None:
    """gsplat from carried wheels, where it is not there yet."""
    if (
        wheels is None
        or subprocess.run([sys.executable, "-c", "import gsplat"], capture_output=True, check=False).returncode == 0
    ):
        return
    site = Path("/tmp/gpu_check_site")
    files = [str(path) for path in sorted(wheels.glob("*.whl"))]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", site, *files],
        check=True,
    )
    sys.path.insert(0, str(site))
    os.environ["PYTHONPATH"] = f"{site}:{os.environ.get('PYTHONPATH', '')}"


def lend_ffmpeg() -> None:
    """Put imageio-ffmpeg's program on the path under the name that the library calls, where there is no ffmpeg."""
    import shutil

    if shutil.which("ffmpeg") is None:
        import imageio_ffmpeg

        folder = Path("/tmp/gpu_check_bin")
        folder.mkdir(exist_ok=True)
        (folder / "ffmpeg").unlink(missing_ok=True)
        (folder / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


def build(folder: Path) -> dict:
    """Compile gsplat's kernels, or load them where they were compiled before."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["TORCH_EXTENSIONS_DIR"] = str(folder.resolve())
    os.environ.setdefault("MAX_JOBS", str(os.cpu_count()))
    started = time.monotonic()
    from pgstalker.rendering.cuda import why_unusable

    return {"unusable": why_unusable(), "seconds": round(time.monotonic() - started, 1)}


def parity() -> dict:
    """The outcome of the CUDA tests."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "gpu",
        "-p",
        "no:cacheprovider",
        "tests/rendering/test_gsplat.py",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "passed": done.returncode == 0 and "skipped" not in done.stdout,
        "last_line": done.stdout.strip().rpartition("\n")[2],
    }


def fidelity(subject_folder: Path, out: Path, preset: str) -> dict:
    """Train at 512 px and compare the held-out part with the subject's own pictures."""
    import numpy as np

    from pgstalker.avatar import drive_from_subject
    from pgstalker.measures import psnr
    from pgstalker.subject import Subject
    from pgstalker.training import TrainingRequest, train

    started = time.monotonic()
    avatar = train(subject_folder, out, TrainingRequest(preset=preset, size=512, device="cuda"))
    result = {"preset": preset, "steps": avatar.provenance["steps"], "gaussians": avatar.provenance["gaussians"]}
    result["train_seconds"] = round(time.monotonic() - started, 1)
    subject = Subject.load(subject_folder)
    truths = list(subject.read_frames(size=512, start=subject.train_frames))
    for mouth in ("audio", "tracked"):
        drive, _ = drive_from_subject(avatar, subject, "held-out", mouth=mouth)
        started = time.monotonic()
        images = list(avatar.talker.render(drive))
        seconds = time.monotonic() - started
        scores = [float(psnr(image, truth)) for image, truth in zip(images, truths, strict=True)]
        result[f"{mouth}_mouth"] = {
            "whole_db": round(float(np.mean(scores)), 2),
            "frames_per_second": round(len(images) / seconds, 1),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subject", type=Path, required=True)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--build", type=Path, default=Path("build/gsplat"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--preset", default="default")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    install(arguments.wheels)
    lend_ffmpeg()
    import torch

    if not torch.cuda.is_available():
        sys.exit("no CUDA device on this machine")
    device = torch.cuda.get_device_name()
    result = {"device": device, "torch": torch.__version__, "build": build(arguments.build), "parity": parity()}
    result["fidelity"] = fidelity(arguments.subject, Path("/tmp/gpu_check_avatar"), arguments.preset)
    result["peak_memory_mb"] = torch.cuda.max_memory_allocated() // 2**20
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    (arguments.out / f"gpu_check_{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
