"""Hearing, first half: sound to features on the video's clock."""

from pgstalker.audio.features import AudioFeatures, create_features
from pgstalker.audio.mel import MelFeatures, MelStatistics

__all__ = ["AudioFeatures", "MelFeatures", "MelStatistics", "create_features"]
