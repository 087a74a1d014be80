"""How GaussianTalker learns: a still head from tri-plane features (coarse), then what attention adds (fine)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgstalker.gaussians import MAX_OPACITY
from pgstalker.gaussians.density import DensityControl
from pgstalker.models.gaussian_talker import GaussianTalker
from pgstalker.models.head import HeadShape
from pgstalker.presets import SHARES
from pgstalker.training.losses import photometric, small_motion
from pgstalker.training.perceptual import mouth_patch
from pgstalker.training.session import Session
from pgstalker.training.splatting import Attempt, Splatting, budget, fill, head_shape, initialiser, is_any
from pgstalker.types import Label

COARSE_UNTIL = 0.15
DENSITY_FROM = 0.02
DENSIFY_ROUNDS = 8
THRESHOLD, FAINT, SHRINK = 1e-3, 0.005, 1.6
LIPS, HEAD_ALPHA, PERCEPTUAL = 0.4, 0.4, 0.01
LAST_RATE = 0.1
AVERAGE_FROM = 0.6
HEAD = (Label.FACE, Label.HAIR, Label.LIPS, Label.MOUTH, Label.EYES)


def build(session: Session, config: dict[str, Any] | None) -> GaussianTalkerLearner:
    """A learner at its start, or with a checkpoint's configuration one that is about to restore()."""
    if config is not None:
        return GaussianTalkerLearner(GaussianTalker(HeadShape.read(config)), session, is_fresh=False)
    start, initial = initialiser(session), budget(session).initial
    parts = [start.face(round(initial * SHARES["face"])), start.mouth(round(initial * SHARES["mouth"]))]
    model = GaussianTalker(head_shape(session, {"head": sum(len(part["means"]) for part in parts)}))
    fill(model.cloud, *parts)
    model.plate.copy_(torch.from_numpy(session.data.plate).permute(2, 0, 1))
    poses = torch.as_tensor(session.data.drive.camera_from_head[:, :3], dtype=torch.float32).flatten(1)
    model.camera_mean.copy_(poses.mean(0))
    model.camera_scale.copy_(poses.std(0) + 1e-4)
    return GaussianTalkerLearner(model, session, is_fresh=True)


class GaussianTalkerLearner(Splatting):
    """One cloud over the true torso: coarse, then fine."""

    model: GaussianTalker

    @property
    def share(self) -> float:
        return self.step_number / self.steps

    def density_control(self, session: Session) -> DensityControl:
        """The rule and its threshold; as many rounds as fit the coarse stage, at most one in a hundred steps."""
        every = max(1, min(100, round(session.options.steps * COARSE_UNTIL / DENSIFY_ROUNDS)))
        rule, cap = session.switches["density"], budget(session).cap
        return DensityControl(rule, cap, every=every, grow=1.0, threshold=THRESHOLD, shrink=SHRINK)

    def faintest(self) -> float:
        return FAINT

    def settling(self) -> tuple[str, float] | None:
        since = (self.share - AVERAGE_FROM) * self.steps
        return ("fine", since) if since >= 0 else None

    def rate(self, kind: str) -> float:
        return (LAST_RATE**2 if kind == "means" else LAST_RATE) ** self.share

    def opacities(self, name: str) -> Tensor:
        logits, _ = self.model.canonical(self.model.features())
        return torch.sigmoid(logits) * MAX_OPACITY

    def attempt(self, generator: torch.Generator) -> Attempt:
        model, share = self.model, self.share
        frame = self.data.frame_at(self.step_number, self.seed)
        is_coarse = share < COARSE_UNTIL
        loss = torch.zeros((), device=self.device)
        if is_coarse:
            scene = model.coarse(self.poses[frame])
        else:
            scene, motion = model.deformed(self.moment("head", frame, share, generator), model.still())
            loss = small_motion(motion)
        rendering = self.draw(scene, frame, self.torso(frame))
        target = self.data.picture(frame, self.device)
        loss = loss + self._error(rendering.image, target, frame) + HEAD_ALPHA * self._uncovered(rendering.alpha, frame)
        watched = ("head", rendering) if is_coarse and share >= DENSITY_FROM else None
        return Attempt("coarse" if is_coarse else "fine", frame, loss, rendering.image, target, watched)

    def _error(self, image: Tensor, target: Tensor, frame: int) -> Tensor:
        """0.8 L1 + 0.2 (1 - SSIM), the L1 of the lips once more, and LPIPS where it is there."""
        box = self.data.mouth_boxes[frame]
        top, bottom, left, right = box
        lips = slice(top, bottom), slice(left, right)
        loss = 0.8 * photometric(image, target, self.everywhere, 0.25)
        loss = loss + LIPS * (image[:, *lips] - target[:, *lips]).abs().mean()
        if self.perceptual is None:
            return loss
        return loss + PERCEPTUAL * self.perceptual(mouth_patch(image, box), mouth_patch(target, box))

    def _uncovered(self, alpha: Tensor, frame: int) -> Tensor:
        """Mean difference of what the Gaussians cover from the head's mask."""
        return (alpha - is_any(self.labels(frame), HEAD).float()).abs().mean()
