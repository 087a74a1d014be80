"""A sheet of twelve views of a presenter: what one looks at before believing in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pgstalker.files import replacing
from tools.presenter.figure import Figure, Pose
from tools.presenter.looks import find_look, studio_of
from tools.presenter.stage import Stage

CALM = {"mouthSmile": 0.12, "eyeSquint": 0.08}
VIEWS = {
    "neutral": (Pose(CALM), None),
    "AA": (Pose(CALM | {"jawOpen": 0.45, "mouthLowerDown": 0.2}), None),
    "EE": (
        Pose({"jawOpen": 0.10, "mouthStretch": 0.4, "mouthSmile": 0.45, "mouthUpperUp": 0.3, "mouthLowerDown": 0.4}),
        None,
    ),
    "OO": (Pose({"jawOpen": 0.10, "mouthPucker": 0.75, "mouthFunnel": 0.25}), None),
    "FV": (Pose({"jawOpen": 0.08, "mouthRollLower": 0.5, "mouthUpperUp": 0.35, "mouthShrugLower": 0.25}), None),
    "blink": (Pose(CALM | {"eyeBlink": 1.0}), None),
    "left": (Pose(CALM, head_rotation_deg=(12, 2, 2)), None),
    "right": (Pose(CALM, head_rotation_deg=(-12, -3, -2)), None),
    "mouth": (
        Pose(CALM | {"jawOpen": 0.18, "mouthUpperUp": 0.4, "mouthLowerDown": 0.35, "mouthSmile": 0.3}),
        (0.5, 0.60, 0.24),
    ),
    "ear": (Pose(CALM, head_rotation_deg=(-42, 0, 0)), (0.64, 0.46, 0.40)),
    "hairline": (Pose(CALM, head_rotation_deg=(0, 8, 0)), (0.5, 0.24, 0.46)),
    "eye": (Pose(CALM), (0.40, 0.42, 0.24)),
}


def draw_sheet(name: str, path: Path, *, size: int = 384) -> None:
    """Twelve views in four columns, as JPEG. A closer view is (x, y, width) as shares of the picture."""
    from PIL import Image

    look = find_look(name)
    views = []
    for zoom in (False, True):
        chosen = [key for key, (_, box) in VIEWS.items() if (box is not None) == zoom]
        large = size * 3 if zoom else size
        stage = Stage(studio_of(look), large)
        figure = Figure(look, stage)
        for key in chosen:
            pose, box = VIEWS[key]
            picture = Image.fromarray(figure.draw(pose))
            if box is not None:
                x, y, width = (value * large for value in box)
                picture = picture.crop((int(x - width / 2), int(y - width / 2), int(x + width / 2), int(y + width / 2)))
            views.append((key, picture.resize((size, size), Image.Resampling.LANCZOS)))
        stage.close()
    ordered = [np.asarray(dict(views)[key]) for key in VIEWS]
    rows = [np.hstack(ordered[start : start + 4]) for start in range(0, len(ordered), 4)]
    with replacing(path) as temporary:
        Image.fromarray(np.vstack(rows)).save(temporary, quality=90)
