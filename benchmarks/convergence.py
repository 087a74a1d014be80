"""Held-out PSNR of a method against how long it was trained, up to three times its preset. One JSON line, one plot.

    python benchmarks/convergence.py METHOD SUBJECT [--preset quick] [--budgets 0.25 0.5 1 2 3] [--set NAME=VALUE ...]
                                     [--out FOLDER]

Each point is a run of its own with its whole schedule squeezed into the steps, so that none is judged half-way. A
method whose curve is flat at the end has had its chance. The dashed line is the mean training frame.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

import numpy as np

from pgstalker.landmarks import EYE_CORNERS
from pgstalker.measures import psnr
from pgstalker.method import Method, Performance, Trained, TrainingRequest, method
from pgstalker.subject import Subject
from pgstalker.training.data import mouth_boxes

BUDGETS = [0.25, 0.5, 1.0, 2.0, 3.0]
WIDTH, HEIGHT, MARGIN = 480, 300, 50


def judge(learnt: Trained, performance: Performance) -> dict[str, float]:
    """Mean PSNR of whole frames and of the mouths' boxes, dB, and frames rendered a second."""
    size, tracks = learnt.size, performance.subject.tracks
    truth = np.stack(list(performance.pictures(size)))
    list(learnt.render(performance[:2]))
    started = time.perf_counter()
    images = np.stack(list(learnt.render(performance)))
    seconds = time.perf_counter() - started
    landmarks = tracks.landmarks_px[performance.frames] * (size / performance.subject.camera.width)
    eyes = landmarks[:, EYE_CORNERS, :2]
    boxes = mouth_boxes(landmarks, float(np.median(np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1))), size)
    mouths = [psnr(i[a:b, c:d], t[a:b, c:d]) for i, t, (a, b, c, d) in zip(images, truth, boxes, strict=True)]
    return {
        "whole_db": round(float(psnr(images, truth).mean()), 2),
        "mouth_db": round(float(np.mean(mouths)), 2),
        "render_fps": round(len(images) / seconds, 1),
    }


def point(chosen: Method, subject: Path, request: TrainingRequest) -> dict[str, Any]:
    """One run: steps, seconds, figures of the held-out part."""
    with tempfile.TemporaryDirectory() as folder:
        learnt = chosen.train(subject, Path(folder) / "model", request, lambda *_: None)
        figures = judge(learnt, Performance.of(Subject.load(subject)))
    return {name: learnt.provenance[name] for name in ("size", "steps", "seconds")} | figures


def curve(chosen: Method, subject: Path, request: TrainingRequest, budgets: list[float]) -> dict[str, Any]:
    """The points of a method, and the floor."""

    steps = chosen.steps[request.preset]
    still = point(method("still-frame"), subject, replace(request, switches={}))
    points = []
    for budget in budgets:
        points.append({"budget": budget, **point(chosen, subject, replace(request, steps=round(steps * budget)))})
        print(json.dumps(points[-1]), file=sys.stderr, flush=True)
    return {
        "method": chosen.id,
        "subject": subject.name,
        "preset": request.preset,
        "set": dict(request.switches),
        "still_frame_db": still["whole_db"],
        "points": points,
    }


def plot(result: dict[str, Any]) -> str:
    """The curve as an SVG picture: budget across, PSNR of whole frames up, the floor dashed."""
    across = [p["budget"] for p in result["points"]]
    up = [p["whole_db"] for p in result["points"]]
    low, high = min([*up, result["still_frame_db"]]) - 0.5, max([*up, result["still_frame_db"]]) + 0.5

    def x(budget: float) -> float:
        return MARGIN + budget / max(across) * (WIDTH - 2 * MARGIN)

    def y(db: float) -> float:
        return HEIGHT - MARGIN - (db - low) / (high - low) * (HEIGHT - 2 * MARGIN)

    line = " ".join(f"{x(b):.1f},{y(d):.1f}" for b, d in zip(across, up, strict=True))
    still = result["still_frame_db"]
    floor, title = y(still), f"{result['method']}, {result['subject']}, {result['preset']}"
    marks = [
        f'<circle cx="{x(b):.1f}" cy="{y(d):.1f}" r="3"/><text x="{x(b):.1f}" y="{y(d) - 8:.1f}">{d:.2f}</text>'
        f'<text x="{x(b):.1f}" y="{HEIGHT - MARGIN + 18}">{b:g}</text>'
        for b, d in zip(across, up, strict=True)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
            'font-size="11" text-anchor="middle">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{WIDTH / 2}" y="22" font-size="13">{title}: held-out PSNR, dB</text>',
            f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{floor:.1f}" y2="{floor:.1f}" stroke="gray" '
            'stroke-dasharray="4"/>',
            f'<text x="{WIDTH - MARGIN}" y="{floor - 6:.1f}" fill="gray">still frame {still:.2f}</text>',
            f'<polyline points="{line}" fill="none" stroke="black"/>',
            *marks,
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}">budget, 1 = the preset</text>',
            "</svg>",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("method")
    parser.add_argument("subject", type=Path)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)  # now, not when the work is done
    request = TrainingRequest(preset=arguments.preset, switches=dict(pair.split("=", 1) for pair in arguments.set))
    result = curve(method(arguments.method), arguments.subject, request, arguments.budgets)
    print(json.dumps(result))
    if arguments.out:
        name = "_".join(["convergence", arguments.method, arguments.subject.stem, arguments.preset, *arguments.set])
        (arguments.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        (arguments.out / f"{name}.svg").write_text(plot(result))


if __name__ == "__main__":
    main()
