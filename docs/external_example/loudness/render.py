"""Show the mean picture of each frame's loudness."""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image
from train import loudness


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    parser.add_argument("--performance", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    facts = json.loads((arguments.performance / "exchange.json").read_text())
    level = loudness(arguments.performance, facts["fps"])
    moments = np.load(arguments.performance / "tracks.npz")["moments"]
    model = np.load(arguments.model / "model.npz")
    for number, moment in enumerate(moments):
        heard = level[moment] if moment < len(level) else 0.0
        picture = model["means"][np.searchsorted(model["edges"], heard)]
        Image.fromarray(picture).save(arguments.out / f"{number:06d}.png")


if __name__ == "__main__":
    main()
