"""Obama: the weekly address that AD-NeRF published beside its code, the most used clip of the field."""

from __future__ import annotations

from leaderboard.datasets.dataset import Dataset, Expected, literature

CLIPS, WHERE = literature(
    "obama", "Barack Obama", "the file dataset/vids/Obama.mp4 of the repository YudongGuo/AD-NeRF"
)

DATASET = Dataset(
    id="obama",
    title="Obama (AD-NeRF)",
    where=WHERE,
    clips=CLIPS,
    paper="AD-NeRF, ICCV 2021, arXiv 2103.11078",
    expected=Expected(size=(450, 450), fps=25, seconds=(240, 330)),
)
