"""One picture by which a person sees where a result fails: its worst frames beside the truth, and their mouths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leaderboard.faces import FaceTrack
from leaderboard.inputs import Side
from leaderboard.inspection.evidence import error_map
from pgstalker.files import replacing
from pgstalker.types import FPS

if TYPE_CHECKING:
    from leaderboard.inspection.explain import Explanation

CELL, TITLE, CAPTION, MARGIN = 208, 34, 40, 84
INK, PAPER = (30, 30, 30), (250, 250, 250)
ROWS = ("truth", "shown", "error", "truth's lips", "shown lips")


def write_sheet(path: Path, found: Explanation, own: Side, true: Side, faces: FaceTrack) -> None:
    """A PNG: a column for each worst frame, a row for each of ROWS."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = MARGIN + CELL * len(found.worst), TITLE + CAPTION + CELL * len(ROWS)
    sheet = Image.new("RGB", (max(width, 480), height), PAPER)
    pen, small, large = ImageDraw.Draw(sheet), ImageFont.load_default(13), ImageFont.load_default(17)
    pen.text((8, 8), f"{found.name}: the worst frames, by the whole picture and by the lips", INK, large)
    for row, name in enumerate(ROWS):
        pen.text((8, TITLE + CAPTION + CELL * row + CELL // 2), name, INK, small)
    shown, truth = _chosen(own, found.worst), _chosen(true, found.worst)
    for column, index in enumerate(found.worst):
        left = MARGIN + CELL * column
        lips = found.lips_db[index]
        said = f"{found.frame_db[index]:.1f} dB" + (f", lips {lips:.1f} dB" if np.isfinite(lips) else "")
        pen.multiline_text((left + 4, TITLE + 2), f"frame {index}, {index / FPS:.2f} s\n{said}", INK, small)
        box = faces.box("mouth", index, own.size)
        cells = [truth[index], shown[index], error_map(shown[index], truth[index]), truth[index], shown[index]]
        for row, picture in enumerate(cells):
            cut = picture if row < 3 or box is None else picture[box[0] : box[1], box[2] : box[3]]
            sheet.paste(Image.fromarray(cut).resize((CELL - 2, CELL - 2)), (left, TITLE + CAPTION + CELL * row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def _chosen(side: Side, wanted: list[int]) -> dict[int, np.ndarray]:
    return {index: frame for index, frame in enumerate(side.frames()) if index in wanted}
