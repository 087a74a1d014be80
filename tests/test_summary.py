"""The figures in the README are those of the committed results, and each says when it was measured."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.summary import fidelity_tables, preset_table

ROOT = Path(__file__).parents[1]


def test_readme_shows_the_committed_results():
    program = ROOT / "benchmarks" / "summary.py"
    done = subprocess.run([sys.executable, program, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_results_stand_under_their_day_and_commit_and_chance_is_marked(tmp_path):
    def drive(r):
        return {"whole_db": 30, "head_db": 29, "mouth_db": 28, "aperture_r": r, "aperture_r_null95": 0.5,
                "aperture_amplitude": 1.0}  # fmt: skip

    run = {"clip": "x.mp4", "preset": "quick", "size": 256, "set": [], "oracle_db": 20, "oracle_head_db": 19}
    run |= {"test_frames": 19, "train_seconds": 100, "date": "2026-01-02", "commit": None}
    (tmp_path / "a.json").write_text(json.dumps(run | {"audio_mouth_tracked_torso": drive(0.4)}))
    new = run | {"test_frames": 90, "commit": "abcdef012", "clip": "y.mp4", "audio_mouth_tracked_torso": drive(0.6)}
    (tmp_path / "b.json").write_text(json.dumps(new))
    told = fidelity_tables(sorted(tmp_path.iterdir()))
    first, _, second = told.partition("Measured by 2026-01-02, by an older program")
    assert first.startswith("Measured on 2026-01-02 at commit abcdef0:") and "0.60 (0.50) |" in first
    assert "0.40 (0.50) † |" in second and "x.mp4 has 19 frames to judge" in second


def test_presets_are_told_with_their_time():
    lines = preset_table().splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == ["quick", "compare", "default", "paper"]
    assert lines[2].endswith(" s |") and "more than" in lines[5] and lines[5].endswith(" h |")
