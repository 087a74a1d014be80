"""Hearing, first half: sound to features on the video's clock."""

from pgstalker.audio.features import AudioFeatures, create_features
from pgstalker.audio.gate import VoiceGate, voice_gate
from pgstalker.audio.mel import MelFeatures, MelStatistics
from pgstalker.audio.streaming import CodeStream, MelStream
from pgstalker.audio.sync import Sync, sync_ridge

__all__ = [
    "AudioFeatures",
    "CodeStream",
    "MelFeatures",
    "MelStatistics",
    "MelStream",
    "Sync",
    "VoiceGate",
    "create_features",
    "sync_ridge",
    "voice_gate",
]
