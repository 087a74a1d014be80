"""Peak signal to noise ratio per frame, all RGB values alike, then the mean of the decibels."""

from __future__ import annotations

from leaderboard.case import Case
from leaderboard.metrics.metric import Figure, Meter, Metric, PictureMeter, Reading
from pgstalker.measures import MAX_PSNR_DB, psnr

FIGURE = Figure(
    "psnr",
    unit="dB",
    direction="higher",
    bounds=(0, MAX_PSNR_DB),
    meaning=f"mean over frames of each frame's PSNR, identical frames counted as {MAX_PSNR_DB:.0f} dB",
    compares_with_papers=True,
    group="fidelity",
)


class PsnrMeter(PictureMeter):
    """Counts the identical frames too: their cap, not their likeness, decides what they add."""

    def finish(self) -> dict[str, Reading]:
        readings = super().finish()
        for reading in readings.values():
            if reading.per_frame is not None:
                reading.details["identical_frames"] = int((reading.per_frame >= MAX_PSNR_DB).sum())
        return readings


def begin(case: Case) -> Meter:
    return PsnrMeter(case, FIGURE.id, METRIC.regions, lambda frame, truth: float(psnr(frame, truth)))


METRIC = Metric(
    id="psnr",
    figures=(FIGURE,),
    reference="10 log10(1 / MSE) over RGB in [0, 1] as in ER-NeRF and TalkingGaussian; tested in closed form",
    parameters="pgstalker.measures.psnr:rgb,per-frame,cap100",
    begin=begin,
    pitfalls="the background weighs most, and blur costs less than a slip of one pixel",
    regions=("full", "face", "mouth"),
)
