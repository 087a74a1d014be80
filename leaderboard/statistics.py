"""How sure is a figure, and is one method better than another? The clip is the unit: its frames are not independent.

Within a clip: circular block bootstrap, blocks of one second (Politis and Romano 1992), widened by Student's t for the
few blocks that a clip has. Between methods: differences on the same frames of the same clips. With enough clips, of
clips: an exact sign-flip test, Holm's correction over the figures tested together, and an interval for which clips are
drawn first, then blocks within them. With fewer, nothing is claimed of other clips: the interval is that of the frames
of these very clips, and a difference is one "on these frames".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

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
NORMAL = 1.959964
"""The normal distribution's 97.5 % quantile."""

Interval = tuple[float, float]
Scope = Literal["clips", "frames"]
"""What a claim is about: clips like these, or the frames of these very clips alone."""


def block_length(entries: int, stride: int = 1) -> int:
    """Entries per block of a series that holds every stride-th frame: a second, less in a clip of a few seconds."""
    return max(1, min(BLOCK_FRAMES // stride, entries // LEAST_BLOCKS))


def block_draws(entries: int, block: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Indices [draws, entries]: each row is made of blocks of consecutive entries, the end followed by the start."""
    starts = rng.integers(entries, size=(draws, -(-entries // block)))
    indices = (starts[..., None] + np.arange(block)) % entries
    return indices.reshape(draws, -1)[:, :entries]


def t_quantile(freedom: float) -> float:
    """Student's 97.5 % quantile."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))


def widened(centre: float, bounds: Interval, blocks: float) -> Interval | None:
    """A percentile interval of draws of so many blocks, or clips, brought to its level about `centre`: draws vary by
    sqrt((k - 1) / k) too little, and k of them tell their own spread only as Student's t does. None below two."""
    if blocks < 2:
        return None
    factor = t_quantile(blocks - 1) / NORMAL * float(np.sqrt(blocks / (blocks - 1)))
    return centre - factor * (centre - bounds[0]), centre + factor * (bounds[1] - centre)


def interval(
    entries: int, statistic: Callable[[np.ndarray], float], block: int, draws: int = DRAWS, seed: int = 0
) -> Interval | None:
    """95 % interval of statistic(indices) under block resampling of `entries` entries; None where it is undefined."""
    rng = np.random.default_rng(seed)
    values: list[float] = []
    while len(values) < draws:
        batch = min(draws - len(values), max(1, BATCH_ENTRIES // entries))
        values += [statistic(row) for row in block_draws(entries, block, batch, rng)]
    bounds = _percentiles(np.array(values))
    return None if bounds is None else widened(statistic(np.arange(entries)), bounds, entries / block)


def mean_interval(values: np.ndarray, block: int, draws: int = DRAWS, seed: int = 0) -> Interval | None:
    """95 % interval of the mean of a series [n] that may hold NaN."""
    bounds = _percentiles(_mean_draws(values, block, draws, np.random.default_rng(seed)))
    return None if bounds is None else widened(float(np.nanmean(values)), bounds, len(values) / block)


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
    clips: Sequence[np.ndarray], stride: int = 1, draws: int = DRAWS, seed: int = 0, scope: Scope | None = None
) -> tuple[float, Interval | None]:
    """Mean over clips of each one's mean, and its 95 % interval.

    clips are series [n], or of one entry where a clip has but one number. scope "clips", which least_clips() of them
    have unless another is given: clips are drawn, then blocks within each drawn one. "frames": the clips stay, blocks
    are drawn within each, and the clip of fewest blocks says how far to widen; None where a clip has one number, which
    tells nothing of how it varies.
    """
    rng = np.random.default_rng(seed)
    blocks = [block_length(len(clip), stride) for clip in clips]
    means = np.array([np.nanmean(clip) for clip in clips])
    centre = float(means.mean())
    scope = scope or ("clips" if len(clips) >= least_clips() else "frames")
    if scope == "frames" and min(map(len, clips)) == 1:
        return centre, None
    drawn = np.stack([_mean_draws(clip, block, draws, rng) for clip, block in zip(clips, blocks)])
    if scope == "frames":
        bounds, units = _percentiles(drawn.mean(0)), min(len(clip) / block for clip, block in zip(clips, blocks))
    else:
        chosen = rng.integers(len(clips), size=(draws, len(clips)))
        bounds, units = _percentiles(drawn[chosen, np.arange(draws)[:, None]].mean(1)), len(clips)
    return centre, None if bounds is None else widened(centre, bounds, units)


@dataclass(frozen=True)
class Comparison:
    """Method A less method B in one figure, over `clips` clips, one of `tested` figures. p is of the test over clips,
    p_holm the same corrected over the figures tested together; both None where clips are too few for any outcome to be
    significant, and then ci95 is of the frames of these clips alone (None: one number per clip)."""

    difference: float
    ci95: Interval | None
    clips: int
    tested: int
    p: float | None
    p_holm: float | None

    @property
    def scope(self) -> Scope:
        return "frames" if self.p_holm is None else "clips"

    @property
    def is_different(self) -> bool:
        """What may be claimed within `scope`, at the 5 % level."""
        if self.p_holm is not None:
            return self.p_holm <= ALPHA
        return self.ci95 is not None and not self.ci95[0] <= 0 <= self.ci95[1]

    @property
    def verdict(self) -> str:
        """In words."""
        if self.scope == "clips":
            return "different" if self.is_different else "no difference shown"
        return f"{self.shortage}; different on these frames" if self.is_different else self.shortage

    @property
    def shortage(self) -> str:
        """Why nothing is claimed of other clips."""
        together = f" for {self.tested} figures" if self.tested > 1 else ""
        return f"not testable: {counted(self.clips)}, {least_clips(self.tested)} are the least{together}"


def counted(clips: int) -> str:
    return "1 clip" if clips == 1 else f"{clips} clips"


Side = Mapping[str, np.ndarray]
"""Of one method and figure: clip to per-frame series [n], or one entry."""


def on_common_frames(series: Mapping[str, tuple[np.ndarray, int]]) -> tuple[dict[str, np.ndarray], int]:
    """Series [n] of one clip, each with every how many frames it has a value (0: one number of the whole clip), cut
    down to the frames that all of them have; and every how many those are."""
    common = math.lcm(*(step for _, step in series.values())) if series else 0
    thinned = {name: values[:: common // step] if common else values for name, (values, step) in series.items()}
    length = min(map(len, thinned.values()), default=0)
    return {name: values[:length] for name, values in thinned.items()}, common


def compare(first: Side, second: Side, stride: int = 1, seed: int = 0, tested: int = 1) -> Comparison:
    """Paired comparison of one figure over the clips that both methods have, as one of `tested` figures.

    Values are per-frame series by clip, of equal length on both sides, or series of one entry. Raises ValueError where
    no clip is common.
    """
    common = sorted(set(first) & set(second))
    if not common:
        raise ValueError("the two methods share no clip")
    differences = [np.asarray(first[clip], np.float64) - second[clip] for clip in common]
    scope: Scope = "clips" if len(common) >= least_clips(tested) else "frames"
    mean, ci95 = clips_interval(differences, stride, seed=seed, scope=scope)
    p = sign_flip_p(np.array([np.nanmean(d) for d in differences]), seed) if scope == "clips" else None
    return Comparison(mean, ci95, len(common), tested, p, p)


def compare_all(sides: Mapping[str, tuple[Side, Side, int]], seed: int = 0) -> dict[str, Comparison]:
    """Figures tested together, each (first, second, stride): p_holm, and with it the verdict, is corrected over all."""
    found = {key: compare(*both, seed=seed, tested=len(sides)) for key, both in sides.items()}
    corrected = holm({key: outcome.p for key, outcome in found.items()})
    return {key: replace(outcome, p_holm=corrected[key]) for key, outcome in found.items()}


def least_clips(tested: int = 1) -> int:
    """The fewest clips with which a two-sided sign-flip test of one among `tested` figures can reach ALPHA."""
    clips = 1
    while tested * 2 / 2**clips > ALPHA:
        clips += 1
    return clips


def sign_flip_p(differences: np.ndarray, seed: int = 0) -> float | None:
    """Two-sided p that differences [clips] are symmetric about 0: exact up to 14 clips, else by random signs.

    None where even the most extreme outcome could not be significant.
    """
    count = len(differences)
    return None if count < least_clips() else float(sign_flip_ps(differences[None], seed)[0])


def sign_flip_ps(differences: np.ndarray, seed: int = 0, flips: int = SIGN_FLIPS) -> np.ndarray:
    """The p [n] of n such sets [n, clips], 0 to 1; with more than 14 clips by `flips` random signs."""
    sums = differences @ _signs(differences.shape[1], seed, flips).T
    outcomes = np.abs(sums)
    seen = outcomes[:, :1]
    return np.mean(outcomes >= seen - 1e-12 * np.maximum(1.0, seen), axis=1)


@cache
def _signs(count: int, seed: int, flips: int) -> np.ndarray:
    """[flips, count] of -1 and 1, what was observed first; the first sign stays, for both sides count."""
    if count <= MOST_EXACT_CLIPS:
        return 1 - 2 * ((np.arange(2 ** (count - 1))[:, None] << 1 >> np.arange(count)) & 1)
    signs = np.random.default_rng(seed).choice([-1, 1], (flips, count))
    signs[0] = 1
    return signs


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm's step-down adjusted p-values; None stays None and counts for nothing."""
    known = sorted((p, name) for name, p in p_values.items() if p is not None)
    adjusted: dict[str, float | None] = dict.fromkeys(p_values)
    running = 0.0
    for place, (p, name) in enumerate(known):
        running = max(running, min(1.0, (len(known) - place) * p))
        adjusted[name] = running
    return adjusted
