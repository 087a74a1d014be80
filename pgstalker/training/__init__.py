"""Training: a prepared subject becomes an avatar."""

from pgstalker.training.presets import PRESETS
from pgstalker.training.train import TrainingRequest, train

__all__ = ["PRESETS", "TrainingRequest", "train"]
