"""The ear of a compared method: sound to the code that conditions its face.

Every method can hear in two ways (audio_training): end-to-end, as the papers do, where pictures alone teach it; or
two-stage, where landmarks teach it first (training/hearing.py), so that nobody's gain is hidden in the ear. PGSTalker's
own talker holds the same parts under its own names.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pgstalker.audio import create_features, voice_gate
from pgstalker.audio.features import quiet_features
from pgstalker.audio.gate import rested
from pgstalker.models.audio_encoder import DROPOUT, AudioEncoder, neighbours
from pgstalker.models.calibration import Calibration
from pgstalker.models.mouth_code import MouthBasis

TWO_STAGE_CODE, TWO_STAGE_MEMBERS, TWO_STAGE_FRAMES = 6, 3, 2
BATCH = 512


class Ear(nn.Module):
    """windows of sound [B, F, W, C] -> code [B, size].

    size and frames (neighbours that are attended to) are the method's own where it is trained end-to-end; two-stage
    hearing has those of PGSTalker. code(...) is what a picture of the training recording is conditioned on.
    """

    def __init__(self, audio: str, audio_training: str, size: int, frames: int):
        super().__init__()
        self.is_two_stage = audio_training == "two-stage"
        self.features = create_features(audio)
        self.size = TWO_STAGE_CODE if self.is_two_stage else size
        self.attention_frames = TWO_STAGE_FRAMES if self.is_two_stage else frames
        self.members = TWO_STAGE_MEMBERS if self.is_two_stage else 1
        self.encoder = AudioEncoder(
            self.features.channels,
            self.features.window,
            self.attention_frames,
            self.size,
            self.members,
            DROPOUT[audio_training],
        )
        self.calibration = Calibration(self.size)
        self.register_buffer("audio_statistics", torch.zeros(self.features.statistics_shape))
        if self.is_two_stage:
            for name, shape in MouthBasis.shapes(self.size).items():
                self.register_buffer(f"mouth_{name}", torch.zeros(shape))

    @property
    def device(self) -> torch.device:
        return self.audio_statistics.device

    @property
    def mouth_basis(self) -> MouthBasis:
        """What encodes tracked lips; two-stage ears only."""
        names = MouthBasis.shapes(self.size)
        return MouthBasis(**{name: getattr(self, f"mouth_{name}").cpu().numpy().astype(np.float64) for name in names})

    def forward(self, windows: Tensor) -> Tensor:
        code = self.encoder(windows).mean(0)
        return self.calibration(code) if self.is_two_stage else torch.tanh(code)

    def windows(self, samples: np.ndarray, frames: int, is_own: bool = True) -> Tensor:
        """[frames, F, W, C] of samples [S] float32, 16 kHz mono; another recording is normalised by its own level."""
        trained = self.audio_statistics.cpu().numpy()
        statistics = trained if is_own else self.features.adapt(samples, trained)
        features = self.features.extract(samples, frames, statistics)
        return neighbours(torch.from_numpy(features), self.attention_frames).to(self.device)

    @torch.no_grad()
    def listen(self, samples: np.ndarray, frames: int, is_own: bool) -> Tensor:
        """Codes [frames, size] of a whole recording, without gradients and dropout; a taught mouth rests where nobody
        speaks in another's recording."""
        was_training = self.encoder.training
        self.encoder.eval()
        codes = torch.cat([self(part) for part in self.windows(samples, frames, is_own).split(BATCH)])
        if self.is_two_stage and not is_own:
            quiet = torch.from_numpy(quiet_features(self.features, self.audio_statistics.cpu().numpy()))
            rest = self(neighbours(quiet, self.attention_frames).to(self.device))[0]
            gate = voice_gate(samples, frames)
            codes = torch.from_numpy(rested(codes.cpu().numpy(), rest.cpu().numpy(), gate)).to(self.device)
        self.encoder.train(was_training)
        return codes
