"""Where the judge keeps what it makes."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Of the checkout."""
RESULTS = Path(__file__).parent / "results"
WORK = Path("work") / "leaderboard"
"""Subjects, runs and truths, under the folder that the program was started in."""
