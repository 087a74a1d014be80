"""Phonemes to visemes: the one table by which sounds are shapes of the mouth, for any language in IPA.

Classes follow what lips and jaw show, as Fisher's (1968) and MPEG-4's do: p, b and m look alike, k, g and h are
hidden. numpy only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Protocol

import numpy as np

VISEMES = ("SIL", "PP", "FF", "TH", "DD", "KK", "CH", "SS", "RR", "AA", "E", "I", "O", "U", "AH")
SILENCE, HIDDEN = "SIL", "KK"
"""HIDDEN is the class whose lips follow their neighbours: it also stands for symbols that the table lacks."""
FIRST_SHARE = 0.55
"""Of a diphthong's or an affricate's time, what its first part takes."""

_MEMBERS = {
    "PP": "p b m ɓ ɸ β ʙ",
    "FF": "f v ɱ ʋ ⱱ",
    "TH": "θ ð",
    "DD": "t d n l ɾ ɫ ɬ ɮ ɗ ʈ ɖ ɳ ɭ r ɺ ɽ",
    "KK": "k ɡ g ŋ x ɣ h ɦ q ɢ ɴ χ ʁ ħ ʕ ʔ c ɟ ɲ ʎ ʀ ɠ ʛ ʟ",
    "CH": "ʃ ʒ ɕ ʑ ʂ ʐ ç ʝ ɧ",
    "SS": "s z",
    "RR": "ɹ ɻ ɚ ɝ",
    "AA": "a ɑ ɐ æ ʌ ɶ",
    "E": "e ɛ",
    "I": "i ɪ ɨ j ᵻ ɩ",
    "O": "o ɔ ɒ ø œ ɵ ɤ",
    "U": "u ʊ y ʏ w ʉ ɯ ɥ ʍ ᵿ ɰ ɷ",
    "AH": "ə ɜ ɘ ɞ",
}
_CLASS = {symbol: viseme for viseme, symbols in _MEMBERS.items() for symbol in symbols.split()}
_TOGETHER: dict[str, tuple[str, ...]] = {
    "tʃ": ("CH",),
    "dʒ": ("CH",),
    "tɕ": ("CH",),
    "dʑ": ("CH",),
    "ʈʂ": ("CH",),
    "ɖʐ": ("CH",),
    "r̝": ("CH",),
}
_TOGETHER |= {"ts": ("SS",), "dz": ("SS",), "pf": ("PP", "FF")}


class Timed(Protocol):
    """One phoneme with its span in seconds, such as tools.voices.Phone."""

    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...
    @property
    def ipa(self) -> str: ...


def visemes_of(ipa: str) -> tuple[str, ...]:
    """The classes that an IPA symbol passes through: ("AA", "I") for "aɪ", ("SIL",) for "".

    Length, stress, tone and every diacritic are dropped (Unicode's modifiers and marks, and what is no letter); ç is
    kept whole. An affricate is one class. A letter that the table lacks is HIDDEN; what holds no letter is silence.
    Neighbours of one class are merged.
    """
    letters = "".join(_letters(ipa))
    found: list[str] = []
    index = 0
    while index < len(letters):
        pair = letters[index : index + 2]
        classes = _TOGETHER.get(pair) or (_CLASS.get(letters[index], HIDDEN),)
        found += [viseme for viseme in classes if not found or viseme != found[-1]]
        index += 2 if pair in _TOGETHER else 1
    return tuple(found) or (SILENCE,)


def _letters(ipa: str):
    """The base letters. The raising mark that makes a Czech r a sibilant is the one mark that shows on the lips."""
    for symbol in ipa:
        if symbol == "̝" or symbol in _CLASS:
            yield symbol
        else:
            yield from (
                s for s in unicodedata.normalize("NFD", symbol) if unicodedata.category(s) in ("Ll", "Lo", "Lu")
            )


def viseme_spans(phones: Sequence[Timed]) -> list[tuple[float, float, str]]:
    """(start_s, end_s, class) of each phoneme's visemes; a phoneme of several shares its time among them."""
    spans = []
    for phone in phones:
        classes = visemes_of(phone.ipa)
        weights = np.array([FIRST_SHARE, *[(1 - FIRST_SHARE) / max(1, len(classes) - 1)] * (len(classes) - 1)])
        edges = phone.start_s + (phone.end_s - phone.start_s) * np.cumsum([0, *(weights / weights.sum())])
        spans += [(float(a), float(b), viseme) for a, b, viseme in zip(edges, edges[1:], classes)]
    return spans


def visemes_at(phones: Sequence[Timed], times_s: np.ndarray) -> np.ndarray:
    """Index into VISEMES at each time [T]: int64 [T]. Silence before, after and between phonemes."""
    spans = viseme_spans(phones)
    if not spans:
        return np.zeros(len(times_s), np.int64)
    starts = np.array([start for start, _, _ in spans])
    ends = np.array([end for _, end, _ in spans])
    names = np.array([VISEMES.index(viseme) for _, _, viseme in spans])
    at = np.searchsorted(starts, times_s, side="right") - 1
    inside = (at >= 0) & (times_s < ends[at])
    return np.where(inside, names[at], VISEMES.index(SILENCE))
