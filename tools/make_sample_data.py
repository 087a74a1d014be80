"""Make sample_data/ anew and say where the outcome differs from what is there.

    python -m tools.make_sample_data [--presenters mira olu] [--retrain]

Everything is made by this repository's programs from data that may be given away: the presenters' clips with their
exact truth, avatars trained on them, speech that nobody was trained on, and a video of an avatar speaking. Work lies in
build/sample-data: a call that was stopped goes on there. --retrain keeps the clips and only makes what is learned.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from pgstalker.files import replacing
from pgstalker.media import write_wav
from pgstalker.subject import sha256_of
from pgstalker.types import FPS, SAMPLE_RATE_HZ

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_DATA, BUILD = ROOT / "sample_data", ROOT / "build" / "sample-data"
COMMITTED = ("mira", "olu")
DRIVES = ("english_woman", "english_man", "russian")
FIRST_VOICE = "english_woman"
TRAINING = ("--preset", "quick", "--size", "512")
NOTE = "A person who does not exist: modelled, drawn and voiced by programs (tools/presenter)."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presenters", nargs="+", default=list(COMMITTED))
    parser.add_argument("--retrain", action="store_true", help="keep the clips; train, speak and list anew")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    before = json.loads(manifest().read_text()) if manifest().exists() else {"files": {}}
    for name in options.presenters:
        if not options.retrain:
            film(name)
        train(name)
    if not options.retrain:
        for drive in DRIVES:
            speak(drive)
    for name in options.presenters:
        show(name)
    write_manifest(options.presenters)
    return report(before["files"], json.loads(manifest().read_text())["files"])


def manifest() -> Path:
    return SAMPLE_DATA / "manifest.json"


def clip(name: str) -> Path:
    return SAMPLE_DATA / "presenters" / name / "clip.mp4"


def film(name: str) -> None:
    """The presenter's clip and truth, drawn in BUILD and then put in place."""
    drawn = BUILD / f"{name}.mp4"
    if not drawn.exists():
        run("tools.presenter", "film", name, "--out", str(BUILD))
    folder = clip(name).parent
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(drawn, clip(name))
    shutil.copyfile(BUILD / f"{name}.truth.npz", folder / "truth.npz")


def train(name: str) -> None:
    """Prepare the clip and train its avatar."""
    subject, avatar = BUILD / f"{name}-subject", BUILD / f"{name}-avatar" / name
    run("pgstalker", "prepare", str(clip(name)), "--out", str(subject))
    run("pgstalker", "train", str(subject), "--out", str(avatar), *TRAINING)
    target = SAMPLE_DATA / "avatars" / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(avatar, target)


def speak(drive: str) -> None:
    """A sound file that no avatar was trained on."""
    from tools.presenter.cast import DRIVES as VOICES
    from tools.presenter.cast import script
    from tools.voices import speak as say

    voice = VOICES[drive]
    speech = say(script(f"drive_{drive}"), voice.voice, rate=voice.rate, pitch=voice.pitch)
    path = SAMPLE_DATA / "speech" / f"{drive}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, speech.samples, SAMPLE_RATE_HZ)


def show(name: str) -> None:
    """The avatar speaking, for the page's first view."""
    from pgstalker.avatar import Avatar, render_audio

    target = SAMPLE_DATA / "clips" / f"{name}.mp4"
    target.parent.mkdir(parents=True, exist_ok=True)
    voice = SAMPLE_DATA / "speech" / f"{FIRST_VOICE}.wav"
    render_audio(Avatar.load(SAMPLE_DATA / "avatars" / name), voice, target)


def run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, cwd=ROOT)


def write_manifest(presenters: list[str]) -> None:
    """manifest.json: what each thing is, how it was made, on what terms, and the sha256 of every file."""
    from tools.presenter.cast import CAST
    from tools.presenter.cast import DRIVES as VOICES
    from tools.presenter.looks import read_looks
    from tools.voices import find

    looks = read_looks()
    files = sorted(path for path in SAMPLE_DATA.rglob("*") if path.is_file() and path != manifest())
    entry = {
        "presenters": {
            name: {
                "title": looks[name].title,
                "clip": f"presenters/{name}/clip.mp4",
                "truth": f"presenters/{name}/truth.npz",
                "fps": FPS,
                "sample_rate_hz": SAMPLE_RATE_HZ,
                "licence": "CC0-1.0",
                "voice": _voice(find(CAST[name].voice)),
                "masks": "python -m pgstalker prepare CLIP --out SUBJECT writes them as labels.mkv",
                "made_with": f"python -m tools.presenter film {name} --out build/sample-data",
            }
            for name in presenters
        },
        "avatars": {
            name: {
                "title": looks[name].title,
                "note": NOTE,
                "licence": "CC0-1.0",
                "sample": f"clips/{name}.mp4",
                "voice": f"speech/{FIRST_VOICE}.wav",
                "made_with": [
                    f"python -m pgstalker prepare presenters/{name}/clip.mp4 --out SUBJECT",
                    f"python -m pgstalker train SUBJECT --out {name} {' '.join(TRAINING)}",
                    f"python -m pgstalker render {name} --audio speech/{FIRST_VOICE}.wav --out clips/{name}.mp4",
                ],
            }
            for name in presenters
        },
        "speech": {
            f"speech/{drive}.wav": {
                "language": find(VOICES[drive].voice).language,
                "sample_rate_hz": SAMPLE_RATE_HZ,
                "licence": "CC0-1.0",
                "voice": _voice(find(VOICES[drive].voice)),
                "made_with": "python -m tools.make_sample_data",
            }
            for drive in DRIVES
        },
        "files": {path.relative_to(SAMPLE_DATA).as_posix(): sha256_of(path) for path in files},
    }
    with replacing(manifest()) as temporary:
        temporary.write_text(json.dumps(entry, indent=1) + "\n")


def _voice(voice) -> str:
    return f"{voice.name} ({voice.person}), {voice.engine}: {voice.licence}"


def report(before: dict[str, str], after: dict[str, str]) -> int:
    """Print what changed; 0 where nothing did, 1 otherwise."""
    changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    for name in changed:
        kind = "new" if name not in before else "gone" if name not in after else "differs"
        print(f"{kind:8s} {name}")
    print("sample_data is as it was" if not changed else f"{len(changed)} of {len(after)} files are not as they were")
    return int(bool(changed))


if __name__ == "__main__":
    sys.exit(main())
