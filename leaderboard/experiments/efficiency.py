"""What training time buys: held-out quality, memory and speed of each method in shares of a preset's time."""

from __future__ import annotations

from dataclasses import replace

from leaderboard.experiments.experiment import Context, Experiment, Finding, Variant, measured, title_of
from leaderboard.running.regenerate import variants
from leaderboard.running.tasks import Task
from pgstalker.errors import ConfigError
from pgstalker.method import discover

SHARES = (0.1, 0.3, 1.0)
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
KINDS = ("gaussians", "nerf")


def run(context: Context) -> Finding:
    import plotly.graph_objects as go

    settings = context.settings
    shares, clips = settings.numbers(SHARES), settings.places_of_clips()
    if unfit := [share for share in shares if not share > 0]:
        raise ConfigError(f"a share of {unfit[0]:g} is not possible; give more than 0")
    methods = settings.methods or tuple(name for name, one in discover().items() if one.kind in KINDS)
    variants = [
        Variant(
            {"method": name, "share": share},
            [_shortened(settings.task(name, *clip, switches=_compared(name)), share) for clip in clips],
        )
        for name in methods
        for share in shares
    ]
    rows = measured(context, variants, baseline=None)
    figure = go.Figure()
    for name in methods:
        there = [row for row in rows if row["method"] == name and row.get("psnr") is not None]
        spent, values = [row["train_seconds"] for row in there], [round(row["psnr"], 4) for row in there]
        said = [f"{row.get('train_peak_memory_mb') or 0:.0f} MB, {row['steps']:.0f} steps" for row in there]
        figure.add_scatter(name=discover()[name].title, x=spent, y=values, text=said, mode="lines+markers")
    figure.update_layout(title="Convergence", yaxis_title=f"held-out {title_of('psnr')}")
    figure.update_xaxes(title="training, s", type="log", tickvals=TICKS)
    note = (
        "each point is a run of its own, its whole schedule squeezed into a share of the steps that the preset gives "
        "the method, which take equal time on two cores; the seconds are those that they took here"
    )
    return Finding(rows, figure, (f"clips: {', '.join(clip for _, clip in clips)}", note))


def _compared(name: str) -> dict[str, str]:
    """The switches with which the board compares a method: over the true torso, as others are drawn."""
    return variants(discover()[name])[0] if name in discover() else {}


def _shortened(task: Task, share: float) -> Task:
    """The task with that share of its steps. The whole is the task as it is, so that its run is shared with others."""
    if share == 1 or task.method not in discover():  # who is unknown is refused by name when the cells are filled
        return task
    steps = task.steps or discover()[task.method].steps[task.preset]
    return replace(task, steps=max(1, round(steps * share)))


EXPERIMENT = Experiment(
    id="efficiency",
    title="Memory and training efficiency",
    question="What does each method reach in the same wall time, and with how much memory?",
    run=run,
    values="shares of the preset's steps",
)
