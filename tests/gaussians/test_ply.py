"""The .ply: what is written comes back, and what is damaged is named."""

import numpy as np
import pytest

from pgstalker.errors import PgsError
from pgstalker.gaussians.ply import read_ply, write_ply


def gaussians(count: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "means": rng.normal(size=(count, 3)) * 10,
        "quats": rng.normal(size=(count, 4)),
        "scales": rng.uniform(0.01, 3, (count, 3)),
        "opacities": rng.uniform(0.01, 0.99, count),
        "colors": rng.uniform(-0.1, 1.1, (count, 3)),
    }


@pytest.mark.parametrize("count", [0, 7])
def test_there_and_back(tmp_path, count):
    written = gaussians(count)
    write_ply(tmp_path / "head.ply", **written)
    read = read_ply(tmp_path / "head.ply")
    assert read.keys() == written.keys()
    for name, values in written.items():
        assert read[name].dtype == np.float32
        assert np.allclose(read[name], values, rtol=1e-5, atol=1e-6), name
    assert [p.name for p in tmp_path.iterdir()] == ["head.ply"]


def test_the_file_is_what_splat_viewers_expect(tmp_path):
    write_ply(tmp_path / "head.ply", **gaussians())
    header, _, body = (tmp_path / "head.ply").read_bytes().partition(b"end_header\n")
    names = [line.split()[-1] for line in header.decode().splitlines() if line.startswith("property float ")]
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\nelement vertex 7\n")
    expected = "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    assert names == expected.split()
    assert len(body) == 7 * 17 * 4


def test_opaque_and_flat_gaussians_stay_finite(tmp_path):
    extreme = {**gaussians(2), "opacities": np.array([0.0, 1.0]), "scales": np.zeros((2, 3))}
    write_ply(tmp_path / "head.ply", **extreme)
    assert np.isfinite(read_ply(tmp_path / "head.ply")["scales"]).all()


def damaged(data: bytes, how: str) -> bytes:
    if how == "another format":
        return b"PK\x03\x04" + data
    if how == "text":
        return data.replace(b"binary_little_endian", b"ascii")
    if how == "cut short":
        return data[:-10]
    if how == "no colour":
        return data.replace(b"f_dc_1", b"green_")
    if how == "a mesh":
        return data.replace(b"end_header", b"element face 3\nproperty list uchar int vertex_indices\nend_header")
    return data[:-4] + np.float32(np.nan).tobytes()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("another format", "not a .ply"),
        ("text", "binary little-endian"),
        ("cut short", "cut short"),
        ("no colour", "f_dc_1"),
        ("a mesh", "vertices and nothing else"),
        ("not a number", "not all finite"),
    ],
)
def test_bad_files_are_named(tmp_path, how, message):
    write_ply(tmp_path / "head.ply", **gaussians())
    (tmp_path / "bad.ply").write_bytes(damaged((tmp_path / "head.ply").read_bytes(), how))
    with pytest.raises(PgsError, match=message) as refusal:
        read_ply(tmp_path / "bad.ply")
    assert "bad.ply" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_absent_file(tmp_path):
    with pytest.raises(PgsError, match="No such file"):
        read_ply(tmp_path / "none.ply")
