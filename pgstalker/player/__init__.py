"""Playing an avatar on the CPU: numpy, numba and the avatar's tensors; no torch."""

from pgstalker.player.player import Player

__all__ = ["Player"]
