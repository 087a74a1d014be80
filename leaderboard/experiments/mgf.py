"""The gate of the multimodal fusion, taken out and put back: gated, concatenated, or TalkingGaussian's attention."""

from __future__ import annotations

from leaderboard.experiments.experiment import Context, Experiment, Finding, Variant, error_bars, measured, title_of
from pgstalker.errors import ConfigError
from pgstalker.models.config import SWITCHES

SHOWN = ("psnr", "psnr_mouth")


def run(context: Context) -> Finding:
    import plotly.graph_objects as go

    settings, chosen = context.settings, context.settings.values or SWITCHES["fusion"]
    if unknown := [value for value in chosen if value not in SWITCHES["fusion"]]:
        raise ConfigError(f"fusion={unknown[0]} is unknown; use some of: {', '.join(SWITCHES['fusion'])}")
    clips = settings.places_of_clips()
    variants = [
        Variant({"fusion": value}, [settings.task("pgstalker", *clip, switches=switched(value)) for clip in clips])
        for value in chosen
    ]
    rows = measured(context, variants)
    figure = go.Figure()
    for key in SHOWN:
        there = [row for row in rows if row.get(key) is not None]
        names, values = [row["fusion"] for row in there], [round(row[key], 4) for row in there]
        figure.add_bar(name=title_of(key), x=names, y=values, error_y=error_bars(there, key))
    figure.update_layout(title="Fusion of what is heard with what place says", yaxis_title="dB", barmode="group")
    on = ", ".join(clip for _, clip in clips)
    return Finding(rows, figure, (f"clips: {on}; gains are over {chosen[0]}, paired on the same frames",))


def switched(value: str) -> dict[str, str]:
    """The method's own value is the method as it is, so that its run is shared with all others of it."""
    return {} if value == SWITCHES["fusion"][0] else {"fusion": value}


EXPERIMENT = Experiment(
    id="mgf",
    title="Multimodal gated fusion",
    question="What does the gate add over concatenation and over region attention, all else equal?",
    run=run,
    values="fusions",
)
