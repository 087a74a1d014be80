"""A presenter drawn by code, as a genuine subject folder: trains an avatar with no real person and no download.

    python -m pgstalker.synthetic --out FOLDER [--seconds 16] [--size 256] [--seed 0]

Picture, labels, landmarks and head pose come from one geometry, so they agree exactly; voice and mouth from one score.
"""

from pgstalker.synthetic.presenter import make_subject
from pgstalker.synthetic.voice import Speech, babble

__all__ = ["Speech", "babble", "make_subject"]
