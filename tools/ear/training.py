"""Training the ear: the corpus as mel columns, batches under new weather, checkpoints, and the judge's held-out voices.

Any step can be the last: it goes on from build/ear/training.pt with the same numbers as if it had never stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pgstalker.audio.mel import CHANNELS, FLOOR, log_mel, normalised, speech_statistics
from pgstalker.audio.viseme import AHEAD, BEFORE
from pgstalker.audio.visemes import SILENCE, VISEMES
from pgstalker.files import replacing
from pgstalker.measures import pearson
from tools.ear.corpus import TRACKS, is_held_out, read_part
from tools.ear.network import EarNetwork, score
from tools.ear.rooms import damaged
from tools.ear.weather import to_log, weathered

BATCH, COLUMNS = 8, 600
RATE, DECAY, WARM_UP = 2e-3, 1e-2, 200
DAMAGED_SHARE, CLEAR_SHARE = 0.5, 0.1
STATISTICS_SHIFT, STATISTICS_SCALE = 0.15, 0.08
"""Statistics of a short or noisy recording are not those of the voice."""
SAVE_EVERY, JUDGE_EVERY = 200, 1000
JUDGED_MOST = 60


@dataclass(frozen=True)
class Said:
    """An utterance as log-mel columns [K, CHANNELS] float16, as it was and damaged, with its mouth."""

    voice: str
    clean: np.ndarray
    damaged: np.ndarray
    tracks: np.ndarray
    visemes: np.ndarray


def load(folder: Path) -> list[Said]:
    """All parts of the corpus as mel columns; each part's are kept beside it. Raises OSError where there are none."""
    said: list[Said] = []
    for path in sorted(folder.glob("speech_*.npz")):
        kept = path.with_name(path.name.replace("speech", "mel"))
        if not kept.is_file():
            _write_mel(path, kept)
        with np.load(kept, allow_pickle=False) as file:
            for index in range(len(file["voices"])):
                arrays = [file[f"{index}.{name}"] for name in ("clean", "damaged", "tracks", "visemes")]
                said.append(Said(str(file["voices"][index]), *arrays))
    if not said:
        raise FileNotFoundError(f"no speech in {folder}: run python -m tools.ear speak first")
    return said


def _write_mel(path: Path, kept: Path) -> None:
    utterances = list(read_part(path))
    arrays: dict[str, np.ndarray] = {"voices": np.array([u.voice for u in utterances])}
    for index, utterance in enumerate(utterances):
        rng = np.random.default_rng((int(path.stem[-4:]), index))
        other = utterances[index - 1].samples
        arrays |= {
            f"{index}.clean": log_mel(utterance.samples).astype(np.float16),
            f"{index}.damaged": log_mel(damaged(utterance.samples, other, rng)).astype(np.float16),
            f"{index}.tracks": utterance.tracks.astype(np.float16),
            f"{index}.visemes": utterance.visemes.astype(np.uint8),
        }
    with replacing(kept) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


class Batches:
    """Batches of the training voices: batch(step) is always the same for one seed."""

    def __init__(self, said: list[Said], seed: int = 0):
        self.said, self.seed = said, seed
        tracks = np.concatenate([one.tracks for one in said]).astype(np.float32)
        self.mean, self.scale = tracks.mean(0), tracks.std(0)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """mel [B, BEFORE + COLUMNS + AHEAD, CHANNELS], visemes [B, COLUMNS] and tracks [B, COLUMNS, 7]."""
        rng = np.random.default_rng((self.seed, step))
        examples = [self._example(self.said[rng.integers(len(self.said))], rng) for _ in range(BATCH)]
        mel, visemes, tracks = (torch.from_numpy(np.stack(part)) for part in zip(*examples, strict=True))
        return mel, visemes, tracks

    def _example(self, said: Said, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        log_energies = said.damaged if rng.random() < DAMAGED_SHARE else said.clean
        energies = np.maximum(np.exp(log_energies.astype(np.float32)) - FLOOR, 0)
        tracks, visemes = said.tracks.astype(np.float32), said.visemes
        if rng.random() > CLEAR_SHARE:
            energies, tracks, visemes = weathered(energies, tracks, visemes, rng)
        mel = to_log(energies).astype(np.float32)
        statistics = speech_statistics(mel)
        statistics[0] += STATISTICS_SHIFT * statistics[1] * rng.standard_normal(CHANNELS)
        statistics[1] *= np.exp(STATISTICS_SCALE * rng.standard_normal())
        first = int(rng.integers(0, max(1, len(mel) - COLUMNS)))
        return self.cut(mel, statistics, visemes, tracks, first)

    def cut(self, mel, statistics, visemes, tracks, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """COLUMNS from column `first` on with what the network sees around them; silence beyond the ends."""
        after = max(0, first + COLUMNS - len(mel))
        floor = np.full((1, CHANNELS), np.log(FLOOR), np.float32)
        padded = np.concatenate([floor.repeat(BEFORE, 0), mel, floor.repeat(AHEAD + after, 0)])
        seen = normalised(padded[first : first + BEFORE + COLUMNS + AHEAD], statistics)
        silence = np.full(after, VISEMES.index(SILENCE))
        visemes = np.concatenate([visemes, silence])[first : first + COLUMNS].astype(np.int64)
        tracks = np.pad(tracks, ((0, after), (0, 0)))[first : first + COLUMNS]
        return seen, visemes, ((tracks - self.mean) / self.scale).astype(np.float32)


def train(folder: Path, steps: int, report: Callable[[dict], None], seed: int = 0) -> tuple[EarNetwork, Batches]:
    """The network after `steps` steps, taken up where an earlier run stopped. report gets a line now and then."""
    torch.set_num_threads(1)  # small layers gain nothing from a second
    said = load(folder)
    learnt = Batches([one for one in said if not is_held_out(one.voice)], seed)
    judged = [one for one in said if is_held_out(one.voice)][:JUDGED_MOST]
    torch.manual_seed(seed)
    network, kept = EarNetwork(), folder / "training.pt"
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    first, recent = 0, []
    if kept.is_file():
        state = torch.load(kept, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        mel, visemes, tracks = learnt.batch(step)
        loss = score(network(mel), visemes, tracks, len(VISEMES))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        recent.append(float(loss.detach()))
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            with replacing(kept) as temporary:
                torch.save(state, temporary)
            report({"step": step + 1, "loss": round(float(np.mean(recent)), 4)})
            recent = []
        if (step + 1) % JUDGE_EVERY == 0 or step + 1 == steps:
            report({"step": step + 1, **judge(network, learnt, judged)})
    return network, learnt


def rate(step: int, steps: int) -> float:
    """Learning rate: a short rise, then half a cosine."""
    return float(RATE * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + np.cos(np.pi * step / steps)) + 1e-6)


@torch.inference_mode()
def judge(network: EarNetwork, batches: Batches, said: list[Said]) -> dict:
    """On voices never heard, clean and damaged: share of columns whose viseme is right, and r of each track."""
    report = {}
    for kind in ("clean", "damaged"):
        right, outputs, wanted = [], [], []
        for one in said:
            mel = getattr(one, kind).astype(np.float32)
            seen, visemes, tracks = batches.cut(mel, speech_statistics(mel), one.visemes, one.tracks, 0)
            output = network(torch.from_numpy(seen)[None])[0].numpy()
            right.append(output[:, : len(VISEMES)].argmax(1) == visemes)
            outputs.append(output[:, len(VISEMES) :])
            wanted.append(tracks)
        heard, true = np.concatenate(outputs), np.concatenate(wanted)
        r = {name: round(pearson(heard[:, index], true[:, index]), 3) for index, name in enumerate(TRACKS)}
        report[kind] = {"visemes": round(float(np.concatenate(right).mean()), 3), **r}
    return report


def log_line(path: Path) -> Callable[[dict], None]:
    """A reporter that prints and keeps every line."""

    def report(line: dict) -> None:
        text = json.dumps(line)
        print(text, flush=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    return report
