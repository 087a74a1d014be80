"""How sure is a figure, and is one method better than another? The clip is the unit: its frames are not independent.

Within a clip: circular block bootstrap, blocks of one second (Politis and Romano 1992). Across clips: clips are drawn
first, then blocks within them. Between methods: the same frames of the same clips, differences, an exact sign-flip
test over clips, Holm's correction over the figures tested together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 4000
LEVEL = 0.95
BLOCK_FRAMES = 25
LEAST_BLOCKS = 4
"""A clip shorter than this many blocks is cut into shorter ones: fewer would hardly vary."""
BATCH_ENTRIES = 2_000_000
MOST_EXACT_CLIPS = 14
SIGN_FLIPS = 20_000
ALPHA = 0.05

Interval = tuple[float, float]


def block_length(entries: int, stride: int = 1) -> int:
    """Entries per block of a series that holds every stride-th frame: a second, less in a clip of a few seconds."""
    return max(1, min(BLOCK_FRAMES // stride, entries // LEAST_BLOCKS))


def block_draws(entries: int, block: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Indices [draws, entries]: each row is made of blocks of consecutive entries, the end followed by the start."""
    starts = rng.integers(entries, size=(draws, -(-entries // block)))
    indices = (starts[..., None] + np.arange(block)) % entries
    return indices.reshape(draws, -1)[:, :entries]


def interval(
    entries: int, statistic: Callable[[np.ndarray], float], block: int, draws: int = DRAWS, seed: int = 0
) -> Interval | None:
    """95 % interval of statistic(indices) under block resampling of `entries` entries; None where it is undefined."""
    rng = np.random.default_rng(seed)
    values: list[float] = []
    while len(values) < draws:
        batch = min(draws - len(values), max(1, BATCH_ENTRIES // entries))
        values += [statistic(row) for row in block_draws(entries, block, batch, rng)]
    return _percentiles(np.array(values))


def mean_interval(values: np.ndarray, block: int, draws: int = DRAWS, seed: int = 0) -> Interval | None:
    """95 % interval of the mean of a series [n] that may hold NaN."""
    rng = np.random.default_rng(seed)
    return _percentiles(_mean_draws(values, block, draws, rng))


def _mean_draws(values: np.ndarray, block: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means [draws]; NaN where a draw met no valid entry. Plain twin: the mean over block_draws of the same rng.

    A block's sum is a difference of two running sums, so that a draw costs its blocks, not its entries."""
    entries = len(values)
    values = np.asarray(values, np.float64)
    valid = np.isfinite(values)
    clean = np.where(valid, values, 0.0)
    offset = clean.sum() / max(1, valid.sum())  # running sums stay small, and differences of them exact
    sums, counts = (_running(series) for series in (np.where(valid, clean - offset, 0.0), valid.astype(np.float64)))
    whole, rest = divmod(entries, block)
    lengths = np.array([block] * whole + [rest] * (rest > 0))
    starts = rng.integers(entries, size=(draws, len(lengths)))
    total, count = ((series[starts + lengths] - series[starts]).sum(1) for series in (sums, counts))
    return offset + np.divide(total, count, out=np.full(draws, np.nan), where=count > 0)


def _running(values: np.ndarray) -> np.ndarray:
    """[2 n + 1]: the sum of the first k of the values followed by themselves."""
    return np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])


def _percentiles(values: np.ndarray) -> Interval | None:
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None
    low, high = np.percentile(values, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def clips_interval(
    clips: Sequence[np.ndarray], stride: int = 1, draws: int = DRAWS, seed: int = 0
) -> tuple[float, Interval | None]:
    """Mean over clips of each one's mean, and its 95 % interval: clips are drawn, then blocks within each drawn one.

    clips are series [n], or of one entry where a clip has but one number.
    """
    rng = np.random.default_rng(seed)
    means = np.stack([_mean_draws(clip, block_length(len(clip), stride), draws, rng) for clip in clips])
    if len(clips) > 1:
        chosen = rng.integers(len(clips), size=(draws, len(clips)))
        drawn = means[chosen, np.arange(draws)[:, None]].mean(1)
    else:
        drawn = means[0]
    is_alone = len(clips) == 1 and len(clips[0]) == 1
    return float(np.mean([np.nanmean(clip) for clip in clips])), None if is_alone else _percentiles(drawn)


@dataclass(frozen=True)
class Comparison:
    """Method A less method B in one figure. p is None, and `verdict` "not testable", where clips are too few for any
    outcome to be significant; is_tie is what ranking goes by: the interval of the difference holds 0."""

    difference: float
    ci95: Interval | None
    clips: int
    p: float | None
    verdict: str

    @property
    def is_tie(self) -> bool:
        return self.ci95 is None or self.ci95[0] <= 0 <= self.ci95[1]


def compare(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], stride: int = 1, seed: int = 0
) -> Comparison:
    """Paired comparison of one figure over the clips that both methods have.

    Values are per-frame series by clip, of equal length on both sides, or series of one entry. Raises ValueError where
    no clip is common.
    """
    common = sorted(set(first) & set(second))
    if not common:
        raise ValueError("the two methods share no clip")
    differences = [np.asarray(first[clip], np.float64) - second[clip] for clip in common]
    mean, ci95 = clips_interval(differences, stride, seed=seed)
    p = sign_flip_p(np.array([np.nanmean(d) for d in differences]), seed)
    if p is None:
        verdict = f"not testable: {len(common)} clips, {least_clips()} are the least"
    else:
        verdict = "different" if p <= ALPHA else "no difference shown"
    return Comparison(mean, ci95, len(common), p, verdict)


def least_clips() -> int:
    """The fewest clips with which a two-sided sign-flip test can reach ALPHA."""
    clips = 1
    while 2 / 2**clips > ALPHA:
        clips += 1
    return clips


def sign_flip_p(differences: np.ndarray, seed: int = 0) -> float | None:
    """Two-sided p that differences [clips] are symmetric about 0: exact up to 14 clips, else by random signs.

    None where even the most extreme outcome could not be significant.
    """
    count = len(differences)
    if count < least_clips():
        return None
    if count <= MOST_EXACT_CLIPS:
        signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1, 1], (SIGN_FLIPS, count))
        signs[0] = 1  # what was observed is one of the outcomes
    outcomes = np.abs(signs @ differences)
    return float(np.mean(outcomes >= outcomes[0] - 1e-12 * max(1.0, outcomes[0])))


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm's step-down adjusted p-values; None stays None and counts for nothing."""
    known = sorted((p, name) for name, p in p_values.items() if p is not None)
    adjusted: dict[str, float | None] = dict.fromkeys(p_values)
    running = 0.0
    for place, (p, name) in enumerate(known):
        running = max(running, min(1.0, (len(known) - place) * p))
        adjusted[name] = running
    return adjusted
