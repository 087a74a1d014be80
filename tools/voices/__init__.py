"""Text to speech whose phoneme timings are known: three free engines behind one call."""

from tools.voices.catalogue import VOICES, Voice, find, require
from tools.voices.speech import Phone, Speech, sentences, speak

__all__ = ["VOICES", "Phone", "Speech", "Voice", "find", "require", "sentences", "speak"]
