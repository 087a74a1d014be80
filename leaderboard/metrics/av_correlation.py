"""Do the lips open with the sound? Needs neither truth nor weights, and says little: a diagnosis, never a rank."""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case, NotApplicable
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading, TrackMeter
from pgstalker.measures import SILENCE_DBFS, lip_aperture, loudness_dbfs, pearson
from pgstalker.types import SAMPLE_RATE_HZ

MOST_LAG = 10
LEAST_FRAMES = 50
BAND_HZ = (300, 3400)

FIGURE = Figure(
    "av_correlation",
    unit="r",
    direction="higher",
    bounds=(-1, 1),
    meaning="greatest r, within 10 frames of lag, of the lips' opening with the log energy of 300-3400 Hz; "
    "real clips seldom pass null_p95",
    is_mean=False,
)


def band_energy(samples: np.ndarray, frames: int, fps: float) -> np.ndarray:
    """Log energy [frames] of the voice's band in the time of each video frame."""
    starts = np.round(np.arange(frames + 1) * SAMPLE_RATE_HZ / fps).astype(int)
    padded = np.pad(samples, (0, max(0, starts[-1] - len(samples))))
    values = np.empty(frames)
    for frame, (start, end) in enumerate(zip(starts, starts[1:])):
        spectrum = np.abs(np.fft.rfft(padded[start:end] * np.hanning(end - start))) ** 2
        hertz = np.fft.rfftfreq(end - start, 1 / SAMPLE_RATE_HZ)
        values[frame] = spectrum[(hertz >= BAND_HZ[0]) & (hertz <= BAND_HZ[1])].sum()
    return np.log(values + 1e-6)


def begin(case: Case) -> Meter:
    if case.audio is None:
        raise NotApplicable(case.why_no_audio)
    if (loudness := loudness_dbfs(case.audio)) < SILENCE_DBFS:
        raise NotApplicable(f"the sound is silent ({loudness:.0f} dBFS); give --audio with speech")
    track = case.own_face()
    seen = np.flatnonzero(track.is_seen)
    if len(seen) < LEAST_FRAMES:
        raise NotApplicable(f"{len(seen)} frames are too few; {LEAST_FRAMES} are the least")
    frames, audio, fps = case.frames, case.audio, case.fps

    def compute() -> dict[str, Reading]:
        aperture = np.interp(np.arange(frames), seen, lip_aperture(track.landmarks_px[seen]))
        energy = band_energy(audio, frames, fps)
        round_about = np.array([pearson(np.roll(aperture, -shift), energy) for shift in range(frames)])
        lags = np.arange(-MOST_LAG, MOST_LAG + 1)
        best = int(lags[round_about[lags].argmax()])
        # Chance may choose among as many lags as the prediction did.
        chances = [round_about[(shift + lags) % frames].max() for shift in range(2 * MOST_LAG, frames - 2 * MOST_LAG)]
        details = {"lag_frames": best, "null_p95": round(float(np.percentile(chances, 95)), 4)}
        value = float(round_about[best])
        return {FIGURE.id: Reading(value=value, n=len(seen), n_missing=frames - len(seen), details=details)}

    return TrackMeter(compute)


METRIC = Metric(
    id="av_correlation",
    figures=(FIGURE,),
    reference="Yehia, Rubin and Vatikiotis-Bateson 1998; tested on planted lips",
    package="mediapipe",
    parameters="facelandmarker,image-mode,inner-lip-pairs,300-3400hz,lag10",
    begin=begin,
    pitfalls="any mouth that opens when it gets louder does well, whatever it articulates",
    needs=frozenset({"audio", "faces", "every frame"}),
)
