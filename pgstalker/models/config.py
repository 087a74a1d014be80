"""What a talker is made of: written into every avatar, checked when one is read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

from pgstalker.errors import ConfigError
from pgstalker.types import Camera

SWITCHES = {
    "fusion": ("gated", "concat", "region-attention"),
    "audio": ("mel", "viseme", "mel+viseme", "hubert", "wav2vec2", "whisper"),
    "audio_training": ("two-stage", "end-to-end"),
    "torso": ("rendered", "gt"),
    "density": ("region-aware", "pixel-aware", "plain", "uniform"),
}
RANGES = {
    "size": (16, 8192), "code_size": (2, 64), "attention_frames": (1, 64), "members": (1, 64), "resolution": (2, 512),
    "baked": (0, 256),
}  # fmt: skip
"""Of the whole numbers, lowest and highest: a file may ask for anything."""


@dataclass(frozen=True)
class TalkerConfig:
    """size: px of the square picture. counts: Gaussians per branch. resolution: tri-plane cells a side.
    baked: deformations stored for each Gaussian of the head (avatar/bake.py), 0 for none.
    attention_frames: neighbours that the hearing attends to; of 2 one is past and none to come, which costs no
    look-ahead."""

    size: int
    focal_px: float
    fusion: str = "gated"
    audio: str = "mel"
    audio_training: str = "two-stage"
    torso: str = "rendered"
    density: str = "region-aware"
    code_size: int = 6
    attention_frames: int = 2
    members: int = 3
    resolution: int = 40
    baked: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {"face": 0, "mouth": 0, "torso": 0})

    @property
    def camera(self) -> Camera:
        """The camera that films it: the picture's middle is the optical axis."""
        return Camera(self.focal_px, self.size, self.size, self.size / 2, self.size / 2)

    def __post_init__(self):
        check_switches({name: getattr(self, name) for name in SWITCHES})

    def to_dict(self) -> dict:
        """What is not baked says nothing of it, so that older programs read it too; what is, they refuse by name."""
        values = asdict(self)
        return values if self.baked else {name: value for name, value in values.items() if name != "baked"}

    @classmethod
    def from_dict(cls, values: dict) -> TalkerConfig:
        """Raises ConfigError on a missing, unknown or ill-typed entry."""
        known = {f.name: f for f in fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"talker configuration has unknown entries: {', '.join(unknown)}")
        missing = sorted({"size", "focal_px", "counts"} - set(values))
        if missing:
            raise ConfigError(f"talker configuration lacks: {', '.join(missing)}")
        counts = values["counts"]
        if not isinstance(counts, dict) or set(counts) != {"face", "mouth", "torso"}:
            raise ConfigError("talker configuration: counts must name face, mouth and torso")
        for name, count in counts.items():
            _check_number(f"counts of {name}", count, 0, 10_000_000)
        for name, (low, high) in RANGES.items():
            if name in values:
                _check_number(name, values[name], low, high)
        focal = values["focal_px"]
        if isinstance(focal, bool) or not isinstance(focal, int | float) or not 0 < focal < 1e6:
            raise ConfigError(f"talker configuration: focal_px is {focal!r}, not a focal length in px")
        return cls(**values)


def _check_number(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"talker configuration: {name} is {value!r}, not a number from {low} to {high}")


def check_switches(switches: dict[str, str]) -> dict[str, str]:
    """The same switches, or ConfigError naming the wrong one and what it may be."""
    for name, value in switches.items():
        if name not in SWITCHES:
            raise ConfigError(f"unknown switch '{name}'; there are: {', '.join(SWITCHES)}")
        kind = value
        if name == "audio" and isinstance(value, str) and not value.startswith(("mel", "viseme")):
            kind = value.partition(":")[0]  # a speech model's folder or hub id may follow its kind
        if kind not in SWITCHES[name]:
            raise ConfigError(f"{name}={value} is unknown; use one of: {', '.join(SWITCHES[name])}")
    return switches
