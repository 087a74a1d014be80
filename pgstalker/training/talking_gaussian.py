"""How TalkingGaussian learns: the mouth, then the face, each still at first, then both together in colour."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgstalker.gaussians.density import DensityControl
from pgstalker.landmarks import LIPS_OUTER
from pgstalker.models.branches import Moved
from pgstalker.models.fusion import RegionAttentionFusion
from pgstalker.models.head import HeadShape, view_from
from pgstalker.models.talking_gaussian import TalkingGaussian
from pgstalker.presets import SHARES
from pgstalker.rendering import Rendering
from pgstalker.rendering.types import Scene
from pgstalker.training.losses import photometric
from pgstalker.training.perceptual import mouth_patch
from pgstalker.training.session import Session
from pgstalker.training.splatting import Attempt, Splatting, budget, fill, head_shape, initialiser, is_any
from pgstalker.types import Label

MOUTH_UNTIL, FACE_UNTIL = 5 / 11, 10 / 11
"""Of all steps: 50,000 of the mouth, 50,000 of the face, 10,000 of both."""
STATIC_UNTIL = 0.06
HAIR_UNTIL, HAIR_EVERY = 0.92, 7
"""Until then all but every seventh of the face's steps are blind to hair."""
SHARPEN_FROM = {"face": 0.94, "mouth": 0.98, "fuse": 0.5}
DENSITY_FROM, DENSITY_UNTIL, PAPER_DENSITY_UNTIL = 0.01, {"face": 0.88, "mouth": 0.9}, {"face": 0.98, "mouth": 0.9}
"""The paper leaves the face 1,000 steps after its last division; a fiftieth of a short run is too few."""
THRESHOLD = {"face": 5e-4, "mouth": 2e-4}
FAINT, FAINTER = 0.05, 0.25
DENSIFY_EVERY, SHRINK = 100, 1.6
ALPHA, ATTENTION, MOTION = 1e-3, 1e-4, 1e-5
FUSE_OPACITY, FUSE_COLOUR = 0.02, 0.18
"""Of those rates: 1e-3 for 0.05; and 2.5e-3 of the first spherical harmonic, which is 7e-4 of a colour."""
AVERAGE_FROM = {"mouth": 0.9, "face": 0.9, "fuse": 0.4}
"""Of a stage: from then on its weights are averaged, and the next stage begins with the average."""
LAST_POSITION_RATE, LAST_RATE = 0.01, 0.1
MOUTH_SHARE = 0.15
"""Of the initial Gaussians: it fills the whole rectangle of the lips."""
RANGE_EVERY, MOUTH_RANGE_EVERY = 15, 7
FEWEST_MOUTH_PX = 20
"""Of a 512 px picture: a frame with less to see of the mouth does not teach it."""
GREEN = (0.0, 1.0, 0.0)
"""What is behind a branch while it learns alone: nothing of a person has it."""
LEAST_PATCH, MOST_PATCH = 64, 96
HEAD = (Label.FACE, Label.HAIR, Label.LIPS, Label.EYES)


def build(session: Session, config: dict[str, Any] | None) -> TalkingGaussianLearner:
    """A learner at its start, or with a checkpoint's configuration one that is about to restore()."""
    if config is not None:
        return TalkingGaussianLearner(TalkingGaussian(HeadShape.read(config)), session, is_fresh=False)
    start, initial = initialiser(session), budget(session).initial
    clouds = {"face": start.face(round(initial * SHARES["face"])), "mouth": start.mouth(round(initial * MOUTH_SHARE))}
    model = TalkingGaussian(head_shape(session, {name: len(raw["means"]) for name, raw in clouds.items()}))
    for name, raw in clouds.items():
        fill(model.clouds[name], raw)
    low, high = start.mouth_box()
    model.mouth.place(torch.as_tensor(low).float(), torch.as_tensor(high).float())
    model.plate.copy_(torch.from_numpy(session.data.plate).permute(2, 0, 1))
    return TalkingGaussianLearner(model, session, is_fresh=True)


class TalkingGaussianLearner(Splatting):
    """The three runs of the paper's program, one after the other."""

    model: TalkingGaussian

    def __init__(self, model: TalkingGaussian, session: Session, is_fresh: bool):
        super().__init__(model, session, is_fresh)
        self.density_until = PAPER_DENSITY_UNTIL if session.options.preset == "paper" else DENSITY_UNTIL
        self.choice = FrameChoice(session)
        self.rectangles = lip_rectangles(session.data.landmarks, model.size)
        self.green = torch.tensor(GREEN, device=self.device)
        self.frame = 0

    @property
    def place(self) -> tuple[str, float]:
        """The branch that this step trains, and the share of its steps that are done."""
        share = self.step_number / self.steps
        if share < MOUTH_UNTIL:
            return "mouth", share / MOUTH_UNTIL
        if share < FACE_UNTIL:
            return "face", (share - MOUTH_UNTIL) / (FACE_UNTIL - MOUTH_UNTIL)
        return "fuse", (share - FACE_UNTIL) / (1 - FACE_UNTIL)

    def density_control(self, session: Session) -> DensityControl:
        cap = budget(session).cap
        return DensityControl("plain", cap, every=DENSIFY_EVERY, grow=1.0, shrink=SHRINK)

    def faintest(self) -> float:
        branch, share = self.place
        return FAINT + FAINTER * min(share / self.density_until[branch], 1.0)

    def rate(self, kind: str) -> float:
        branch, share = self.place
        if branch == "fuse":
            colour = FUSE_COLOUR * LAST_RATE**share
            return {"opacity_logits": FUSE_OPACITY, "colors": colour, "shading": colour}.get(kind, 1.0)
        return (LAST_POSITION_RATE if kind == "means" else LAST_RATE) ** share

    def settling(self) -> tuple[str, float] | None:
        branch, share = self.place
        stage = {"mouth": MOUTH_UNTIL, "face": FACE_UNTIL - MOUTH_UNTIL, "fuse": 1 - FACE_UNTIL}[branch]
        since = (share - AVERAGE_FROM[branch]) * stage * self.steps
        return (branch, since) if since >= 0 else None

    def unwanted(self, name: str) -> Tensor:
        """What is too large, and what took on the colour behind it, as this step's frame sees it."""
        red, green, blue = self.model.clouds[name].colors_from(view_from(self.poses[self.frame])).unbind(1)
        return super().unwanted(name) | ((red < 30 / 255) & (blue < 30 / 255) & (green > 225 / 255))

    # ---- the three stages

    def attempt(self, generator: torch.Generator) -> Attempt:
        branch, share = self.place
        frame = self.frame = self.choice.at(branch, share, self.step_number)
        if branch == "fuse":
            return self._fuse(frame, share, generator)
        self.density.threshold = THRESHOLD[branch]
        attempt = self._mouth if branch == "mouth" else self._face
        result = attempt(frame, share, generator)
        if not DENSITY_FROM <= share < self.density_until[branch]:
            result.watched = None
        return result

    def _mouth(self, frame: int, share: float, generator: torch.Generator) -> Attempt:
        """Inside the lips' rectangle the mouth's pixels count; what else lies there is left open, but filled."""
        is_static = share < STATIC_UNTIL
        moved = self._moved("mouth", frame, share, generator, is_static)[0]
        rendering = self.draw(self.model.scene("mouth", moved, self.poses[frame]), frame, self.green)
        seen, inside = self.labels(frame) == Label.MOUTH, self._inside_lips(frame)
        target = self._behind(self.data.picture(frame, self.device), seen)
        image = self._behind(rendering.image, ~(inside & ~seen))
        loss = photometric(image, target, self.everywhere) + ALPHA * _filled(rendering.alpha, inside)
        if share >= SHARPEN_FROM["mouth"] and self.perceptual is not None:
            box = self.data.mouth_boxes[frame]
            loss = loss + 0.5 * self.perceptual(mouth_patch(image, box), mouth_patch(target, box))
        return Attempt(_stage("mouth", is_static), frame, loss, image, target, ("mouth", rendering))

    def _face(self, frame: int, share: float, generator: torch.Generator) -> Attempt:
        """The head without the inside of its mouth, which stays a hole."""
        is_static = share < STATIC_UNTIL
        moved, still = self._moved("face", frame, share, generator, is_static)
        rendering = self.draw(self.model.scene("face", moved, self.poses[frame]), frame, self.green)
        labels = self.labels(frame)
        head, hair = is_any(labels, HEAD), labels == Label.HAIR
        is_blind_to_hair = not is_static and share < HAIR_UNTIL and self.step_number % HAIR_EVERY > 0
        target = self._behind(self.data.picture(frame, self.device), head & ~hair if is_blind_to_hair else head)
        # blind to the background too: else the hair's rim is pushed inwards six times for once that it is pulled out
        blind = hair | (labels == Label.BACKGROUND)
        image = self._behind(rendering.image, ~blind) if is_blind_to_hair else rendering.image
        loss = photometric(image, target, self.everywhere)
        if not is_static:
            loss = loss + ALPHA * _filled(rendering.alpha, head) + MOTION * self._effort(moved)
            loss = loss + self._attention(still, rendering, None if is_blind_to_hair else hair, frame)
        if share >= SHARPEN_FROM["face"] and self.perceptual is not None:
            box = self.data.mouth_boxes[frame]
            loss = loss + 0.2 * self._patch_distance(image, target, generator)
            loss = loss + 0.01 * self.perceptual(mouth_patch(image, box), mouth_patch(target, box))
        return Attempt(_stage("face", is_static), frame, loss, image, target, ("face", rendering))

    def _fuse(self, frame: int, share: float, generator: torch.Generator) -> Attempt:
        """Colours of both and the face's opacities, on the whole picture."""
        drawn, pose = {}, self.poses[frame]
        for branch in ("mouth", "face"):
            with torch.no_grad():
                scene = self.model.scene(branch, self._moved(branch, frame, 1.0, generator, False)[0], pose)
            cloud = self.model.clouds[branch]
            opacities = cloud.opacities if branch == "face" else scene.opacities
            scene = Scene(scene.means, scene.quats, scene.scales, opacities, cloud.colors_from(view_from(pose)))
            drawn[branch] = self.draw(scene, frame, None)
        target, image = self.data.picture(frame, self.device), self.torso(frame)
        for branch in ("mouth", "face"):
            image = drawn[branch].image + (1 - drawn[branch].alpha) * image
        loss = photometric(image, target, self.everywhere)
        if share >= SHARPEN_FROM["fuse"] and self.perceptual is not None:
            loss = loss + 0.5 * self._patch_distance(image, target, generator)
        return Attempt("fuse", frame, loss, image, target)

    # ---- parts

    def _moved(
        self, branch: str, frame: int, share: float, generator: torch.Generator, is_static: bool
    ) -> tuple[Moved, tuple[Tensor, ...] | None]:
        """A branch's Gaussians, and what place alone decides of their motion."""
        cloud = self.model.clouds[branch]
        if is_static:
            return Moved(cloud.means, cloud.quats, cloud.scales, torch.zeros_like(cloud.means)), None
        moment = self.moment(branch, frame, share, generator)
        fusion = self.model.face.fusion
        keeps = branch == "face" and isinstance(fusion, RegionAttentionFusion)  # others have a faster way without it
        still = self.model.face.still() if keeps else None
        return self.model.moved(branch, moment, still), still

    def _behind(self, picture: Tensor, kept: Tensor) -> Tensor:
        """[3, H, W]: the picture where kept [H, W], green elsewhere."""
        return torch.where(kept, picture, self.green[:, None, None])

    def _inside_lips(self, frame: int) -> Tensor:
        top, bottom, left, right = self.rectangles[frame]
        inside = torch.zeros(self.model.size, self.model.size, dtype=torch.bool, device=self.device)
        inside[top:bottom, left:right] = True
        return inside

    def _effort(self, moved: Moved) -> Tensor:
        """Mean absolute change of place (m), rotation and scale."""
        cloud = self.model.face.cloud
        stretch = moved.scales.log() - cloud.log_scales
        return moved.motion.abs().mean() / 100 + (moved.quats - cloud.quats).abs().mean() + stretch.abs().mean()

    def _attention(
        self, still: tuple[Tensor, ...] | None, rendering: Rendering, hair: Tensor | None, frame: int
    ) -> Tensor:
        """How much eyes are attended to at the lips, and anything in the hair: what would be drawn there.

        The paper splats the attention like a colour, its geometry detached; the mean over a region of that picture is
        attention times each Gaussian's mass in the region, which needs no second picture."""
        if still is None:
            return torch.zeros((), device=self.device)
        attention = still[1]
        to_audio, to_eyes = attention[:, :-1].norm(dim=1), attention[:, -1].abs()
        lips = self._inside_lips(frame).float()
        total = (rendering.mass(lips) @ to_eyes) / lips.sum()
        if hair is not None and hair.any():
            total = total + (rendering.mass(hair.float()) @ (to_audio + to_eyes)) / hair.sum()
        return ATTENTION * total

    def _patch_distance(self, image: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
        """LPIPS of a random patch."""
        most = min(MOST_PATCH, self.model.size)
        side = int(torch.randint(min(LEAST_PATCH, most), most + 1, (), generator=generator))
        top, left = torch.randint(0, self.model.size - side + 1, (2,), generator=generator).tolist()
        patch = slice(top, top + side), slice(left, left + side)
        return self.perceptual(image[:, *patch], target[:, *patch])


class FrameChoice:
    """Which frame a step trains on: usually the next of a permutation, now and then one out of a range of motion.

    Where no frame lies in the range, the nearest to it does."""

    def __init__(self, session: Session):
        data, self.seed = session.data, session.options.seed
        self.usable = np.flatnonzero(data.valid)
        self.aperture, self.closure = data.aperture, data.drive.eyes
        shown = np.array([(data.labels[frame] == Label.MOUTH).sum() for frame in self.usable])
        with_mouth = self.usable[shown >= FEWEST_MOUTH_PX * (session.options.size / 512) ** 2]
        self.with_mouth = with_mouth if len(with_mouth) else self.usable

    def at(self, branch: str, share: float, step: int) -> int:
        pool = self._pool(branch, share, step)
        epoch, place = divmod(step, len(pool))
        return int(np.random.default_rng((self.seed, 5, epoch)).permutation(pool)[place])

    def _pool(self, branch: str, share: float, step: int) -> np.ndarray:
        if branch == "mouth":
            track = self.aperture[self.with_mouth]
            low, high = track.min(), track.max()
            if share < STATIC_UNTIL:
                return within(self.with_mouth, self.aperture, float(np.quantile(track, 0.95)), high)
            if step % MOUTH_RANGE_EVERY == 0:
                return within(self.with_mouth, self.aperture, high - share * (high - low), high)
            return self.with_mouth
        if branch == "face" and step % RANGE_EVERY == 0:
            if share < STATIC_UNTIL:
                low, high = self.aperture[self.usable].min(), self.aperture[self.usable].max()
                start = low + 0.8 * (high - low) * share / STATIC_UNTIL
                return within(self.usable, self.aperture, start, start + 0.2 * (high - low))
            if share < 0.8:
                return within(self.usable, self.closure, share / 0.8 - 0.15, share / 0.8 + 0.3)
        return self.usable


def within(frames: np.ndarray, track: np.ndarray, low: float, high: float) -> np.ndarray:
    """The frames whose value lies in [low, high], or the one that comes nearest."""
    inside = frames[(track[frames] >= low) & (track[frames] <= high)]
    return inside if len(inside) else frames[[np.abs(track[frames] - (low + high) / 2).argmin()]]


def lip_rectangles(landmarks: np.ndarray, side: int) -> np.ndarray:
    """Squares round the lips [T, 4] int (top, bottom, left, right), inside the picture and at least 2 px a side."""
    lips = landmarks[:, LIPS_OUTER, :2]
    low, high = lips.min(1), lips.max(1)
    half = (high - low).max(1, keepdims=True) / 2
    centre = (low + high) / 2
    start = np.clip(centre - half, 0, side - 2).astype(int)
    end = np.maximum(np.clip(np.ceil(centre + half), 2, side).astype(int), start + 2)
    return np.stack([start[:, 1], end[:, 1], start[:, 0], end[:, 0]], 1)


def _filled(alpha: Tensor, region: Tensor) -> Tensor:
    """Mean light let through where the region [H, W] is, and kept where it is not."""
    return torch.where(region, 1 - alpha, alpha).mean()


def _stage(branch: str, is_static: bool) -> str:
    return f"{branch}-static" if is_static else branch
