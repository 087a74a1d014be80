"""Training: a prepared subject becomes an avatar."""

from pgstalker.method import TrainingRequest
from pgstalker.training.presets import PRESETS
from pgstalker.training.train import train

__all__ = ["PRESETS", "TrainingRequest", "train"]
