"""Hearing, first half: sound to features on the video's clock."""

from pgstalker.audio.features import AudioFeatures, create_features
from pgstalker.audio.gate import VoiceGate, voice_gate
from pgstalker.audio.mel import MelFeatures, MelStatistics
from pgstalker.audio.streaming import CodeStream, MelStream

__all__ = [
    "AudioFeatures",
    "CodeStream",
    "MelFeatures",
    "MelStatistics",
    "MelStream",
    "VoiceGate",
    "create_features",
    "voice_gate",
]
