"""PGSTalker: the whole model, from what drives it to Gaussians in front of the camera."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from pgstalker.audio import CodeStream, create_features
from pgstalker.audio.features import quiet_features
from pgstalker.audio.gate import rested
from pgstalker.audio.streaming import code_stream
from pgstalker.gaussians.cloud import GaussianCloud
from pgstalker.gaussians.transforms import quaternion_from_matrix, quaternion_product, view_of
from pgstalker.models.audio_encoder import DROPOUT, AudioEncoder, neighbours
from pgstalker.models.branches import FaceBranch, MouthBranch, Moved
from pgstalker.models.calibration import Calibration
from pgstalker.models.config import TalkerConfig
from pgstalker.models.layout import EMBEDDING, EMBEDDING_HIDDEN, EYES, POSE, POSE_LIMIT, pose_features
from pgstalker.models.mouth_code import MouthBasis
from pgstalker.models.torso import TorsoBranch
from pgstalker.rendering import rasterize, rasterize_frames
from pgstalker.types import Camera, Drive


@dataclass
class Controls:
    """A drive as the model takes it, T frames or one: rotation [T, 3, 3], translation [T, 3] cm, code [T, C],
    eyes [T, EYES], pose [T, 12] standardised, torso [T, 4]."""

    rotation: Tensor
    translation: Tensor
    code: Tensor
    eyes: Tensor
    pose: Tensor
    torso: Tensor

    @classmethod
    def stacked(cls, frames: list[Controls]) -> Controls:
        """Single frames as a batch."""
        return cls(*(torch.stack([getattr(one, name) for one in frames]) for name in cls.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.code)

    def __getitem__(self, frame: int | slice | list[int]) -> Controls:
        return Controls(*(getattr(self, name)[frame] for name in self.__dataclass_fields__))


@dataclass
class Splats:
    """Gaussians in camera space, ready to be rasterized, and the motion [..., M, 3] cm that led there; of one frame,
    or of a batch with a leading dimension, in which opacities [N] are common."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor
    motion: Tensor

    def scene(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.means, self.quats, self.scales, self.opacities, self.colors


@dataclass
class Still:
    """What place alone decides in the networks of face and mouth, per branch as its fusion's still()."""

    face: tuple[Tensor, ...]
    mouth: tuple[Tensor, ...]


class ControlEmbedding(nn.Module):
    """Mouth code and eyes to the control vector: the code itself beside a learned view of it, [..., C + 16]."""

    def __init__(self, code: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(code + EYES, EMBEDDING_HIDDEN), nn.ReLU(), nn.Linear(EMBEDDING_HIDDEN, EMBEDDING), nn.Tanh()
        )

    def forward(self, code: Tensor, eyes: Tensor) -> Tensor:
        return torch.cat([code, self.net(torch.cat([code, eyes], -1))], -1)


class Talker(nn.Module):
    """A person who talks. Everything that a frame needs is in state_dict()."""

    def __init__(self, config: TalkerConfig):
        super().__init__()
        self.config = config
        self.features = create_features(config.audio)
        counts, audio = config.counts, config.code_size + EMBEDDING
        self.embed = ControlEmbedding(config.code_size)
        self.face = FaceBranch(counts["face"], config.fusion, audio, EYES, config.resolution)
        self.mouth = MouthBranch(counts["mouth"], config.fusion, audio, EYES)
        self.torso = TorsoBranch(counts["torso"])
        self.hearing = AudioEncoder(
            self.features.channels,
            self.features.window,
            config.attention_frames,
            config.code_size,
            config.members,
            DROPOUT[config.audio_training],
        )
        self.calibration = Calibration(config.code_size)
        self.register_buffer("audio_statistics", torch.zeros(self.features.statistics_shape))
        self.register_buffer("pose_mean", torch.zeros(POSE))
        self.register_buffer("pose_scale", torch.ones(POSE))
        self.register_buffer("plate", torch.zeros(3, config.size, config.size))
        for name, shape in MouthBasis.shapes(config.code_size).items():
            self.register_buffer(f"mouth_{name}", torch.zeros(shape))

    # ---- what it is

    @property
    def size(self) -> int:
        return self.config.size

    @property
    def camera(self) -> Camera:
        return self.config.camera

    @property
    def device(self) -> torch.device:
        return self.plate.device

    @property
    def clouds(self) -> dict[str, GaussianCloud]:
        return {"face": self.face.cloud, "mouth": self.mouth.cloud, "torso": self.torso.cloud}

    @property
    def mouth_basis(self) -> MouthBasis:
        return MouthBasis(
            **{
                name: getattr(self, f"mouth_{name}").cpu().numpy().astype(np.float64)
                for name in MouthBasis.shapes(self.config.code_size)
            }
        )

    @mouth_basis.setter
    def mouth_basis(self, basis: MouthBasis) -> None:
        for name, value in basis.to_arrays().items():
            getattr(self, f"mouth_{name}").copy_(torch.as_tensor(value))

    def count_gaussians(self) -> None:
        """Write the clouds' sizes into the configuration, after density control."""
        self.config = replace(self.config, counts={name: len(cloud) for name, cloud in self.clouds.items()})

    def canonical(self) -> dict[str, np.ndarray]:
        """The head at rest: means [N, 3] cm (head frame), quats, scales (cm), opacities, colors."""
        clouds = (self.face.cloud, self.mouth.cloud)
        names = ("means", "quats", "scales", "opacities", "colors")
        return {name: torch.cat([getattr(c, name) for c in clouds]).detach().cpu().numpy() for name in names}

    # ---- hearing

    def hear(self, samples: np.ndarray, frames: int, own_recording: bool = False) -> np.ndarray:
        """Audio features [frames, window, channels] of samples [S] float32, 16 kHz mono.

        Normalised by this recording's own statistics, so that another voice or level drives the mouth; own_recording
        takes those of the training recording instead.
        """
        trained = self.audio_statistics.cpu().numpy()
        statistics = trained if own_recording else self.features.adapt(samples, trained)
        return self.features.extract(samples, frames, statistics)

    def listen(self, own_recording: bool = False) -> CodeStream:
        """A stream that takes sound in chunks and gives mouth codes. Raises ConfigError where the features cannot."""
        config, trained = self.config, self.audio_statistics.cpu().numpy()
        return code_stream(config.audio, trained, self.code, config.attention_frames, own_recording)

    def code(self, features: np.ndarray, gate: np.ndarray | None = None) -> np.ndarray:
        """Mouth code [T, C] heard in features [T, window, channels]; at rest where the gate [T] is closed.

        Without two-stage training nothing taught what silence is, and the gate is left aside."""
        codes = self._code(features)
        if gate is None or self.config.audio_training == "end-to-end":
            return codes
        return rested(codes, self._code(quiet_features(self.features, self.audio_statistics.cpu().numpy()))[0], gate)

    @torch.no_grad()
    def _code(self, features: np.ndarray) -> np.ndarray:
        if not len(features):
            return np.zeros((0, self.config.code_size), np.float32)
        windows = neighbours(torch.as_tensor(features, device=self.device), self.config.attention_frames)
        was_training = self.hearing.training
        self.hearing.eval()
        code = torch.cat([self.heard(part) for part in windows.split(512)])
        self.hearing.train(was_training)
        return code.cpu().numpy()

    def heard(self, windows: Tensor) -> Tensor:
        """Windows with their neighbours [B, F, W, C] -> code [B, C], differentiable."""
        code = self.hearing(windows).mean(0)
        return torch.tanh(code) if self.config.audio_training == "end-to-end" else self.calibration(code)

    # ---- driving

    pose_features = staticmethod(pose_features)

    def controls(self, drive: Drive) -> Controls:
        """A drive on this model's device, hearing and torso prediction done."""
        pose = torch.as_tensor(pose_features(drive.camera_from_head), dtype=torch.float32, device=self.device)
        pose = ((pose - self.pose_mean) / self.pose_scale).clamp(-POSE_LIMIT, POSE_LIMIT)
        code = drive.mouth_code
        if code is None:
            assert drive.audio is not None, "a drive has features to hear or a mouth code"
            code = self.code(drive.audio, drive.gate)
        matrix = torch.as_tensor(drive.camera_from_head, dtype=torch.float32, device=self.device)
        torso = self.torso.predict(pose) if drive.torso is None else torch.as_tensor(drive.torso, device=self.device)
        return Controls(
            rotation=matrix[:, :3, :3],
            translation=matrix[:, :3, 3],
            code=torch.as_tensor(code, dtype=torch.float32, device=self.device),
            eyes=torch.as_tensor(drive.eyes, dtype=torch.float32, device=self.device)[:, None],
            pose=pose,
            torso=torso.float(),
        )

    #   audio ─► AudioEncoder ─► mouth code ─┐
    #                                        ├─► embedding ─► a ──────────┐
    #   eyes ────────────────────────────────┘                            │
    #                                                                     ▼
    #   face Gaussians   x ─► tri-plane ─► p(x) ─► Gated Fusion(p, a, e) ─► head ─► dx, dr, ds ─┐
    #   mouth Gaussians  x ─► tri-plane ─► p(x) ─► Gated Fusion(p, a, e) ─► head ─► dx ─────────┤
    #                                                                     head pose [R | t] ────┤
    #   torso Gaussians  x ─► tracked similarity + residual(x, pose) ───────────────────────────┤
    #                                                                                           ▼
    #                                        one depth-sorted splatting pass over the background plate ─► frame
    def forward(self, control: Controls, is_static: bool = False, still: Still | None = None) -> Splats:
        """Gaussians of one frame, or of a batch of controls [B, ...], in camera space.

        is_static leaves out all deformation (the first training stage); still: of before, where it is kept."""
        frames = control.code.shape[:-1]
        if is_static:
            face, mouth = _at_rest(self.face.cloud, frames), _at_rest(self.mouth.cloud, frames)
        else:
            a = self.embed(control.code, control.eyes)
            face = self.face(a, control.eyes, still and still.face)
            mouth = self.mouth(a, control.eyes, still and still.mouth)
        with torch.autocast(self.device.type, enabled=False):  # places need all their digits
            turn = quaternion_from_matrix(control.rotation).unsqueeze(-2)
            head = torch.cat([face.means, mouth.means], -2) @ control.rotation.mT + control.translation.unsqueeze(-2)
            means = [head]
            quats = [quaternion_product(turn, torch.cat([face.quats, mouth.quats], -2))]
            view = view_of(control.rotation, control.translation)
            colors = torch.cat([cloud.colors_from(view) for cloud in self._drawn()], -2)
        scales = [face.scales, mouth.scales]
        if self.config.torso == "rendered":
            torso = self.torso(control.pose, control.torso, self.config.focal_px / self.config.size)
            means, quats, scales = [*means, torso[0]], [*quats, torso[1]], [*scales, torso[2]]
        return Splats(
            means=torch.cat(means, -2),
            quats=torch.cat(quats, -2),
            scales=torch.cat(scales, -2),
            opacities=self.opacities(),
            colors=colors,
            motion=torch.cat([face.motion, mouth.motion], -2),
        )

    def _drawn(self) -> list[GaussianCloud]:
        return [cloud for name, cloud in self.clouds.items() if name != "torso" or self.config.torso == "rendered"]

    def opacities(self) -> Tensor:
        """[N] of all that is drawn, in the order of forward()."""
        return torch.cat([cloud.opacities for cloud in self._drawn()])

    def still(self) -> Still:
        """The share of the networks that no frame changes; good until a parameter does."""
        return Still(self.face.still(), self.mouth.still())

    def draw(self, control: Controls, background: Tensor | None = None, is_static: bool = False, backend: str = "auto"):
        """One frame as a differentiable Rendering over `background` [3, H, W] (default: the plate), and its Splats.

        Of a batch of controls the Renderings, in a list; background may then be [B, 3, H, W]."""
        splats: Splats = self(control, is_static)
        background = self.plate if background is None else background
        camera, size = torch.as_tensor(self.camera.matrix(), dtype=torch.float32), self.size
        rasterizer = rasterize if splats.means.ndim == 2 else rasterize_frames
        return rasterizer(*splats.scene(), camera, size, size, background=background, backend=backend), splats

    def render(
        self,
        drive: Drive,
        *,
        backgrounds: Iterator[np.ndarray] | None = None,
        backend: str = "auto",
        batch: int | None = None,
    ) -> Generator[np.ndarray, None, None]:
        """Frames [H, W, 3] uint8, one after the other. backgrounds: true torso frames for torso=gt avatars.

        batch: frames drawn together; without it BATCH on CUDA and 1 elsewhere, where more brings nothing."""
        from pgstalker.models.playing import play

        return play(self, self.controls(drive), backgrounds, backend, batch)


def _at_rest(cloud, frames: torch.Size) -> Moved:
    values = cloud.means, cloud.quats, cloud.scales, torch.zeros_like(cloud.means)
    return Moved(*(value.expand(*frames, -1, -1) for value in values))
