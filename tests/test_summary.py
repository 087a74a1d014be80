"""The figures in the README are those of the committed results."""

import subprocess
import sys
from pathlib import Path


def test_readme_shows_the_committed_results():
    program = Path(__file__).parents[1] / "benchmarks" / "summary.py"
    done = subprocess.run([sys.executable, program, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
