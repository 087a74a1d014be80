"""The judge's command line: python -m leaderboard regenerate | run | report | verify | rescore | score | ..."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from leaderboard.commands import Datasets, Regenerate, Report, Rescore, Run, Verify
from leaderboard.workbench import Compare, Experiment, Explain, Submit, Truth
from pgstalker.command_line import check_output, run
from pgstalker.errors import ConfigError


@dataclass
class Score:
    """Score a video of a talking head, against the truth where there is one."""

    pred: Path
    """The video to judge."""
    gt: Path | None = None
    """The real video of the same words, frame for frame."""
    audio: Path | None = None
    """The sound that drove it; else that of PRED, else that of GT."""
    out: Path | None = None
    """A scores.json to write, per-frame values in an .npz beside it."""
    setting: Literal["self", "cross"] | None = None
    """Driven by the person's own test sound, or by another's: self with --gt, else cross."""
    composite: Literal["gt_torso", "rendered_torso", "pasteback", "full_frame"] = "full_frame"
    """What the prediction shows beside the head."""
    codec: Literal["lossless", "h264_q8"] = "lossless"
    """What both sides go through first; h264_q8 is what the papers' scripts do."""
    resample: bool = False
    """Give the prediction the truth's frame rate and size (25 frames/s without a truth)."""
    cut: bool = False
    """Compare the common length of videos of different lengths."""
    align: bool = False
    """Shift the prediction by the best lag first."""
    every_frame: bool = False
    """LPIPS and FLIP look at every frame too, not at every fifth."""
    metrics: tuple[str, ...] = ()
    """Some metrics only; `python -m leaderboard metrics` lists them."""
    weights: Path | None = None
    """A folder with weights of SyncNet and LPIPS, before $PGSTALKER_MODELS."""
    openface: tuple[Path, Path] | None = None
    """OpenFace's CSV of the prediction and of the truth."""
    clip: str | None = None
    """DATASET/CLIP that PRED is a result of; needed to submit the record."""
    method: str | None = None
    """The method's id; else the name of PRED."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0

    def run(self) -> None:
        from leaderboard.protocol import Protocol
        from leaderboard.scoring import ScoreRequest, score

        check_output(self.out, ".json")
        setting = self.setting or ("cross" if self.gt is None else "self")
        request = ScoreRequest(
            prediction=self.pred,
            truth=self.gt,
            audio=self.audio,
            protocol=Protocol(setting, self.composite, self.codec),
            resample=self.resample,
            cut=self.cut,
            align=self.align,
            every_frame=self.every_frame,
            metrics=self.metrics,
            weights=self.weights,
            openface=self.openface,
            device=self.device,
            seed=self.seed,
            labels=labels(self.clip, self.method),
        )
        record = score(request, self.out, _show if sys.stderr.isatty() else lambda stage, share: None)
        print("\n".join(lines(record)))


def labels(clip: str | None, method: str | None) -> dict[str, Any]:
    """What a person says of a prediction, as a record bears it. Raises ConfigError for a clip without its dataset."""
    found: dict[str, Any] = {} if method is None else {"method": {"id": method}}
    if clip is not None:
        dataset, _, name = clip.partition("/")
        if not dataset or not name or "/" in name:
            raise ConfigError(f"--clip {clip} is not DATASET/CLIP; give presenters/mira, for instance")
        found["clip"] = {"dataset": dataset, "id": name}
    return found


def _show(stage: str, share: float) -> None:
    print(f"\r{stage:<20} {share:4.0%}", end="\r", file=sys.stderr, flush=True)


def lines(record: dict[str, Any]) -> list[str]:
    """A record for people: a line per value, then a line per reason for the cells that are blank."""
    head = f"{record['inputs']['prediction']['file']}: {record['counts']['n_used']} frames, {record['protocol']['id']}"
    found = [head]
    blank: dict[tuple[str, str], list[str]] = {}
    for key, cell in record["metrics"].items():
        if cell["status"] != "ok":
            blank.setdefault((cell["status"], cell["reason"]), []).append(key)
            continue
        spread = "" if cell["ci95"] is None else f"  [{cell['ci95'][0]:.4g}, {cell['ci95'][1]:.4g}]"
        notes = [] if cell["stride"] == 1 else [f"every {cell['stride']}th frame"]
        notes += [f"{cell['n_missing']} frames missing"] if cell["n_missing"] else []
        notes += [f"{name} {value}" for name, value in cell["details"].items() if name in ("null_p95", "truth")]
        text = f"  {key:<22} {cell['value']:>10.4f} {cell['unit']}{spread}{'  ' if notes else ''}{', '.join(notes)}"
        found.append(text.rstrip())
    found += [f"  {', '.join(keys)}: {status}: {reason}" for (status, reason), keys in blank.items()]
    return found


@dataclass
class Metrics:
    """List the metrics: unit, direction, what they need, and whether papers' figures compare."""

    def run(self) -> None:
        from leaderboard.metrics import cells

        for key, (metric, figure, _) in cells().items():
            best = f"target {figure.target:g}" if figure.direction == "target" else f"{figure.direction} is better"
            needs = f"needs {', '.join(sorted(metric.needs))}"
            papers = "; compares with papers" if figure.compares_with_papers else ""
            print(f"{metric.id:<16} {key:<22} {figure.unit:<24} {best}; {needs}{papers}\n{'':<17}{figure.meaning}")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; a person's mistake ends in one line and exit code 2."""
    commands = (
        Regenerate
        | Run
        | Report
        | Verify
        | Rescore
        | Score
        | Truth
        | Explain
        | Compare
        | Submit
        | Experiment
        | Metrics
        | Datasets
    )
    return run(commands, "leaderboard", __doc__, arguments, logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
