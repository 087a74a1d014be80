"""The exchange format of 3D Gaussian splatting: a binary little-endian .ply that the common viewers open.

One vertex per Gaussian: x y z, nx ny nz (zeros), f_dc_0..2 (colour as the constant spherical harmonic), opacity (its
logit), scale_0..2 (log), rot_0..3 (wxyz), as Kerbl et al. 2023 write it, without the higher harmonics.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pgstalker.errors import PgsError
from pgstalker.files import replacing

HARMONIC = 0.28209479177387814  # the constant harmonic, 1 / (2 sqrt(pi))
_PLACE, _NORMAL, _COLOR = ["x", "y", "z"], ["nx", "ny", "nz"], [f"f_dc_{k}" for k in range(3)]
_SCALE, _ROTATION = [f"scale_{k}" for k in range(3)], [f"rot_{k}" for k in range(4)]
_FIELDS = [*_PLACE, *_NORMAL, *_COLOR, "opacity", *_SCALE, *_ROTATION]
_TYPES = {
    "char": "i1", "uchar": "u1", "short": "<i2", "ushort": "<u2", "int": "<i4", "uint": "<u4", "float": "<f4",
    "double": "<f8", "int8": "i1", "uint8": "u1", "int16": "<i2", "uint16": "<u2", "int32": "<i4", "uint32": "<u4",
    "float32": "<f4", "float64": "<f8",
}  # fmt: skip
_LONGEST_HEADER = 65_536
_LEAST = 1e-7  # keeps logarithms finite


def write_ply(path, *, means, quats, scales, opacities, colors) -> None:
    """Write N Gaussians; the file appears when complete.

    means [N, 3] in the scene's unit, quats [N, 4] wxyz of any norm, scales [N, 3] > 0 (linear), opacities [N] in
    (0, 1), colors [N, 3] RGB; arrays or CPU tensors.
    """
    means, quats, colors = (np.asarray(a, np.float64) for a in (means, quats, colors))
    scales = np.maximum(np.asarray(scales, np.float64), _LEAST)
    opacities = np.clip(np.asarray(opacities, np.float64), _LEAST, 1 - _LEAST)
    vertices = np.zeros((len(means), len(_FIELDS)), "<f4")
    vertices[:, 0:3] = means
    vertices[:, 6:9] = (colors - 0.5) / HARMONIC
    vertices[:, 9] = np.log(opacities / (1 - opacities))
    vertices[:, 10:13] = np.log(scales)
    vertices[:, 13:17] = quats
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(means)}"]
    header += [f"property float {name}" for name in _FIELDS]
    with replacing(path) as temporary:
        temporary.write_bytes("\n".join([*header, "end_header\n"]).encode("ascii") + vertices.tobytes())


def read_ply(path) -> dict[str, np.ndarray]:
    """Read such a file: float32 arrays by the names and in the ranges that write_ply takes.

    Further properties (higher harmonics, normals) are skipped. Raises PgsError, naming the file and what is wrong.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PgsError(f"cannot read {path}: {error.strerror}") from error
    count, layout, start = _read_header(path, data)
    needed = [*_PLACE, *_COLOR, "opacity", *_SCALE, *_ROTATION]
    missing = [name for name in needed if name not in (layout.names or ())]
    if missing:
        raise PgsError(f"{path} is no Gaussian splat: it has no vertex property {', '.join(missing)}")
    expected = count * layout.itemsize
    if len(data) - start < expected:
        raise PgsError(f"{path} is cut short: {len(data) - start} bytes of {expected}; copy it again")
    vertices = np.frombuffer(data, layout, count, start)

    def columns(names: list[str]) -> np.ndarray:
        return np.stack([vertices[name].astype(np.float32) for name in names], -1)

    gaussians = {
        "means": columns(_PLACE),
        "quats": columns(_ROTATION),
        "scales": np.exp(columns(_SCALE)),
        "opacities": 1 / (1 + np.exp(-vertices["opacity"].astype(np.float32))),
        "colors": columns(_COLOR) * np.float32(HARMONIC) + np.float32(0.5),
    }
    for name, values in gaussians.items():
        if not np.isfinite(values).all():
            raise PgsError(f"{path} is damaged: its {name} are not all finite numbers")
    return gaussians


def _read_header(path: Path, data: bytes) -> tuple[int, np.dtype, int]:
    """(number of vertices, layout of one, where they start)."""
    end = data.find(b"end_header\n", 0, _LONGEST_HEADER)
    if not data.startswith(b"ply") or end < 0:
        raise PgsError(f"{path} is not a .ply file")
    lines = data[:end].decode("ascii", "replace").split("\n")
    if "format binary_little_endian 1.0" not in lines:
        raise PgsError(f"{path} is not binary little-endian: save it in that form")
    elements = [line.split() for line in lines if line.startswith("element ")]
    if len(elements) != 1 or elements[0][1:2] != ["vertex"] or not elements[0][-1].isdigit():
        raise PgsError(f"{path} is no Gaussian splat: it should hold vertices and nothing else")
    properties = [line.split() for line in lines if line.startswith("property ")]
    if any(len(p) != 3 or p[1] not in _TYPES for p in properties) or len({p[-1] for p in properties}) < len(properties):
        raise PgsError(f"{path} has vertex properties of a kind that splats have not (lists, or names twice)")
    return int(elements[0][2]), np.dtype([(name, _TYPES[kind]) for _, kind, name in properties]), end + 11
