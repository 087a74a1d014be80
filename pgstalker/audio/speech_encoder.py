"""Pretrained speech models as ears: hubert, wav2vec2, whisper, through transformers.

    samples ─► level of the whole ─► overlapping chunks ─► model ─► hidden states on the frame grid ─► axes ─► windows

A model's step is a whole part of a video frame (20 ms: two steps a frame). Its receptive field is computed from its
convolutions, and the sound is moved so that step s of frame i is centred at (i + (s + 0.5) / steps) / 25 s, as mel
columns are. Hidden states (hundreds of numbers) are laid on the principal axes of the training recording, whitened;
mean and axes are the statistics that an avatar stores, so the rest of the program sees COMPONENTS channels.

These models listen to whole sentences: there is no bounded look-ahead, and so no streaming.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pgstalker.audio.features import windows_of
from pgstalker.errors import WeightsError
from pgstalker.types import FPS, SAMPLE_RATE_HZ

log = logging.getLogger(__name__)

FRAME_SAMPLES = SAMPLE_RATE_HZ // FPS
COMPONENTS = 48
CONTEXT_FRAMES, SPARE_FRAMES = 2, 2
MARGIN_FRAMES = CONTEXT_FRAMES + SPARE_FRAMES
"""Of digital silence, heard on either side of every recording."""
CHUNK_S, OVERLAP_S = 20.0, 4.0
"""Long recordings: neighbouring chunks share OVERLAP_S, of which the middle half is faded from one to the other."""
PRIOR_S = 1.0
"""A recording of one second is trusted as much as the training recording."""
QUIETEST = 1e-3
"""RMS (-60 dBFS) below which a recording is not brought to the models' level: noise stays quiet."""
LEAST_SPREAD = 1e-3
"""Against the first axis: below it an axis is noise, and its component stays 0."""
LIMIT = 4.0
WHISPER_HOP, WHISPER_FFT = 160, 400


class SpeechEncoder(ABC):
    """The front end of one pretrained model; AudioFeatures says what its methods do.

    reference: a folder in the format of save_pretrained, the name of such a folder in $PGSTALKER_MODELS, or a hub id.
    statistics [1 + COMPONENTS, width]: mean hidden state, then whitening axes. Nothing is loaded, and transformers is
    not imported, before the first sound; the size of the hidden state is read from the model's config.json.
    Raises WeightsError where the model is not at hand, is of another kind, or is damaged.
    """

    id = ""
    default = ""
    channels = COMPONENTS
    look_ahead_ms = math.inf

    def __init__(self, reference: str = ""):
        self.reference = reference or self.default
        self._last: tuple[bytes, np.ndarray] | None = None

    # ---- what the model is

    @cached_property
    def folder(self) -> Path:
        from pgstalker.weights import hub_model

        return hub_model(self.reference)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """config.json of the model, of the right kind."""
        path = self.folder / "config.json"
        try:
            settings = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path} cannot be read ({error}); give the folder of a {self.id} model") from error
        kind = settings.get("model_type") if isinstance(settings, dict) else None
        if kind != self.id:
            raise WeightsError(f"{self.folder} holds a {kind} model, not {self.id}; use audio={kind}:{self.reference}")
        return settings

    @property
    def width(self) -> int:
        """Size of the hidden state."""
        return int(self._setting("hidden_size"))

    @property
    @abstractmethod
    def step_samples(self) -> int:
        """Sound between two hidden states."""

    @property
    def steps_per_frame(self) -> int:
        steps, rest = divmod(FRAME_SAMPLES, self.step_samples)
        if rest or not steps:
            raise WeightsError(
                f"{self.reference}: its step of {self.step_samples} samples does not divide a video frame "
                f"({FRAME_SAMPLES}); use a model with steps of 320 samples"
            )
        return steps

    @property
    def window(self) -> int:
        return self.steps_per_frame * (2 * CONTEXT_FRAMES + 1)

    @property
    def statistics_shape(self) -> tuple[int, int]:
        return (1 + COMPONENTS, self.width)

    def _setting(self, name: str) -> Any:
        if name not in self.settings:
            raise WeightsError(f"{self.folder / 'config.json'} lacks {name}; give a whole {self.id} model")
        return self.settings[name]

    @cached_property
    def _model(self):
        from pgstalker.torch_compat import load_torchvision

        load_torchvision()
        from safetensors import SafetensorError
        from transformers import AutoModel
        from transformers.utils import logging as transformers_logging

        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        try:
            model, found = AutoModel.from_pretrained(self.folder, local_files_only=True, output_loading_info=True)
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise WeightsError(f"{self.folder} is not a {self.id} model that can be loaded ({reason})") from error
        missing = sorted(set(found["missing_keys"]) - {"masked_spec_embed"})
        if missing:  # it would be filled with chance
            raise WeightsError(f"{self.folder} is not a whole {self.id} model: it lacks {missing[0]}; fetch it again")
        return model.float().eval()

    # ---- AudioFeatures

    def measure(self, samples: np.ndarray) -> np.ndarray:
        hidden = self._own(samples).astype(np.float64)
        statistics = np.zeros(self.statistics_shape)
        if len(hidden):
            statistics[0] = hidden.mean(0)
            _, spread, axes = np.linalg.svd(hidden - statistics[0], full_matrices=False)
            spread = spread / math.sqrt(len(hidden))
            kept = min(COMPONENTS, int((spread > max(LEAST_SPREAD * spread[0], 1e-9)).sum()))
            statistics[1 : 1 + kept] = axes[:kept] / spread[:kept, None]
        return statistics.astype(np.float32)

    def adapt(self, samples: np.ndarray, trained: np.ndarray) -> np.ndarray:
        """The mean moves to the other voice's; the axes stay."""
        seconds = len(samples) / SAMPLE_RATE_HZ
        adapted = np.array(trained, np.float32)
        if len(samples):
            adapted[0] += seconds / (seconds + PRIOR_S) * (self._own(samples).mean(0) - adapted[0])
        return adapted

    def extract(self, samples: np.ndarray, frames: int, statistics: np.ndarray, shift: int = 0) -> np.ndarray:
        """|shift| is at most SPARE_FRAMES. Beyond the ends of the recording the model hears digital silence."""
        assert abs(shift) <= SPARE_FRAMES * self.steps_per_frame
        hidden = self.hidden(samples, frames)
        states = np.clip((hidden - statistics[0]) @ statistics[1:].T, -LIMIT, LIMIT).astype(np.float32)
        start = SPARE_FRAMES * self.steps_per_frame + shift
        return windows_of(states[start:], frames, self.window, self.steps_per_frame)

    # ---- hidden states

    def hidden(self, samples: np.ndarray, frames: int) -> np.ndarray:
        """Hidden states [(MARGIN_FRAMES + frames + MARGIN_FRAMES) * steps, width] float32; the last are remembered."""
        samples = np.ascontiguousarray(samples, np.float32)
        mark = hashlib.blake2b(samples.tobytes() + frames.to_bytes(8, "little")).digest()
        if self._last is None or self._last[0] != mark:
            total, start = frames + 2 * MARGIN_FRAMES, MARGIN_FRAMES * FRAME_SAMPLES
            sound = np.zeros(total * FRAME_SAMPLES, np.float32)
            part = samples[: len(sound) - start]
            sound[start : start + len(part)] = part
            self._last = mark, self._in_chunks(self._prepared(sound), total)
        return self._last[1]

    def _own(self, samples: np.ndarray) -> np.ndarray:
        """Hidden states of the recording itself, without the silence around it."""
        margin = MARGIN_FRAMES * self.steps_per_frame
        return self.hidden(samples, -(-len(samples) // FRAME_SAMPLES))[margin:-margin]

    @abstractmethod
    def _prepared(self, samples: np.ndarray) -> np.ndarray:
        """What chunks are cut from: all that depends on the whole recording is done here, so that no seam shows."""

    @abstractmethod
    def _states(self, prepared: np.ndarray, first: int, count: int) -> np.ndarray:
        """Hidden states [count * steps, width] of `count` frames from frame `first` on, heard by themselves."""

    def _in_chunks(self, prepared: np.ndarray, frames: int, chunk_s: float = CHUNK_S) -> np.ndarray:
        """All frames in chunks of chunk_s that overlap and are faded into each other."""
        steps, chunk, overlap = self.steps_per_frame, round(chunk_s * FPS), round(OVERLAP_S * FPS)
        total = np.zeros((frames * steps, self.width), np.float32)
        for first in range(0, max(frames - overlap, 1), chunk - overlap):
            count = min(chunk, frames - first)
            weights = _fade(count * steps, overlap * steps, first > 0, first + count < frames)
            total[first * steps : (first + count) * steps] += weights[:, None] * self._states(prepared, first, count)
        return total


def _fade(steps: int, overlap: int, is_in: bool, is_out: bool) -> np.ndarray:
    """Weights [steps] of a chunk: 0 in the outer quarter of an overlap, where it knows too little, 1 in the inner.
    Those of two neighbours add up to 1."""
    ramp = np.clip(((np.arange(overlap) + 0.5) / overlap - 0.25) * 2, 0, 1).astype(np.float32)
    weights = np.ones(steps, np.float32)
    if is_in:
        weights[:overlap] *= ramp
    if is_out:
        weights[-overlap:] *= ramp[::-1]
    return weights


class WaveEncoder(SpeechEncoder):
    """Models that take the wave itself through strided convolutions without padding (wav2vec 2.0, HuBERT)."""

    @property
    def _layers(self) -> list[tuple[int, int]]:
        kernels, strides = self._setting("conv_kernel"), self._setting("conv_stride")
        return list(zip(kernels, strides, strict=True))

    @property
    def step_samples(self) -> int:
        return math.prod(stride for _, stride in self._layers)

    @property
    def reach_samples(self) -> int:
        """Width of the receptive field of one step."""
        reach, jump = 1, 1
        for kernel, stride in self._layers:
            reach += (kernel - 1) * jump
            jump *= stride
        return reach

    def _prepared(self, samples: np.ndarray) -> np.ndarray:
        """Zero mean and unit variance, as these models were trained; moved so that steps fall on the frame grid."""
        centred = samples - samples.mean() if len(samples) else samples
        level = math.sqrt(float(np.mean(np.square(centred, dtype=np.float64)))) if len(samples) else 0.0
        before = (self.reach_samples - self.step_samples) // 2  # a receptive field begins so much before its step
        placed = np.pad(centred / np.float32(max(level, QUIETEST)), (max(before, 0), self.reach_samples))
        return placed[max(-before, 0) :]

    def _states(self, prepared: np.ndarray, first: int, count: int) -> np.ndarray:
        import torch

        start = first * FRAME_SAMPLES
        stop = start + (count * self.steps_per_frame - 1) * self.step_samples + self.reach_samples
        with torch.inference_mode():
            sound = torch.from_numpy(np.ascontiguousarray(prepared[start:stop], np.float32))
            return self._model(sound[None]).last_hidden_state[0].numpy()


class HubertFeatures(WaveEncoder):
    """HuBERT (Hsu et al. 2021)."""

    id, default = "hubert", "facebook/hubert-base-ls960"


class Wav2Vec2Features(WaveEncoder):
    """wav2vec 2.0 (Baevski et al. 2020)."""

    id, default = "wav2vec2", "facebook/wav2vec2-base-960h"


class WhisperFeatures(SpeechEncoder):
    """The encoder of Whisper (Radford et al. 2022), which always hears 30 s: less is filled with silence."""

    id, default = "whisper", "openai/whisper-tiny"

    @property
    def width(self) -> int:
        return int(self._setting("d_model"))

    @property
    def step_samples(self) -> int:
        return 2 * WHISPER_HOP  # its second convolution has stride 2; both are padded evenly

    def _prepared(self, samples: np.ndarray) -> np.ndarray:
        """Whisper's log-mel columns [columns, bands]; the last is digital silence."""
        from pgstalker.torch_compat import load_torchvision

        load_torchvision()
        from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

        bands = int(self._setting("num_mel_bins"))
        filters = mel_filter_bank(
            WHISPER_FFT // 2 + 1, bands, 0.0, 8000.0, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
        )
        # a column's window begins half a window before its middle, and the first middle is half a step into the sound
        placed = np.pad(samples, (WHISPER_FFT // 2 - WHISPER_HOP, 2 * WHISPER_FFT))
        energies = spectrogram(
            placed,
            window_function(WHISPER_FFT, "hann"),
            WHISPER_FFT,
            WHISPER_HOP,
            power=2.0,
            center=False,
            mel_filters=filters,
            log_mel="log10",
        ).T
        floor = max(float(energies.max(initial=-10)) - 8, -10.0)
        return ((np.maximum(energies, floor) + 4) / 4).astype(np.float32)

    def _states(self, prepared: np.ndarray, first: int, count: int) -> np.ndarray:
        import torch

        per_frame = FRAME_SAMPLES // WHISPER_HOP
        heard = 2 * int(self._setting("max_source_positions"))
        columns = np.repeat(prepared[-1:], heard, 0)
        part = prepared[first * per_frame : (first + count) * per_frame]
        columns[: len(part)] = part
        with torch.inference_mode():
            states = self._model.encoder(torch.from_numpy(columns.T.copy())[None]).last_hidden_state[0].numpy()
        return states[: count * self.steps_per_frame]


ENCODERS = {kind.id: kind for kind in (HubertFeatures, Wav2Vec2Features, WhisperFeatures)}
