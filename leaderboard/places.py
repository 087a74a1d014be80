"""Where the judge keeps what it makes."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Of the checkout."""
RESULTS = Path(__file__).parent / "results"
WORK = Path("work") / "leaderboard"
"""Subjects, runs and truths, under the folder that the program was started in."""
BOARD_PX = 256
"""The side of the committed rows' pictures, which needs no saying in a file's name."""


def truth_video(side: int | None) -> str:
    """The name of a clip's truth among its media, in px; None for a row that does not say its size."""
    return "truth.mp4" if side in (None, BOARD_PX) else f"truth@{side}.mp4"
