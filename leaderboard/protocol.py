"""Under which conditions a result was made: what must not differ between rows that are ranked together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pgstalker.errors import ConfigError

VERSION = 1
"""Raised when any definition changes that would change a number."""

Setting = Literal["self", "cross"]
Composite = Literal["gt_torso", "rendered_torso", "pasteback", "full_frame"]
Codec = Literal["lossless", "h264_q8"]

PAPERS_PX = 512
H264_Q8_CRF = 10
"""What imageio makes of quality=8, with which the papers' scripts write the videos that they compare."""


@dataclass(frozen=True)
class Protocol:
    """setting: driven by the person's own test sound, or another's. composite: what the prediction shows beside the
    head (the true torso, a rendered one, the head pasted back into the true frame, or a frame of its own). codec: what
    both sides went through before they are compared.

    Raises ConfigError for a value that there is not.
    """

    setting: Setting = "self"
    composite: Composite = "full_frame"
    codec: Codec = "lossless"

    def __post_init__(self) -> None:
        for name, kind in (("setting", Setting), ("composite", Composite), ("codec", Codec)):
            if getattr(self, name) not in get_args(kind):
                values = ", ".join(get_args(kind))
                raise ConfigError(f"{name} '{getattr(self, name)}' is unknown; use one of: {values}")

    @property
    def id(self) -> str:
        return f"{self.setting}-{self.composite}-{self.codec}-v{VERSION}"

    def is_papers(self, size: tuple[int, int]) -> bool:
        """Whether papers print figures of this kind: self-driven heads over the true torso at 512 px or more."""
        return self.setting == "self" and self.composite == "gt_torso" and min(size) >= PAPERS_PX

    def record(self) -> dict:
        parts = {"setting": self.setting, "composite": self.composite, "codec": self.codec}
        return {"id": self.id, "version": VERSION} | parts
