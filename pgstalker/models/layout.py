"""What an avatar's tensors are called and how large they are, and the numbers that the model and its player share.

No torch in here: the player on the CPU reads the same files without it.
"""

from __future__ import annotations

import numpy as np

from pgstalker.models.config import TalkerConfig
from pgstalker.models.mouth_code import MouthBasis
from pgstalker.types import TORSO_MOTION

HIDDEN = 64
"""Channels of the fused features and of the deformation head."""
EYES = 1
EMBEDDING, EMBEDDING_HIDDEN = 16, 32
ATTEND_AUDIO, ATTEND_EYES = 32, 16
"""Hidden channels of region attention."""

FACE_POSITION_CM, FACE_ROTATION, FACE_LOG_SCALE = 1.5, 0.6, 0.9
"""What a deformation of 1 means for a Gaussian of the face."""
FACE_OUTPUTS, FACE_CHANNELS = 10, 12
MOUTH_POSITION_CM = (0.5, 1.5, 0.5)
MOUTH_OUTPUTS, MOUTH_CHANNELS, MOUTH_RESOLUTION = 3, 8, 24

POSE = 12
POSE_LIMIT = 2.5
TORSO_REACH_CM = 0.5
TORSO_HIDDEN = 32
SMOOTHING_FRAMES = 6

WIDTH, FEATURE = 24, 32
"""Channels of the audio encoder's convolutions, and of its feature of one frame."""
KNOTS = 17
"""Of the calibration's piecewise linear map."""

BAKE_FEATURES, BAKED_MOST = 512, 256
BASIS = ".basis"
"""The end of the names of the tensors that are stored in half precision."""

Shapes = dict[str, tuple[int, ...]]


def pose_features(camera_from_head: np.ndarray) -> np.ndarray:
    """Head pose [T, 12]: rotation vector and translation (cm), then the same smoothed; not standardised."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_matrix(camera_from_head[:, :3, :3]).as_rotvec()
    pose = np.column_stack([turn, camera_from_head[:, :3, 3]])
    return np.column_stack([pose, gaussian_filter1d(pose, SMOOTHING_FRAMES, axis=0)])


def state_shapes(config: TalkerConfig) -> Shapes:
    """Name and shape of every tensor of an avatar: those of Talker(config).state_dict()."""
    from pgstalker.audio import create_features

    features, code = create_features(config.audio), config.code_size
    audio = code + EMBEDDING
    shapes: Shapes = {
        "audio_statistics": features.statistics_shape,
        "pose_mean": (POSE,),
        "pose_scale": (POSE,),
        "plate": (3, config.size, config.size),
        "calibration.heard": (code, KNOTS),
        "calibration.true": (code, KNOTS),
    }
    shapes |= {f"mouth_{name}": shape for name, shape in MouthBasis.shapes(code).items()}
    shapes |= _linear("embed.net.0", code + EYES, EMBEDDING_HIDDEN) | _linear(
        "embed.net.2", EMBEDDING_HIDDEN, EMBEDDING
    )
    face = FACE_CHANNELS, config.resolution, FACE_OUTPUTS
    mouth = MOUTH_CHANNELS, MOUTH_RESOLUTION, MOUTH_OUTPUTS
    for name, (channels, resolution, outputs) in (("face", face), ("mouth", mouth)):
        shapes |= _cloud(name, config.counts[name])
        shapes |= {f"{name}.triplane.low": (3,), f"{name}.triplane.high": (3,)}
        shapes |= {f"{name}.triplane.planes": (3, resolution, resolution, channels)}
        shapes |= _fusion(f"{name}.fusion", config.fusion, 3 * channels, audio) | _head(f"{name}.head", outputs)
    if config.baked:
        shapes |= _bake(config)
    return shapes | _torso(config.counts["torso"]) | _hearing(config, features.channels, features.window)


def _linear(name: str, inputs: int, outputs: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outputs, inputs)} | ({f"{name}.bias": (outputs,)} if bias else {})


def _cloud(branch: str, count: int) -> Shapes:
    columns = {"means": (3,), "log_scales": (3,), "quats": (4,), "opacity_logits": (), "colors": (3,)}
    columns["shading"] = 2, 3
    return {f"{branch}.cloud.{name}": (count, *shape) for name, shape in columns.items()}


def _fusion(name: str, kind: str, spatial: int, audio: int) -> Shapes:
    if kind == "gated":
        shapes = _linear(f"{name}.spatial", spatial, HIDDEN) | _linear(f"{name}.audio", audio, HIDDEN)
        shapes |= _linear(f"{name}.eyes", EYES, HIDDEN, bias=False) | _linear(f"{name}.gate_spatial", spatial, HIDDEN)
        return shapes | _linear(f"{name}.gate_control", audio + EYES, HIDDEN, bias=False)
    if kind == "concat":
        return _linear(f"{name}.spatial", spatial, HIDDEN) | _linear(
            f"{name}.control", audio + EYES, HIDDEN, bias=False
        )
    shapes = _linear(f"{name}.attend_audio.0", spatial, ATTEND_AUDIO)
    shapes |= _linear(f"{name}.attend_audio.2", ATTEND_AUDIO, audio)
    shapes |= _linear(f"{name}.attend_eyes.0", spatial, ATTEND_EYES)
    shapes |= _linear(f"{name}.attend_eyes.2", ATTEND_EYES, EYES)
    return shapes | _linear(f"{name}.fuse", spatial + audio + EYES, HIDDEN)


def _head(name: str, outputs: int) -> Shapes:
    shapes = _linear(f"{name}.straight", HIDDEN, outputs, bias=False) | _linear(f"{name}.hidden", HIDDEN, HIDDEN)
    return shapes | _linear(f"{name}.out", HIDDEN, outputs)


def _torso(count: int) -> Shapes:
    shapes = _cloud("torso", count) | {"torso.centre": (3,), "torso.from_pose": (POSE, TORSO_MOTION)}
    shapes |= {"torso.motion_mean": (TORSO_MOTION,), "torso.motion_scale": (TORSO_MOTION,)}
    shapes |= _linear("torso.residual.0", 6 + POSE + TORSO_MOTION, TORSO_HIDDEN)
    shapes |= _linear("torso.residual.2", TORSO_HIDDEN, TORSO_HIDDEN)
    return shapes | _linear("torso.residual.4", TORSO_HIDDEN, 3)


def _bake(config: TalkerConfig) -> Shapes:
    inputs = config.code_size + EYES
    shapes: Shapes = {"bake.weight": (BAKE_FEATURES, inputs), "bake.bias": (BAKE_FEATURES,)}
    for branch, outputs in (("face", FACE_OUTPUTS), ("mouth", MOUTH_OUTPUTS)):
        shapes[f"bake.{branch}.coefficients"] = 1 + inputs + BAKE_FEATURES, config.baked
        shapes[f"bake.{branch}{BASIS}"] = config.counts[branch], config.baked, outputs
    return shapes


def _hearing(config: TalkerConfig, channels: int, window: int) -> Shapes:
    members, steps = config.members, (window + 3) // 4
    shapes: Shapes = {"hearing.position": (members, 1, config.attention_frames)}
    for name, inputs in (("narrow", channels), ("narrower", WIDTH)):
        shapes[f"hearing.{name}.weight"] = members * WIDTH, inputs, 3
        shapes[f"hearing.{name}.bias"] = (members * WIDTH,)
    layers = (("feature", WIDTH * steps, FEATURE), ("score", FEATURE, 1), ("code", FEATURE, config.code_size))
    for name, inputs, outputs in layers:
        shapes[f"hearing.{name}.weight"] = members, inputs, outputs
        shapes[f"hearing.{name}.bias"] = members, 1, outputs
    return shapes
