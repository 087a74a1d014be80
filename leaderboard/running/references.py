"""Rows that tell how to read the others: the truth itself, hurt in known ways. Nothing is learnt for them.

The floors of the board, still frame and nearest frame, and the oracle are methods like any other (pgstalker/baselines).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from leaderboard.places import ROOT
from leaderboard.protocol import H264_Q8_CRF
from leaderboard.running.truths import Truth, spoken
from pgstalker.media import VideoWriter, read_frames

OTHER_SPEECH = ROOT / "sample_data" / "speech" / "english_man.wav"


@dataclass(frozen=True)
class Reference:
    """frames(truth, scratch folder) are shown; samples(truth), [S] at 16 kHz, are heard with them."""

    id: str
    title: str
    meaning: str
    frames: Callable[[Truth, Path], Iterator[np.ndarray]]
    samples: Callable[[Truth], np.ndarray]


def _encoded(truth: Truth, scratch: Path) -> Iterator[np.ndarray]:
    path = scratch / "truth-h264.mp4"
    with VideoWriter(path, truth.side, truth.side, crf=H264_Q8_CRF) as writer:
        for frame in truth.frames():
            writer.write(frame)
    return read_frames(path)


def _all(*references: Reference) -> Mapping[str, Reference]:
    return MappingProxyType({reference.id: reference for reference in references})


REFERENCES = _all(
    Reference(
        "truth-h264",
        "Truth, re-encoded",
        f"the true frames through H.264 (crf {H264_Q8_CRF}), as the papers' scripts write theirs: a ceiling",
        _encoded,
        Truth.samples,
    ),
    Reference(
        "truth-late",
        "Truth, one frame late",
        "the true frames, each shown one frame after its time: what a slip of 40 ms costs",
        lambda truth, scratch: truth.frames(late=1),
        Truth.samples,
    ),
    Reference(
        "truth-other-sound",
        "Truth, other sound",
        "the true frames under another person's words: the floor of what is measured against the sound",
        lambda truth, scratch: truth.frames(),
        lambda truth: spoken(OTHER_SPEECH, truth.count),
    ),
)
