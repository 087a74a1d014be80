"""Who the presenters are: voice, manner and words. Their looks are elsewhere; names belong together.

All six voices may be offered under CC0 (tools.voices.catalogue); the texts are ours. Two people share the recordings of
one speaker: `pitch` makes a larger or smaller person of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pgstalker.errors import ConfigError
from tools.presenter.articulation import Style
from tools.presenter.motion import Temperament
from tools.presenter.performance import Delivery, Performance, perform

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class Role:
    """A presenter's voice (an id of tools.voices.VOICES), manner, and the seed of its motion."""

    voice: str
    seed: int
    delivery: Delivery = field(default_factory=Delivery)


@dataclass(frozen=True)
class Drive:
    """Speech that no presenter was trained on."""

    voice: str
    rate: float = 1.0
    pitch: float = 1.0


CAST = {
    "mira": Role("slt", 11, Delivery(0.97, 1.0, 0.25, Style(1.0, 1.0, 1.1, 0.03), Temperament(smile=0.14))),
    "tomas": Role(
        "rms", 22, Delivery(1.0, 1.06, 0.25, Style(1.05, 0.95, 1.0, -0.03), Temperament(0.9, 1.1, 1.0, 1.0, 0.08))
    ),
    "june": Role(
        "slt", 33, Delivery(0.93, 0.88, 0.3, Style(0.95, 1.05, 1.0, 0.04), Temperament(0.8, 0.9, 0.9, 0.8, 0.16))
    ),
    "olu": Role(
        "rms", 44, Delivery(0.98, 0.91, 0.3, Style(1.1, 1.0, 0.95, -0.02), Temperament(1.1, 1.0, 1.2, 1.0, 0.1))
    ),
    "amara": Role(
        "slt-hts", 55, Delivery(0.95, 1.1, 0.25, Style(1.05, 1.1, 1.1, 0.02), Temperament(1.2, 1.2, 1.3, 1.1, 0.15))
    ),
    "piet": Role(
        "awb", 66, Delivery(0.95, 1.0, 0.3, Style(0.92, 1.0, 0.9, -0.04), Temperament(0.75, 1.0, 0.8, 0.8, 0.06))
    ),
}
DRIVES = {
    "english_woman": Drive("slt-hts", 1.0, 0.95),
    "english_man": Drive("ked", 1.0, 1.05),
    "german": Drive("espeak-de"),
    "russian": Drive("nsh"),
}


def script(name: str) -> str:
    """The words of a presenter, or of a drive as "drive_NAME". Raises ConfigError for an unknown one."""
    path = SCRIPTS / f"{name}.txt"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in SCRIPTS.glob("*.txt")))
        raise ConfigError(f"no script '{name}': there are {names}")
    return path.read_text("utf-8")


def perform_role(name: str) -> Performance:
    """A presenter's performance of its own script. Raises ConfigError for an unknown presenter."""
    if name not in CAST:
        raise ConfigError(f"no presenter '{name}': there are {', '.join(CAST)}")
    role = CAST[name]
    return perform(script(name), role.voice, seed=role.seed, delivery=role.delivery)
