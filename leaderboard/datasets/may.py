"""May: the speech that GeneFace published beside its code."""

from __future__ import annotations

from leaderboard.datasets.dataset import Dataset, Expected, literature

CLIPS, WHERE = literature("may", "Theresa May", "the file data/raw/videos/May.mp4 of the repository yerfor/GeneFace")

DATASET = Dataset(
    id="may",
    title="May (GeneFace)",
    where=WHERE,
    clips=CLIPS,
    paper="GeneFace, ICLR 2023, arXiv 2301.13430",
    expected=Expected(size=(512, 512), fps=25, seconds=(180, 300)),
)
