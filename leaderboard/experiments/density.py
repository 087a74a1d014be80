"""Quality against the number of Gaussians, at the same numbers for every rule of density control."""

from __future__ import annotations

from leaderboard.experiments.experiment import Context, Experiment, Finding, Variant, measured, title_of
from pgstalker.models.config import SWITCHES

COUNTS = (2000, 4000, 8000)


def run(context: Context) -> Finding:
    import plotly.graph_objects as go

    settings = context.settings
    counts, clips = [int(count) for count in settings.numbers(COUNTS)], settings.places_of_clips()
    rules = SWITCHES["density"]
    variants = [
        Variant(
            {"density": rule, "at_most": count},
            [settings.task("pgstalker", *clip, switches={"density": rule}, gaussians=count) for clip in clips],
        )
        for rule in rules
        for count in counts
    ]
    rows = measured(context, variants, baseline=lambda number: number % len(counts), is_timed=False)
    figure = go.Figure()
    for rule in rules:
        there = [row for row in rows if row["density"] == rule and row.get("psnr") is not None]
        counted, values = [row["gaussians"] for row in there], [round(row["psnr"], 4) for row in there]
        figure.add_scatter(name=rule, x=counted, y=values, mode="lines+markers")
    figure.update_layout(
        title="Quality against the number of Gaussians", xaxis_title="Gaussians", yaxis_title=title_of("psnr")
    )
    clips_note = f"clips: {', '.join(clip for _, clip in clips)}"
    note = "at_most is the budget, the same for all rules; gaussians is how many there were at the end"
    gains = f"gains are over {rules[0]} with as many, paired on the same frames, with 95 % intervals; one seed"
    return Finding(rows, figure, (clips_note, note, gains))


EXPERIMENT = Experiment(
    id="density",
    title="Density control at equal counts",
    question="Which rule for adding Gaussians makes the most of the same number of them?",
    run=run,
    values="numbers of Gaussians",
)
