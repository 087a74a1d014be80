"""The judged comparison: protocols, metrics, statistics and records of audio-driven talking heads."""
