"""Training: a prepared subject becomes an avatar."""

from pgstalker.training.presets import PRESETS
from pgstalker.training.train import train

__all__ = ["PRESETS", "train"]
