"""The PGSTalker model, from sound and pose to Gaussians."""

from pgstalker.models.config import SWITCHES, TalkerConfig
from pgstalker.models.mouth_code import MouthBasis
from pgstalker.models.talker import Talker

__all__ = ["SWITCHES", "MouthBasis", "Talker", "TalkerConfig"]
