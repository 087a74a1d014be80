"""An avatar played on the CPU: the torch-free twin of models.talker.Talker.

once per avatar     tri-plane features, spatial halves of gate and first layer, opacities, scales, colours
once per drive      hearing, mouth code, embedding, head pose features, torso motion
each frame          numba_network.move ─► project, order, bin, blend (rendering) ─► uint8
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pgstalker.audio import CodeStream, create_features
from pgstalker.audio.features import quiet_features
from pgstalker.audio.gate import rested
from pgstalker.audio.streaming import code_stream
from pgstalker.errors import ConfigError
from pgstalker.gaussians import MAX_OPACITY
from pgstalker.models import layout
from pgstalker.models.config import TalkerConfig
from pgstalker.models.mouth_code import MouthBasis
from pgstalker.types import TORSO_MOTION, Camera, Drive

if TYPE_CHECKING:
    from pgstalker.models.talker import Talker
    from pgstalker.player.canvas import Canvas
    from pgstalker.player.stage import Stage

CHUNK = 256
"""Frames whose control vectors are made together."""
HEAD = ("face", "mouth")
REACH = {
    "face": np.repeat(
        np.array([layout.FACE_POSITION_CM, layout.FACE_ROTATION, layout.FACE_LOG_SCALE], np.float32), (3, 4, 3)
    ),
    "mouth": np.array(layout.MOUTH_POSITION_CM, np.float32),
}


@dataclass(frozen=True)
class Controls:
    """A drive as the networks take it, T frames: camera_from_head [T, 4, 4], code [T, C], eyes [T, EYES], pose
    [T, POSE] standardised, torso [T, TORSO_MOTION]; float32."""

    camera_from_head: np.ndarray
    code: np.ndarray
    eyes: np.ndarray
    pose: np.ndarray
    torso: np.ndarray

    def __len__(self) -> int:
        return len(self.code)

    def __getitem__(self, part: slice) -> Controls:
        return Controls(
            self.camera_from_head[part], self.code[part], self.eyes[part], self.pose[part], self.torso[part]
        )


class Player:
    """A person who talks. config: what the avatar is; state: its float32 tensors, named as layout.state_shapes says."""

    device = "cpu"

    def __init__(self, config: TalkerConfig, state: Mapping[str, np.ndarray]):
        self.config = config
        self.plays_baked = config.baked > 0
        self.features = create_features(config.audio)
        self._state = dict(state)

    def choose_bake(self, wish: str) -> None:
        """Play the baked form of the head ("on") or its networks ("off"). Raises ConfigError where nothing is baked."""
        if wish not in ("on", "off"):
            raise ConfigError(f"bake={wish} is unknown; use one of: on, off")
        if wish == "on" and not self.config.baked:
            raise ConfigError("bake=on: this avatar is not baked; run: python -m pgstalker bake AVATAR")
        self.plays_baked = wish == "on"
        for name in ("stage", "canvas"):
            self.__dict__.pop(name, None)

    def state_dict(self) -> dict[str, np.ndarray]:
        return dict(self._state)

    def twin(self) -> Talker:
        """The same avatar in torch, on the CPU: what this class is tested against."""
        import torch

        from pgstalker.models.talker import Talker

        talker = Talker(replace(self.config, baked=0))
        state = {name: value for name, value in self._state.items() if not name.startswith("bake.")}
        talker.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})
        return talker.eval().requires_grad_(False)

    # ---- what it is

    @property
    def size(self) -> int:
        return self.config.size

    @property
    def camera(self) -> Camera:
        return self.config.camera

    @property
    def plate(self) -> np.ndarray:
        """The background [3, H, W] in [0, 1]."""
        return self._state["plate"]

    @property
    def mouth_basis(self) -> MouthBasis:
        names = MouthBasis.shapes(self.config.code_size)
        return MouthBasis(**{name: self._state[f"mouth_{name}"].astype(np.float64) for name in names})

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches that are drawn."""
        return (*HEAD, "torso") if self.config.torso == "rendered" else HEAD

    def canonical(self) -> dict[str, np.ndarray]:
        """The head at rest: means [N, 3] cm (head frame), quats, scales (cm), opacities, colors."""
        parts = [self.cloud(name) for name in HEAD]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def cloud(self, branch: str) -> dict[str, np.ndarray]:
        """A branch at rest, activated: means, quats, colors, scales (cm), opacities."""
        raw = {name: self._state[f"{branch}.cloud.{name}"] for name in ("means", "quats", "colors")}
        logits = self._state[f"{branch}.cloud.opacity_logits"].astype(np.float64)
        opacities = (MAX_OPACITY / (1 + np.exp(-logits))).astype(np.float32)
        return raw | {"scales": np.exp(self._state[f"{branch}.cloud.log_scales"]), "opacities": opacities}

    # ---- hearing

    def hear(self, samples: np.ndarray, frames: int, own_recording: bool = False) -> np.ndarray:
        """Audio features [frames, window, channels] of samples [S] float32, 16 kHz mono; own_recording: normalised as
        the training recording was, not by this recording's own statistics."""
        trained = self._state["audio_statistics"]
        return self.features.extract(
            samples, frames, trained if own_recording else self.features.adapt(samples, trained)
        )

    def listen(self, own_recording: bool = False) -> CodeStream:
        """A stream that takes sound in chunks and gives mouth codes. Raises ConfigError where the features cannot."""
        config, trained = self.config, self._state["audio_statistics"]
        return code_stream(config.audio, trained, self.code, config.attention_frames, own_recording)

    def code(self, features: np.ndarray, gate: np.ndarray | None = None) -> np.ndarray:
        """Mouth code [T, C] heard in features [T, window, channels]; at rest where the gate [T] is closed."""
        from pgstalker.player.hearing import heard_code

        codes = heard_code(self.config, self._state, features)
        if gate is None or self.config.audio_training == "end-to-end":
            return codes
        quiet = quiet_features(self.features, self._state["audio_statistics"])
        return rested(codes, heard_code(self.config, self._state, quiet)[0], gate)

    # ---- driving

    def controls(self, drive: Drive) -> Controls:
        """A drive with hearing and torso prediction done."""
        state = self._state
        pose = layout.pose_features(drive.camera_from_head) - state["pose_mean"]
        pose = np.clip(pose / state["pose_scale"], -layout.POSE_LIMIT, layout.POSE_LIMIT).astype(np.float32)
        code, torso = drive.mouth_code, drive.torso
        if code is None:
            assert drive.audio is not None, "a drive has features to hear or a mouth code"
            code = self.code(drive.audio, drive.gate)
        if torso is None:
            torso = pose @ state["torso.from_pose"] * state["torso.motion_scale"] + state["torso.motion_mean"]
        return Controls(
            camera_from_head=drive.camera_from_head.astype(np.float32),
            code=np.asarray(code, np.float32),
            eyes=np.asarray(drive.eyes, np.float32)[:, None],
            pose=pose,
            torso=np.asarray(torso, np.float32),
        )

    def head_controls(self, code: np.ndarray, eyes: np.ndarray) -> list[np.ndarray]:
        """Control vectors [T, ...] of face and mouth for mouth code [T, C] and eyes [T, EYES]."""
        from pgstalker.player import networks

        if self.plays_baked:
            return [networks.baked_control(self._state, name, code, eyes) for name in HEAD]
        audio = networks.embed(self._state, code, eyes)
        return [networks.head_control(self.config, self._state, name, audio, eyes) for name in HEAD]

    def inputs(self, controls: Controls) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
        """Frame by frame, per branch that is drawn: poses [16] and control vectors, as Stage.move takes them."""
        from scipy.spatial.transform import Rotation

        from pgstalker.player import networks

        for start in range(0, len(controls), CHUNK):
            part = controls[start : start + CHUNK]
            vectors = self.head_controls(part.code, part.eyes)
            matrices = part.camera_from_head[:, :3]
            quaternions = Rotation.from_matrix(matrices[:, :, :3]).as_quat(canonical=True)[:, [3, 0, 1, 2]]
            columns = matrices[:, :, :3].reshape(-1, 9), matrices[:, :, 3], quaternions
            head = np.concatenate(columns, 1, dtype=np.float32)
            poses = [head, head]
            if "torso" in self.branches:
                vectors.append(networks.torso_control(self._state, part.pose, part.torso))
                affine = networks.torso_affine(self._state, part.torso, self.config.focal_px / self.size)
                still = np.tile(np.array([0, 0, 0, 1, 0, 0, 0], np.float32), (len(part), 1))
                poses.append(np.concatenate([affine.reshape(-1, 9), still], 1, dtype=np.float32))
            for frame in range(len(part)):
                yield [pose[frame] for pose in poses], [vector[frame] for vector in vectors]

    @cached_property
    def stage(self) -> Stage:
        """Everything static, computed when the first frame is drawn."""
        from pgstalker.player import networks
        from pgstalker.player.stage import Branch, Stage

        branches = []
        for name in self.branches:
            cloud = self.cloud(name)
            if name == "torso":
                network = networks.torso_network(self._state)
            elif self.plays_baked:
                network = networks.baked_network(self._state, name)
            else:
                network = networks.head_network(self.config, self._state, name, REACH[name])
            branches.append(Branch(network, cloud["means"], cloud["quats"], cloud["scales"], name != "torso"))
        return Stage(branches)

    @cached_property
    def canvas(self) -> Canvas:
        from pgstalker.player.canvas import Canvas

        clouds = [self.cloud(name) for name in self.branches]
        opacities, colors = (np.concatenate([cloud[name] for cloud in clouds]) for name in ("opacities", "colors"))
        shading = np.concatenate([self._state[f"{name}.cloud.shading"] for name in self.branches])
        return Canvas(self.camera, self.plate, opacities, colors, shading)

    def render(
        self,
        drive: Drive,
        *,
        backgrounds: Iterator[np.ndarray] | None = None,
        backend: str = "auto",
        batch: int | None = None,
    ) -> Generator[np.ndarray, None, None]:
        """Frames [H, W, 3] uint8, one after the other. backgrounds: true torso frames for torso=gt avatars.

        backend: auto or numba; reference draws with the plain torch twin. batch is Talker.render's: here each frame
        is drawn by all cores, and frames together would only come later."""
        if backend == "reference":
            yield from self.twin().render(drive, backgrounds=backgrounds, backend=backend, batch=batch)
            return
        if backend not in ("auto", "numba"):
            raise ConfigError(f"backend {backend} cannot draw on the CPU: use auto, numba or reference")
        from pgstalker.rendering.numba_runtime import kernel_lock

        self._warm_up()
        for poses, vectors in self.inputs(self.controls(drive)):
            background = None if backgrounds is None else next(backgrounds)
            with kernel_lock:  # several drives may be played at once, each in its own thread
                picture = self.canvas.draw(self.stage.move(poses, vectors), background, poses)
            yield picture

    def _warm_up(self) -> None:
        """Make every kernel that a frame may need, so that no frame is late; at once where that was done before."""
        from pgstalker.rendering.numba_runtime import compiling, kernel_lock

        if "canvas" in self.__dict__:
            return
        still = Controls(
            camera_from_head=np.eye(4, dtype=np.float32)[None],
            code=np.zeros((1, self.config.code_size), np.float32),
            eyes=np.zeros((1, layout.EYES), np.float32),
            pose=np.zeros((1, layout.POSE), np.float32),
            torso=np.zeros((1, TORSO_MOTION), np.float32),
        )
        poses, vectors = next(self.inputs(still))
        with kernel_lock, compiling("playing", "move"):
            for _ in range(2):
                self.canvas.draw(self.stage.move(poses, vectors), None, poses)
