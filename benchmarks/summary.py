"""Write the README's tables of presets and of measured figures from benchmarks/results; --check only says whether they
are up to date."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a file, from anywhere

from pgstalker.presets import PRESETS

COLUMNS = (
    "clip, preset, switches",
    "driven by",
    "whole dB",
    "head dB",
    "mouth dB",
    "lip r (chance)",
    "amplitude",
    "trained",
)
HEADER = "\n".join(["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"])
DRIVES = {
    "audio_mouth_tracked_torso": "its own sound",
    "tracked_mouth_tracked_torso": "the tracked mouth",
    "audio_mouth_predicted_torso": "its own sound, torso from head pose",
    "other_audio": "another person's sound",
}


GLOSSARY = """\
- head dB, mouth dB: PSNR inside the box of the head, and of the mouth, of frames that were not learned from.
- lip r (chance): correlation of the lips' opening with the truth's, and what shifted sound reaches once in twenty
  times; with a dagger (†) it is not above that, so nothing is shown about the lips{few}.
- amplitude: how far the lips move, 1 for as far as the truth's."""
OLDER = "Measured by {date}, by an older program; the board above may have newer figures of the same clips:"
FEW_FRAMES = 25
"""Of a test part in which chance reaches almost anything: a second."""


def fidelity_tables(paths: list[Path]) -> str:
    """All fidelity results, under the day and the commit of their measurement, and what their columns mean."""
    runs = [json.loads(path.read_text()) for path in paths]
    found: dict[str, list[str]] = {}
    for run in sorted(runs, key=lambda run: (run["commit"] is None, run["date"])):
        at = f"Measured on {run['date']} at commit {run['commit'][:7]}:" if run["commit"] else OLDER.format(**run)
        found.setdefault(at, []).extend(rows(run))
    few = {run["clip"]: run["test_frames"] for run in runs if run["test_frames"] < FEW_FRAMES}
    told = "".join(f" ({clip} has {frames} frames to judge, too few)" for clip, frames in few.items())
    tables = ["\n".join([title, "", HEADER, *lines]) for title, lines in found.items()]
    return "\n\n".join([*tables, GLOSSARY.format(few=told)])


def rows(run: dict) -> list[str]:
    """One row per drive of a fidelity result."""
    name = ", ".join([run["clip"], f"{run['preset']} {run['size']} px", *run["set"]])
    floor = f"{run['oracle_db']} | {run['oracle_head_db']}"
    lines = [f"| {name} | nothing: the best training frame, chosen knowing the answer | {floor} | | | | |"]
    for drive, title in DRIVES.items():
        if drive in run:
            of = run[drive]
            mark = "" if of["aperture_r"] > of["aperture_r_null95"] else " †"
            lips = f"{of['aperture_r']:.2f} ({of['aperture_r_null95']:.2f}){mark} | {of['aperture_amplitude']:.2f}"
            figures = f"{of['whole_db']:.2f} | {of['head_db']:.2f} | {of['mouth_db']:.2f} | {lips}"
            lines.append(f"| | {title} | {figures} | {run['train_seconds']:.0f} s |")
    return lines


SPEED_COLUMNS = ("stage", "size", "Gaussians", "frames/s", "95th percentile", "peak of a core then", "")
STAGES = {
    "render": "rasterizer alone", "frame": "frame, head moving", "end_to_end": "10 s of sound to a video",
    "train_step": "training step",
}  # fmt: skip


def speed_row(row: dict) -> str:
    """One row of what `python -m pgstalker bench` printed."""
    title, notes = STAGES[row["stage"]], []
    if row.get("still_pose"):
        title = "frame, head still"
    if "times_fma_limit" in row:
        notes.append(f"{row['times_fma_limit']:.1f} times the peak's limit")
    if "times_faster_than_uncached" in row:
        notes.append(f"{row['times_faster_than_uncached']:.1f} times faster than uncached")
    if "seconds" in row:
        notes.append(f"{row['seconds']:.1f} s")
    slow = "" if row["ms_p95"] is None else f"{row['ms_p95']:.0f} ms"
    peak = f"{row['calibration']['gflops_per_core_median']:.0f} GF/s" if "calibration" in row else ""
    cells = (
        title,
        f"{row['size']} px",
        f"{row['gaussians']:,}",
        f"{row['fps_median']:.0f}",
        slow,
        peak,
        ", ".join(notes),
    )
    return f"| {' | '.join(cells)} |"


def speed_table(path: Path) -> str:
    """The rows of one bench, under their own header."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    device = f"{found[0]['device']}, {found[0]['threads']} threads"
    lines = ["| " + " | ".join(SPEED_COLUMNS) + " |", "|---" * len(SPEED_COLUMNS) + "|", *map(speed_row, found)]
    return f"Speed ({device}; `python -m pgstalker bench`, on a machine that others used too):\n\n" + "\n".join(lines)


TRUTH = {
    "face_found": "face found",
    "rotation_median_deg": "head rotation, median error",
    "aperture_r": "lip opening, r",
    "blink_r": "blink, r",
    "lag_frames": "lag",
}


def truth_table(paths: list[Path]) -> str:
    """What tracking_truth.py printed, a row per presenter."""
    lines = [f"| presenter | {' | '.join(TRUTH.values())} |", "|---" * (len(TRUTH) + 1) + "|"]
    for path in paths:
        run = json.loads(path.read_text())
        cells = (
            f"{run['face_found']:.0%}",
            f"{run['rotation_median_deg']:.2f} degrees",
            f"{run['aperture_r']:.3f}",
            f"{run['blink_r']:.3f}",
            f"{run['lag_frames']:+.2f} frames",
        )
        lines.append(f"| {run['subject'].removesuffix('-subject')} | {' | '.join(cells)} |")
    return "Tracking against exact truth (`benchmarks/tracking_truth.py`):\n\n" + "\n".join(lines)


HEARING_COLUMNS = ("clip", "hears with", "frames judged", "lip opening, r", "amplitude", "closure F1 (chance)")


def hearing_table(paths: list[Path]) -> str:
    """What hearing.py printed: every frame by members that never saw it, and the held-out part as a stream hears it."""
    lines = ["| " + " | ".join(HEARING_COLUMNS) + " |", "|---" * len(HEARING_COLUMNS) + "|"]
    for path in paths:
        run = json.loads(path.read_text())
        ways = {"all, cross-validated": run["cross_validated"], "held out": run["held_out"]["own"]}
        ways |= {"held out, streamed": run["held_out"]["stream"]} if "stream" in run["held_out"] else {}
        for way, of in ways.items():
            r, amplitude, closure = (_with_interval(of, name) for name in ("r", "amplitude", "closure_f1"))
            closure = f"{closure} ({of['closure_chance']:.2f})"
            lines.append(f"| {run['clip']} | {run['audio']} | {of['frames']}, {way} | {r} | {amplitude} | {closure} |")
    title = (
        "Hearing alone, nothing drawn (`benchmarks/hearing.py`; in brackets 95 % intervals over blocks of a second):"
    )
    return title + "\n\n" + "\n".join(lines)


def _with_interval(figures: dict, name: str) -> str:
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.2f} [{low:.2f}, {high:.2f}]"


def cross_table(paths: list[Path]) -> str:
    """What cross_speaker.py printed: a row per sound."""
    lines = ["| hearing of | sound | judged by | r (chance) | agrees | amplitude |", "|---" * 6 + "|"]
    for path in paths:
        run = json.loads(path.read_text())
        for name, of in run["sounds"].items():
            figures = f"{of['r']:.2f} ({of['null']:.2f}) | {'yes' if of['agrees'] else 'no'} | {of['amplitude']:.2f}"
            lines.append(f"| {run['clip']}, {run['audio']} | {name} | {of['reference']} | {figures} |")
        lines.append(f"| {run['clip']}, {run['audio']} | all | | | {run['agree_share']:.0%} | |")
    return "Other people's speech (`benchmarks/cross_speaker.py`):\n\n" + "\n".join(lines)


def table() -> str:
    """The whole table, a part per machine."""
    parts = []
    for machine in sorted(path for path in (ROOT / "benchmarks" / "results").iterdir() if path.is_dir()):
        fidelity = fidelity_tables(sorted(machine.glob("fidelity_*.json")))
        parts.append(f"On {machine.name.replace('-', ' ')}. {fidelity}")
        parts += [speed_table(path) for path in sorted(machine.glob("bench_*.jsonl"))]
        for name, of in {"tracking_truth": truth_table, "hearing": hearing_table, "cross_speaker": cross_table}.items():
            if results := sorted(machine.glob(f"{name}_*.json")):
                parts.append(of(results))
    return "\n\n".join(parts)


PRESET_COLUMNS = ("preset", "px", "steps", "Gaussians, at most", "on two cores, about")


def preset_table() -> str:
    """Every preset and how long PGSTalker learns with it, from what pace.py measured."""
    paces = json.loads((ROOT / "benchmarks" / "results" / "amd-epyc-2-cores" / "pace.json").read_text())["runs"][-1]
    timed = {PRESETS[name].size: PRESETS[name] for name in ("quick", "default")}
    lines = ["| " + " | ".join(PRESET_COLUMNS) + " |", "|---" * len(PRESET_COLUMNS) + "|"]
    for name, of in PRESETS.items():
        pace = paces["paces"][str(of.size)]["pgstalker"]
        spent = _spent(of.steps * pace["seconds_per_step"] + pace["fixed_seconds"])
        more = "more than " if of.cap > timed[of.size].cap else ""
        lines.append(f"| `{name}` | {of.size} | {of.steps:,} | {of.cap:,} | {more}{spent} |")
    return "\n".join(lines)


def _spent(seconds: float) -> str:
    """Two digits of it are enough."""
    if seconds < 120:
        return f"{round(seconds, -1):.0f} s"
    return f"{round(seconds / 30) / 2:g} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    readme = ROOT / "README.md"
    wanted = text = readme.read_text()
    for name, made in {"presets": preset_table(), "measured": table()}.items():
        head, start, rest = wanted.partition(f"<!-- {name} -->")
        wanted = f"{head}{start}\n{made}\n<!-- /{name} -->{rest.partition(f'<!-- /{name} -->')[2]}"
    if parser.parse_args().check:
        sys.exit(0 if wanted == text else "README.md: its figures are not those of benchmarks/results")
    readme.write_text(wanted)


if __name__ == "__main__":
    main()
