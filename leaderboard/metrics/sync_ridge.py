"""Do these lips say this sound? The library's own linear measure: it needs no weights that are not at hand."""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case, NotApplicable
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading, TrackMeter
from pgstalker.measures import SILENCE_DBFS, jaw_opening, lip_aperture, loudness_dbfs, mouth_width
from pgstalker.types import FPS

LEAST_FRAMES = 50

CORRELATION = Figure(
    "sync_ridge",
    unit="r",
    direction="higher",
    bounds=(-1, 1),
    meaning="mean r at no lag of the mouth's opening, width and jaw with those that a ridge hears; null_p95 is chance; "
    "generated lips, which are smoother, may pass the truth's own: above the truth it is no merit",
    is_mean=False,
)
CONFIDENCE = Figure(
    "sync_ridge_confidence",
    unit="r",
    direction="higher",
    bounds=(0, 2),
    meaning="the best lag's r less the median over 31 lags; null_p95 is chance",
    is_mean=False,
)
LAG = Figure(
    "sync_ridge_lag",
    unit="frames",
    direction="target",
    target=0.0,
    bounds=(-15, 15),
    meaning="the best lag; positive where the mouth comes after the sound; to believe where confidence passes chance",
    is_mean=False,
)


def begin(case: Case) -> Meter:
    from pgstalker.audio import sync_ridge
    from pgstalker.audio.sync import quick

    if case.audio is None:
        raise NotApplicable(case.why_no_audio)
    if (loudness := loudness_dbfs(case.audio)) < SILENCE_DBFS:
        raise NotApplicable(f"the sound is silent ({loudness:.0f} dBFS); give --audio with speech")
    if abs(case.fps - FPS) > 0.01:
        raise NotApplicable(f"the ridge hears {FPS} frames/s and this video has {case.fps:g}; add --resample")
    if case.frames < LEAST_FRAMES:
        raise NotApplicable(f"{case.frames} frames are too few; {LEAST_FRAMES} are the least")
    track, audio = case.own_face(), case.audio
    seen = np.flatnonzero(track.is_seen)

    def compute() -> dict[str, Reading]:
        points = track.landmarks_px[seen]
        mouth = [
            np.interp(np.arange(case.frames), seen, measure(points))
            for measure in (lip_aperture, mouth_width, jaw_opening)
        ]
        tracks = np.stack(mouth, 1)
        found = sync_ridge(audio, tracks)

        def reading(value: float, **details: object) -> Reading:
            return Reading(value=float(value), n=len(seen), n_missing=case.frames - len(seen), details=details)

        correlation = reading(found.at_zero, null_p95=round(found.null_at_zero, 4))
        if not quick(tracks).any():  # they agree with nothing, and no lag is better than another
            still = Reading(status="not_applicable", reason="the lips do not move")
            return {CORRELATION.id: correlation, CONFIDENCE.id: still, LAG.id: still}
        return {
            CORRELATION.id: correlation,
            CONFIDENCE.id: reading(found.confidence, null_p95=round(found.null, 4)),
            LAG.id: reading(found.lag_frames, is_believed=found.is_believed),
        }

    return TrackMeter(compute)


METRIC = Metric(
    id="sync_ridge",
    figures=(CORRELATION, CONFIDENCE, LAG),
    reference="pgstalker.audio.sync, a ridge fitted to synthesised speech; tested where it is defined",
    parameters="pgstalker.audio.sync_ridge:mediapipe,image-mode,lag15",
    begin=begin,
    pitfalls="hears how far and how wide a mouth opens, not what it articulates; the truth itself is far below 1",
    needs=frozenset({"audio", "faces", "every frame"}),
)
