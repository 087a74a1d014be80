"""Portrait video to prepared subject: landmarks, head pose, masks, torso, quality gates."""

from pgstalker.tracking.prepare import prepare

__all__ = ["prepare"]
