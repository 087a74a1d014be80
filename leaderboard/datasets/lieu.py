"""Lieu: a public address, as TalkingGaussian, SyncTalk and InsTaG use it."""

from __future__ import annotations

from leaderboard.datasets.dataset import Dataset, Expected, literature

CLIPS, WHERE = literature(
    "lieu",
    "Ted Lieu",
    "the data links in the READMEs of the repositories ZiqiaoPeng/SyncTalk and Fictionarry/TalkingGaussian",
)

DATASET = Dataset(
    id="lieu",
    title="Lieu",
    where=WHERE,
    clips=CLIPS,
    paper="TalkingGaussian, ECCV 2024; SyncTalk, CVPR 2024",
    expected=Expected(size=(512, 512), fps=25, seconds=(180, 330)),
)
