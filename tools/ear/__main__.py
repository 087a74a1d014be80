"""The ear, from nothing to its weights: python -m tools.ear speak | train | sync

speak   synthesise the corpus under build/ear (three hours of speech; ten minutes on one core)
train   learn from it, resumably, and write pgstalker/audio/viseme.npz with the terms of its voices in viseme_voices.md
sync    fit the sync measure pgstalker/audio/sync_ridge.npz to the presenters' performances and the corpus
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from pgstalker.errors import PgsError
from pgstalker.files import replacing
from tools.ear import corpus

PARTS, STEPS = 43, 2600
FOLDER = Path("build/ear")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.ear", description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("speak", "train", "sync"))
    parser.add_argument("--parts", type=int, default=PARTS, help=f"of {corpus.PART} utterances each")
    parser.add_argument("--steps", type=int, default=STEPS, help="of training")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where speech and checkpoints are kept")
    arguments = parser.parse_args()
    try:
        {"speak": speak, "train": train, "sync": sync}[arguments.what](arguments)
    except (PgsError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def speak(arguments: argparse.Namespace) -> None:
    for part in range(arguments.parts):
        print(corpus.make_part(arguments.folder, part), flush=True)


def train(arguments: argparse.Namespace) -> None:
    from pgstalker.audio.viseme import WEIGHTS
    from tools.ear.training import log_line
    from tools.ear.training import train as learn
    from tools.ear.voices import write_terms

    network, batches = learn(arguments.folder, arguments.steps, log_line(arguments.folder / "training.jsonl"))
    with replacing(WEIGHTS) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: array.astype(np.float16) for name, array in network.to_arrays().items()})
    write_terms(WEIGHTS.with_name("viseme_voices.md"), [(one.voice, len(one.clean) / 100) for one in batches.said])


def sync(arguments: argparse.Namespace) -> None:
    from tools.ear.sync import fit

    fit(arguments.folder)


if __name__ == "__main__":
    sys.exit(main())
