"""What a record says beside its figures: method, clip, cost, who ran it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leaderboard.running.references import REFERENCES
from leaderboard.running.truths import Truth
from pgstalker.method import method
from pgstalker.subject import Subject

if TYPE_CHECKING:
    from leaderboard.running.stages import Run


def labels_of(run: Run, subject: Subject, truth: Truth, media: str | None) -> dict[str, Any]:
    """method, clip and speed of a record; media is the path of the video that ships, if one may."""
    stages, clip = run.stages, run.task.find_clip()
    first, performed = truth.first, stages["perform"]
    return {
        "method": method_label(run),
        "clip": {
            "dataset": run.task.dataset_id,
            "id": run.task.performance,
            "identity": clip.identity,
            "audio_id": clip.audio_id if run.task.speech is None else run.task.speech.stem,
            "split": "test",
            "frames": [first, subject.frames_count],
            "stride": performed["stride"],
            "sha256": stages["prepare"]["clip_sha256"],
            "is_redistributable": clip.is_redistributable,
            "media": media,
        },
        "speed": performed["speed"],
        "operator": {"generated_by": "measured here", "evaluated_by": "measured here"},
    }


def method_label(run: Run) -> dict[str, Any]:
    task, trained = run.task, run.stages["train"]
    common = {
        "id": task.method,
        "revision": task.revision,
        "variant": task.variant,
        "preset": task.preset,
        "size": task.side,
        "steps": task.steps,
        "seed": task.seed,
        "switches": dict(sorted(task.switches.items())),
        "config_sha256": trained["config_sha256"],
        "checkpoint_sha256": trained["checkpoint_sha256"],
        "device": run.stages["perform"]["device"],
    }
    if task.method in REFERENCES:
        reference = REFERENCES[task.method]
        return common | {"title": reference.title, "kind": "reference", "meaning": reference.meaning}
    chosen, facts = method(task.method), trained["provenance"]
    return common | {
        "title": chosen.title,
        "kind": chosen.kind,
        "steps": facts.get("steps"),
        "train_frames": facts.get("train_frames"),
        "train_seconds": facts.get("seconds"),
        "train_peak_memory_mb": trained.get("peak_memory_mb"),
        "gaussians": facts.get("gaussians"),
        "differences": list(chosen.differences),
    }
