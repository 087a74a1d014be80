"""Which code a compared method's training frame is conditioned on, whichever way its ear is trained."""

from __future__ import annotations

import torch
from torch import Tensor

from pgstalker.models.ear import Ear
from pgstalker.models.mouth_code import MouthBasis
from pgstalker.presets import FUSE_FROM
from pgstalker.training.hearing import calibrate, train_hearing
from pgstalker.training.session import Session

HEARING_EPOCHS = 60
CODE_NOISE, WINDOW_NOISE = 0.15, 0.15
UNSEEN_SHARE = 0.25
"""Of the last stage's steps: on codes predicted without having seen the frame."""


class TrainingCodes:
    """Codes of the training frames. Two-stage: the tracked mouth's, with noise, and late in training those that the
    ear will really give; end-to-end: what the ear hears, so that the picture's error reaches it."""

    def __init__(self, ear: Ear, session: Session):
        self.ear, data = ear, session.data
        self.windows = ear.windows(data.samples, len(data))
        self.unseen: Tensor | None = None
        if ear.is_two_stage:
            self.true = torch.from_numpy(ear.mouth_basis.encode(data.landmarks)).to(ear.device)

    def at(self, frame: int, share: float, generator: torch.Generator) -> Tensor:
        """The code [size] of a frame at that share of all steps."""
        if not self.ear.is_two_stage:
            windows = self.windows[frame][None]
            noise = torch.randn(windows.shape, generator=generator).to(windows)
            return self.ear(windows + WINDOW_NOISE * noise)[0]
        draw = float(torch.rand((), generator=generator))
        if self.unseen is not None and share >= FUSE_FROM and draw < UNSEEN_SHARE:
            return self.unseen[frame]
        return self.true[frame] + CODE_NOISE * torch.randn(self.ear.size, generator=generator).to(self.true)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint holds beside the ear's own weights."""
        return {} if self.unseen is None else {"unseen": self.unseen}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        if "unseen" in tensors:
            self.unseen = tensors["unseen"].to(self.ear.device)


def taught(ear: Ear, session: Session) -> TrainingCodes:
    """Fit a new ear to the training recording, on the CPU: its statistics and, two-stage, all that it hears."""
    data = session.data
    ear.audio_statistics.copy_(torch.as_tensor(ear.features.measure(data.samples)))
    unseen = None
    if ear.is_two_stage:
        basis = MouthBasis.fit(data.landmarks[data.valid], ear.size)
        for name, value in basis.to_arrays().items():
            getattr(ear, f"mouth_{name}").copy_(torch.as_tensor(value))
        codes = basis.encode(data.landmarks)
        hearing = train_hearing(
            ear.features,
            data.samples,
            codes,
            ear,
            HEARING_EPOCHS,
            session.options.seed,
            lambda share, loss: session.report("hearing", share, {"loss": loss}),
            data.valid,
        )
        ear.encoder = hearing.encoder
        calibrate(ear.calibration, hearing.unseen_codes[data.valid], codes[data.valid])
        with torch.no_grad():
            unseen = ear.calibration(torch.from_numpy(hearing.unseen_codes)).to(session.device)
    ear.to(session.device)
    result = TrainingCodes(ear, session)
    result.unseen = unseen
    return result
