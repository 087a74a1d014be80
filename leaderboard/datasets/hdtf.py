"""HDTF: public speeches in high resolution, which its authors publish as a list of addresses, times and crops."""

from __future__ import annotations

from leaderboard.datasets.dataset import PLACE, Clip, Dataset, Expected, datasets_folder

WHERE = (
    "follow the list of the repository MRzzm/HDTF (address, time and crop of each clip), scale to 512x512 px at 25 "
    f"frames/s and put the files as hdtf/NAME.mp4 into the folder ${PLACE} names"
)


def clips() -> tuple[Clip, ...]:
    """Whatever clips of it the user has; the part of a name before its last _ and number is the person."""
    found = sorted((datasets_folder() / "hdtf").glob("*.mp4"))
    return tuple(Clip(file.stem, file.stem.rpartition("_")[0] or file.stem, file, file.stem, WHERE) for file in found)


DATASET = Dataset(
    id="hdtf",
    title="HDTF",
    where=WHERE,
    clips=clips,
    paper="Zhang et al., CVPR 2021 (flow-guided one-shot talking face generation)",
    expected=Expected(size=(512, 512), fps=25, seconds=(8, 600)),
)
