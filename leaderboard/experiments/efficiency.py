"""What a minute of training buys: held-out quality, memory and speed of each method at equal wall time."""

from __future__ import annotations

from leaderboard.experiments.experiment import Context, Experiment, Finding, Variant, measured, title_of
from pgstalker.method import discover

MINUTES = (1.0, 2.0, 4.0)
KINDS = ("gaussians", "nerf")


def run(context: Context) -> Finding:
    import plotly.graph_objects as go

    settings = context.settings
    minutes, clips = settings.numbers(MINUTES), settings.places_of_clips()
    methods = settings.methods or tuple(name for name, one in discover().items() if one.kind in KINDS)
    variants = [
        Variant(
            {"method": name, "minutes": budget},
            [settings.task(name, *clip, minutes=budget, steps=None) for clip in clips],
        )
        for name in methods
        for budget in minutes
    ]
    rows = measured(context, variants, baseline=None)
    figure = go.Figure()
    for name in methods:
        there = [row for row in rows if row["method"] == name and row.get("psnr") is not None]
        spent, values = [row["train_seconds"] for row in there], [round(row["psnr"], 4) for row in there]
        said = [f"{row.get('train_peak_memory_mb') or 0:.0f} MB, {row['steps']:.0f} steps" for row in there]
        figure.add_scatter(name=name, x=spent, y=values, text=said, mode="lines+markers")
    figure.update_layout(
        title="Convergence at equal wall time", xaxis_title="training, s", yaxis_title=f"held-out {title_of('psnr')}"
    )
    note = "each point is a run of its own, its whole schedule squeezed into the time; steps are what this machine made"
    return Finding(rows, figure, (f"clips: {', '.join(clip for _, clip in clips)}", note))


EXPERIMENT = Experiment(
    id="efficiency",
    title="Memory and training efficiency",
    question="What does each method reach in the same wall time, and with how much memory?",
    run=run,
    values="minutes",
)
