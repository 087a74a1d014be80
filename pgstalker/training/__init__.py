"""Training: a prepared subject becomes an avatar."""

from pgstalker.method import TrainingRequest
from pgstalker.training.train import train

__all__ = ["TrainingRequest", "train"]
