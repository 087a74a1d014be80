"""A performance: what a presenter says and how it moves, frame by frame, ready to be drawn."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from pgstalker.errors import MediaError
from pgstalker.files import replacing
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tools.presenter.articulation import Style, articulate, lip_gap_cm
from tools.presenter.motion import Temperament, move
from tools.voices import Phone, speak

FORMAT = 1
LEAD_S, TAIL_S = 0.4, 0.6
"""A silent face before the first word and after the last."""
_SIDED = {
    "brow": ("Down", "OuterUp"),
    "cheek": ("Squint",),
    "eye": ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide"),
    "mouth": ("Dimple", "Frown", "LowerDown", "Press", "Smile", "Stretch", "UpperUp"),
    "nose": ("Sneer",),
}
_SINGLE = (
    *("browInnerUp", "cheekPuff", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel"),
    *("mouthLeft", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower"),
    *("mouthShrugUpper", "tongueOut"),
)
UNITS = tuple(
    sorted([*_SINGLE, *(f"{p}{m}{s}" for p, moves in _SIDED.items() for m in moves for s in ("Left", "Right"))])
)
"""ARKit's 52 facial units."""
_TRACKS = {
    "tongue": (),
    "head_rotation_deg": (3,),
    "head_translation_cm": (3,),
    "torso_rotation_deg": (3,),
    "torso_translation_cm": (3,),
    "gaze_deg": (2,),
}


@dataclass(frozen=True)
class Performance:
    """T frames at `fps`; frame i is the instant (i + 0.5) / fps of the sound, which starts at 0 and lasts T / fps.

    units: {name: float32 [T] in 0..1}, all 52 of ARKit. tongue [T]. Rotations, translations and gaze as in
    motion.Motion. samples [S] float32, 16 kHz mono. phones cover the sound without gaps.
    """

    fps: float
    units: dict[str, np.ndarray]
    tongue: np.ndarray
    head_rotation_deg: np.ndarray
    head_translation_cm: np.ndarray
    torso_rotation_deg: np.ndarray
    torso_translation_cm: np.ndarray
    gaze_deg: np.ndarray
    samples: np.ndarray
    phones: list[Phone]

    @property
    def frames(self) -> int:
        return len(self.tongue)

    def frame(self, index: int) -> dict:
        """One frame as keyword arguments of figure.Pose; units that are zero are left out."""
        units = {name: float(track[index]) for name, track in self.units.items() if track[index] > 0}
        others = {name: tuple(map(float, getattr(self, name)[index])) for name in _TRACKS if name != "tongue"}
        return {"units": units, "tongue": float(self.tongue[index]), **others}

    def lip_gap_cm(self) -> np.ndarray:
        """Between the inner lips [T], as articulation.lip_gap_cm."""
        return lip_gap_cm(self.units)

    def save(self, path: str | Path) -> None:
        """One .npz: exact tracks, sound and phonemes."""
        header = {"format": FORMAT, "fps": self.fps, "sample_rate_hz": SAMPLE_RATE_HZ, "units": list(UNITS)}
        header["ipa"] = [phone.ipa for phone in self.phones]
        times = np.array([(phone.start_s, phone.end_s) for phone in self.phones], np.float64).reshape(-1, 2)
        tracks = {name: getattr(self, name) for name in _TRACKS}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                header=np.array(json.dumps(header)),
                units=np.stack([self.units[name] for name in UNITS]),
                samples=self.samples,
                phone_times_s=times,
                **tracks,
            )

    @classmethod
    def load(cls, path: str | Path) -> Performance:
        """Raises MediaError for a file that is not a performance, is damaged, or is of another format."""
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                parts = {name: file[name] for name in file.files}
            header = json.loads(str(parts["header"]))
            if header["format"] != FORMAT or tuple(header["units"]) != UNITS:
                raise MediaError(f"{path.name} has performance format {header['format']}, not {FORMAT}: make it anew")
            times, units = parts["phone_times_s"], parts["units"]
            phones = [Phone(float(a), float(b), str(ipa)) for (a, b), ipa in zip(times, header["ipa"], strict=True)]
            tracks = {name: parts[name] for name in _TRACKS}
            fps = float(header["fps"])
        except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise MediaError(f"{path.name} is not a performance ({error}): make it anew") from None
        frames = units.shape[-1]
        shapes = {name: (frames, *tail) for name, tail in _TRACKS.items()}
        wrong = [name for name, shape in shapes.items() if tracks[name].shape != shape]
        numbers = [units, parts["samples"], *tracks.values()]
        if wrong or units.shape != (len(UNITS), frames) or not all(np.isfinite(array).all() for array in numbers):
            raise MediaError(f"{path.name} is damaged ({', '.join(wrong) or 'units or numbers'}): make it anew")
        return cls(fps, dict(zip(UNITS, units)), samples=parts["samples"], phones=phones, **tracks)


@dataclass(frozen=True)
class Delivery:
    """How a presenter talks and carries itself."""

    rate: float = 1.0
    pitch: float = 1.0
    pause_s: float = 0.3
    style: Style = field(default_factory=Style)
    temperament: Temperament = field(default_factory=Temperament)


def perform(script: str, voice: str, *, seed: int, delivery: Delivery | None = None, fps: float = FPS) -> Performance:
    """Say a script in a voice (an id of tools.voices.VOICES) and move to it.

    Deterministic: the sound from the words, the mouth from the sound, the rest from the seed. Raises what `speak` does.
    """
    delivery = delivery or Delivery()
    speech = speak(script, voice, rate=delivery.rate, pitch=delivery.pitch, pause_s=delivery.pause_s)
    return enact(speech.samples, speech.phones, seed=seed, delivery=delivery, fps=fps)


def enact(
    samples: np.ndarray, phones: list[Phone], *, seed: int, delivery: Delivery | None = None, fps: float = FPS
) -> Performance:
    """The performance of a sound whose phonemes are known, with a silent moment before and after it."""
    delivery = delivery or Delivery()
    samples, phones, frames = _framed(samples, phones, fps)
    mouth = articulate(phones, samples, frames, fps=fps, style=delivery.style)
    motion = move(phones, samples, frames, seed=seed, temperament=delivery.temperament, fps=fps)
    units = {name: np.zeros(frames, np.float32) for name in UNITS}
    for name, track in (*mouth.units.items(), *motion.units.items()):
        units[name] = np.minimum(1, units[name] + track)
    others = {item.name: getattr(motion, item.name) for item in fields(motion) if item.name != "units"}
    return Performance(fps, units, mouth.tongue, samples=samples, phones=phones, **others)


def _framed(samples: np.ndarray, phones: list[Phone], fps: float) -> tuple[np.ndarray, list[Phone], int]:
    """The sound with its lead and tail, filled up to a whole number of frames."""
    lead = round(LEAD_S * SAMPLE_RATE_HZ)
    frames = int(np.ceil((len(samples) / SAMPLE_RATE_HZ + LEAD_S + TAIL_S) * fps))
    whole = np.zeros(round(frames / fps * SAMPLE_RATE_HZ), np.float32)
    whole[lead : lead + len(samples)] = samples
    moved = [Phone(p.start_s + LEAD_S, p.end_s + LEAD_S, p.ipa) for p in phones]
    spoken = [phone for phone in moved if phone.ipa]
    if not spoken:
        return whole, [Phone(0.0, frames / fps, "")], frames
    inner = [phone for phone in moved if spoken[0].start_s <= phone.start_s <= spoken[-1].start_s]
    first, last = inner[0].start_s, inner[-1].end_s
    return whole, [Phone(0.0, first, ""), *inner, Phone(last, frames / fps, "")], frames
