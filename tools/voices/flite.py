"""CMU Flite: small English voices, each segment's end printed by `-psdur`."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from pgstalker.errors import EnvironmentMissing, MediaError
from tools.voices.phonesets import RADIO
from tools.voices.spoken import Phone, Spoken
from tools.voices.wave_file import read_wave


def require(name: str, package: str) -> None:
    """Raises EnvironmentMissing where Flite is not installed. All its voices come with it."""
    if shutil.which("flite") is None:
        raise EnvironmentMissing(f"flite, which speaks the voice {name}, is missing: sudo apt-get install {package}")


def say(text: str, name: str, rate: float) -> Spoken:
    """One sentence. rate: 1 is the voice's own pace, 2 twice as fast."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        command = ["flite", "-voice", name, "--setf", f"duration_stretch={1 / rate:.6f}", "-psdur", "-t", text, "-o"]
        result = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        if result.returncode or not path.is_file():
            raise MediaError(f"flite could not say '{text[:40]}': {result.stderr.strip()[-200:]}")
        samples, hz = read_wave(path)
    return Spoken(samples, hz, parse(result.stdout))


def parse(printed: str) -> list[Phone]:
    """ "pau:0.164 hh:0.255 ..." (name, end in seconds) as phones. Raises MediaError for anything else."""
    phones, start = [], 0.0
    for word in printed.split():
        name, _, end = word.rpartition(":")
        try:
            phones.append(Phone(start, float(end), RADIO[name]))
        except (KeyError, ValueError):
            raise MediaError(f"flite printed '{word[:40]}' where a segment and its end were expected") from None
        start = phones[-1].end_s
    return phones
