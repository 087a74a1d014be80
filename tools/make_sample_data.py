"""Make sample_data/: the code-made presenter's avatar, a voice for it and a clip of it speaking.

    python tools/make_sample_data.py [--steps 3000] [--size 256]

Everything in it is drawn and spoken by code in this repository, so it may be given away (CC0).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pgstalker.avatar import Avatar, render_audio
from pgstalker.media import write_wav
from pgstalker.subject import sha256_of
from pgstalker.synthetic import babble
from pgstalker.types import SAMPLE_RATE_HZ

SAMPLE_DATA = Path(__file__).resolve().parents[1] / "sample_data"
NAME, VOICE, CLIP = "toon", Path("speech/babble.wav"), Path("clips/toon.mp4")
VOICE_SECONDS, VOICE_SEED = 6.0, 11
NOTE = (
    "A cartoon that a program drew and taught to babble: no real person, no real voice. "
    "It stands here until the project's own presenter is made."
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=16)
    options = parser.parse_args()
    avatar_folder = SAMPLE_DATA / "avatars" / NAME
    synthetic = f"python -m pgstalker.synthetic --out SUBJECT --seconds {options.seconds:g} --size {options.size}"
    train = (
        f"python -m pgstalker train SUBJECT --out {avatar_folder.name} --size {options.size} --steps {options.steps}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for command in (synthetic, train):
            places = {"SUBJECT": f"{scratch}/{NAME}-subject", NAME: f"{scratch}/{NAME}"}
            words = [places.get(word, word) for word in command.split()]
            subprocess.run([sys.executable, *words[1:]], check=True)
        avatar_folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(avatar_folder, ignore_errors=True)
        shutil.move(f"{scratch}/{NAME}", avatar_folder)
    for path in (VOICE, CLIP):
        (SAMPLE_DATA / path).parent.mkdir(parents=True, exist_ok=True)
    write_wav(SAMPLE_DATA / VOICE, babble(VOICE_SECONDS, VOICE_SEED).samples, SAMPLE_RATE_HZ)
    render_audio(Avatar.load(avatar_folder), SAMPLE_DATA / VOICE, SAMPLE_DATA / CLIP)
    write_manifest([synthetic, train, "python tools/make_sample_data.py"])
    return 0


def write_manifest(commands: list[str]) -> None:
    """manifest.json: what each thing is, how it was made, its licence and the sha256 of every file."""
    files = sorted(path for path in SAMPLE_DATA.rglob("*") if path.is_file() and path.name != "manifest.json")
    manifest = {
        "avatars": {
            NAME: {
                "title": "The cartoon presenter",
                "note": NOTE,
                "licence": "CC0-1.0",
                "sample": CLIP.as_posix(),
                "voice": VOICE.as_posix(),
                "made_with": commands,
            }
        },
        "files": {path.relative_to(SAMPLE_DATA).as_posix(): sha256_of(path) for path in files},
    }
    (SAMPLE_DATA / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
