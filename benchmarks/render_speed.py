"""How fast the CPU rasterizer draws and differentiates; prints one JSON line.

    python benchmarks/render_speed.py [--repeats 25]

A head-like ellipsoid of 8,000 or 30,000 Gaussians at 256 or 512 px, one thread and two. Times on a shared machine say
little by themselves: `ratio` is the smallest time divided by the smallest time of a fixed loop of vector
multiply-adds (2^24 of 16 lanes, one thread) timed in turns with it, and that is what to compare.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

import numpy as np
import torch

from pgstalker.rendering import numba_simd as v
from pgstalker.rendering import prepare_target, rasterize, render_uint8, ssim
from pgstalker.rendering.numba_runtime import fast_kernel, set_thread_count, thread_count
from pgstalker.types import Camera

CASES = ((256, 8_000), (256, 30_000), (512, 30_000))


@fast_kernel
def calibrate(start):
    """2^24 multiply-adds of 16 float32 in eight independent chains."""
    a = b = c = d = e = f = g = h = v.splat(start)
    k = v.splat(np.float32(0.9999))
    for _ in range(1 << 21):
        a, b, c, d = v.fma(a, k, k), v.fma(b, k, k), v.fma(c, k, k), v.fma(d, k, k)
        e, f, g, h = v.fma(e, k, k), v.fma(f, k, k), v.fma(g, k, k), v.fma(h, k, k)
        k = v.mul(k, k)
    return v.lane_sum(v.add(v.add(v.add(a, b), v.add(c, d)), v.add(v.add(e, f), v.add(g, h))))


def head(count: int) -> list[torch.Tensor]:
    """Means, quats, scales, opacities, colors of an ellipsoid that fills a third of the picture."""
    rng = np.random.default_rng(0)
    outward = rng.normal(size=(count, 3))
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    scales = np.exp(rng.normal(size=(count, 3)) * 0.4) * 18 / np.sqrt(count)
    arrays = (
        outward * [7, 9.5, 8] + [0, 0, 62],
        rng.normal(size=(count, 4)),
        scales,
        rng.uniform(0.2, 0.95, count),
        rng.uniform(0, 1, (count, 3)),
    )
    return [torch.tensor(array, dtype=torch.float32, requires_grad=True) for array in arrays]


def milliseconds(action) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e3


def timed(actions: dict, repeats: int) -> dict:
    """Median, minimum and ratio of each action, the calibration loop taking its turn with them."""
    one = np.float32(1)
    for action in [*actions.values(), lambda: calibrate(one)]:
        action()
    rounds = [[milliseconds(lambda: calibrate(one)), *map(milliseconds, actions.values())] for _ in range(repeats)]
    yardstick, *columns = zip(*rounds)
    result: dict = {"calibration_ms": round(min(yardstick), 3)}
    for name, times in zip(actions, columns):
        result[name] = {
            "median_ms": round(statistics.median(times), 2),
            "min_ms": round(min(times), 2),
            "ratio": round(min(times) / min(yardstick), 3),
        }
    return result


def measure(size: int, count: int, threads: int, repeats: int) -> dict:
    scene = head(count)
    camera = Camera(2.34375 * size, size, size, size / 2, size / 2).matrix()
    plate = torch.rand(3, size, size)
    target, weight = prepare_target(torch.rand(3, size, size)), torch.rand(size, size)
    incoming = torch.randn(3, size, size)
    picture = torch.rand(3, size, size, requires_grad=True)
    set_thread_count(threads)

    def forward():
        return rasterize(*scene, camera, size, size, background=plate)

    actions = {
        "forward": forward,
        "forward_backward": lambda: torch.autograd.backward(forward().image, incoming),
        "uint8_frame": lambda: render_uint8(*scene, camera, size, size, background=plate),
        "ssim_forward_backward": lambda: ssim(picture, target, weight).backward(),
    }
    return {"size": size, "gaussians": count, "threads": threads, **timed(actions, repeats)}


def processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=25)
    repeats = parser.parse_args().repeats
    available = thread_count()
    torch.set_num_threads(1)
    threads = [count for count in (1, 2) if count <= available]
    rows = [measure(size, count, n, repeats) for size, count in CASES for n in threads]
    print(json.dumps({"benchmark": "render_speed", "cpu": processor(), "repeats": repeats, "rows": rows}))


if __name__ == "__main__":
    main()
