"""Two short real clips, research use only: their figures are published, their pictures never ship."""

from __future__ import annotations

import os
from pathlib import Path

from leaderboard.datasets.dataset import Clip, Dataset, Expected
from leaderboard.places import ROOT

PLACE = "PGSTALKER_CLIPS"
WHERE = f"put it into the folder ${PLACE} names (else ../shared/clips); it is for research only and does not ship"
FOUND_IN = {
    "newsreader_20s": "an example video of the repository yerfor/MimicTalk",
    "wda_address_8s": "an example video of the repository OpenTalker/SadTalker (HDTF's WDA_KatieHill_000)",
}
DIGESTS = {
    "newsreader_20s": "b340db26c1fed2294d9466ba5203741a782c279284b8e7c784cf0322f65d6448",
    "wda_address_8s": "1fbb4cfd64eedc49b170c441714a9c4fd5e2c2f8a11592070ad89fbd257f2817",
}


def clips() -> tuple[Clip, ...]:
    folder = Path(os.environ.get(PLACE) or ROOT.parent / "shared" / "clips")
    return tuple(
        Clip(name, name, folder / f"{name}.mp4", f"{name}-own", f"{FOUND_IN[name]}; {WHERE}", digest)
        for name, digest in DIGESTS.items()
    )


DATASET = Dataset(
    id="real-clips",
    title="Two real clips",
    where=WHERE,
    clips=clips,
    expected=Expected(size=(512, 512), fps=25, seconds=(7, 21)),
)
