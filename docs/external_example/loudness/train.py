"""Learn a mean picture for each range of loudness. Needs numpy and Pillow, and nothing of PGSTalker."""

import argparse
import json
import wave
from pathlib import Path

import numpy as np
from PIL import Image


def loudness(folder: Path, fps: int) -> np.ndarray:
    """Root mean square of the sound of each frame."""
    with wave.open(str(folder / "audio.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        step = file.getframerate() // fps
    whole = np.pad(samples, (0, -len(samples) % step))
    return np.sqrt(np.square(whole.reshape(-1, step)).mean(1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--subject", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int, help="ranges of loudness; 0: as many as suit")
    arguments = parser.parse_args()
    facts = json.loads((arguments.subject / "exchange.json").read_text())
    level = loudness(arguments.subject, facts["fps"])[: facts["frames"]]
    edges = np.quantile(level, np.linspace(0, 1, (arguments.steps or 6) + 1)[1:-1])
    members = np.searchsorted(edges, level)
    total = np.zeros((len(edges) + 1, facts["size"], facts["size"], 3))
    for number, member in enumerate(members):
        total[member] += np.asarray(Image.open(arguments.subject / "frames" / f"{number:06d}.png"))
        print(f"progress {(number + 1) / len(members):.3f} mean member={member}", flush=True)
    counts = np.bincount(members, minlength=len(total))
    overall = total.sum(0) / len(members)
    means = [total[bin] / counts[bin] if counts[bin] else overall for bin in range(len(total))]
    np.savez(arguments.out / "model.npz", edges=edges, means=np.rint(means).astype(np.uint8))


if __name__ == "__main__":
    main()
