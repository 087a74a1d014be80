"""Presets: one name sets size, length and how many Gaussians there are to start with and at most."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pgstalker.errors import ConfigError


@dataclass(frozen=True)
class Preset:
    """size px; steps of one frame each; Gaussians at the start and at most; tri-plane cells a side."""

    size: int
    steps: int
    initial: int
    cap: int
    resolution: int
    hearing_epochs: int = 60

    def with_at_most(self, gaussians: int | None) -> Preset:
        """The same with another cap, begun with the same share of it; None leaves it as it is."""
        if gaussians is None:
            return self
        return replace(self, cap=gaussians, initial=round(gaussians * self.initial / self.cap))


PRESETS = {
    "quick": Preset(size=256, steps=3000, initial=7000, cap=9000, resolution=40),
    "compare": Preset(size=256, steps=13_500, initial=7000, cap=9000, resolution=40),
    "default": Preset(size=512, steps=5000, initial=12000, cap=18000, resolution=40),
    "paper": Preset(size=512, steps=110_000, initial=12000, cap=38000, resolution=40),
}
"""paper: TalkingGaussian's 50,000 face + 50,000 mouth + 10,000 fuse iterations; here one cloud, one loop."""

SHARES = {"face": 0.70, "mouth": 0.06, "torso": 0.24}
"""Of the initial Gaussians."""

STATIC_UNTIL, DENSITY_UNTIL, REFINE_FROM, FUSE_FROM = 0.08, 0.55, 0.60, 0.75
"""Stages as shares of all steps: static, motion (with density control), refine, fuse."""


def preset(name: str) -> Preset:
    """Raises ConfigError for an unknown name."""
    if name not in PRESETS:
        raise ConfigError(f"unknown preset '{name}'; use one of: {', '.join(PRESETS)}")
    return PRESETS[name]


def stage_at(share: float) -> str:
    """The stage's name at that share of all steps."""
    for name, start in (("fuse", FUSE_FROM), ("refine", REFINE_FROM), ("motion", STATIC_UNTIL)):
        if share >= start:
            return name
    return "static"
