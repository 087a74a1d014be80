"""Training a prepared subject, for real, where none of the tracker's and the page's libraries can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pgstalker.avatar import Avatar

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
asked = []

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {banned!r}:
            asked.append(name)
            raise ModuleNotFoundError(f"{{name}} is not here", name=name)

sys.meta_path.insert(0, Wall())
from pgstalker import presets
presets.PRESETS["quick"] = presets.Preset(size=64, steps=6, initial=100, cap=120, resolution=8, hearing_epochs=1)
from pgstalker.__main__ import main
code = main(["train", {subject!r}, "--out", {out!r}, "--device", "cpu"])
loaded = {banned!r} & {{name.partition(".")[0] for name in sys.modules}}
print("ASKED", asked, loaded)
sys.exit(code)
"""
BANNED = {"mediapipe", "cv2", "librosa", "gradio"}


def train_behind_a_wall(subject: Path, out: Path, banned: set[str]) -> subprocess.CompletedProcess:
    program = PROGRAM.format(root=str(ROOT), banned=banned, subject=str(subject), out=str(out))
    environment = {**os.environ, "TORCH_HOME": str(out.parent / "no-weights"), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


def test_training_needs_no_tracker_and_no_page(subject_folder, tmp_path):
    result = train_behind_a_wall(subject_folder, tmp_path / "anna", BANNED)
    assert result.returncode == 0, result.stderr
    assert "ASKED [] set()" in result.stdout
    assert Avatar.load(tmp_path / "anna").provenance["steps"] == 6


def test_the_wall_holds(subject_folder, tmp_path):
    result = train_behind_a_wall(subject_folder, tmp_path / "anna", {"scipy"})
    assert result.returncode != 0 and "scipy" in result.stderr and not (tmp_path / "anna").exists()
