"""What the voices say: our own sentences in 19 languages, and sentences of their words shuffled, so that sounds meet
neighbours which no sentence gives them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np

from pgstalker.errors import ConfigError

FOLDER = Path(__file__).parent / "texts"
SHUFFLED_SHARE, COMMA_SHARE = 0.5, 0.2
WORDS = (5, 11)


@cache
def lines(language: str) -> tuple[str, ...]:
    """The sentences of a BCP 47 language, by its first part. Raises ConfigError where there are none."""
    path = FOLDER / f"{language.split('-')[0]}.txt"
    if not path.is_file():
        raise ConfigError(f"no texts in '{language}': write {path.name} beside {FOLDER}")
    return tuple(line for line in path.read_text("utf-8").splitlines() if line.strip())


def compose(language: str, rng: np.random.Generator) -> str:
    """Two sentences, each as it stands or shuffled."""
    return " ".join(_shuffled(language, rng) if rng.random() < SHUFFLED_SHARE else _line(language, rng) for _ in "12")


def _line(language: str, rng: np.random.Generator) -> str:
    return str(rng.choice(lines(language)))


def _shuffled(language: str, rng: np.random.Generator) -> str:
    words = [word for line in lines(language) for word in re.sub(r"[^\w\s'-]", "", line).split()]
    if language.startswith("hi"):  # \w leaves out the vowel signs of Devanagari
        words = [word.strip("।,") for line in lines(language) for word in line.split()]
    chosen = rng.choice(words, rng.integers(*WORDS))
    return " ".join(f"{word}," if rng.random() < COMMA_SHARE else str(word) for word in chosen[:-1]) + f" {chosen[-1]}."
