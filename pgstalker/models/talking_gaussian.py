"""TalkingGaussian (Li et al., ECCV 2024): face and inside-mouth branches, drawn one over the other."""

from __future__ import annotations

from torch import Tensor

from pgstalker.gaussians.cloud import GaussianCloud
from pgstalker.models.branches import FaceBranch, MouthBranch, Moved
from pgstalker.models.head import HeadShape, Moment, TorsolessHead, view_from
from pgstalker.models.layout import EYES
from pgstalker.rendering.types import Scene

CODE, ATTENTION_FRAMES = 32, 8
RESOLUTION = 40
"""Of the face's tri-plane: the finest of the paper's twelve levels has 39 cells a side."""
Still = dict[str, tuple[Tensor, ...]]


class TalkingGaussian(TorsolessHead):
    """I = face + (1 - A_face) (mouth + (1 - A_mouth) (true torso over background))."""

    def __init__(self, shape: HeadShape):
        super().__init__(shape, CODE, ATTENTION_FRAMES, ("face", "mouth"))
        code = self.ears["face"].size
        self.face = FaceBranch(shape.counts["face"], shape.fusion, code, EYES, RESOLUTION)
        self.mouth = MouthBranch(shape.counts["mouth"], "concat", code, 0)  # neither attention nor eyes, as the paper's

    @property
    def clouds(self) -> dict[str, GaussianCloud]:
        return {"face": self.face.cloud, "mouth": self.mouth.cloud}

    def still(self) -> Still:
        return {"face": self.face.still(), "mouth": self.mouth.still()}

    def moved(self, branch: str, moment: Moment, still: tuple[Tensor, ...] | None) -> Moved:
        """The Gaussians of "face" or "mouth" in one frame; still: what still() gave for it, where it is kept."""
        if branch == "face":
            return self.face(moment.codes["face"], moment.eyes, still)
        return self.mouth(moment.codes["mouth"], moment.eyes[:0], still)

    def scene(self, branch: str, moved: Moved, camera_from_head: Tensor) -> Scene:
        """A branch's Gaussians, moved, in their colours as a pose [4, 4] shows them."""
        cloud = self.clouds[branch]
        colors = cloud.colors_from(view_from(camera_from_head))
        return Scene(moved.means, moved.quats, moved.scales, cloud.opacities, colors)

    def layers(self, moment: Moment, still: Still) -> list[Scene]:
        return [
            self.scene(branch, self.moved(branch, moment, still[branch]), moment.camera_from_head)
            for branch in ("mouth", "face")
        ]
