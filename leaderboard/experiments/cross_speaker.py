"""One person's avatar, everybody's voice: do its lips open when the sound says so?

The avatar of each clip hears recordings of other people, languages and synthesisers as it would when it speaks them,
gate included; the lips are those that its mouth code means. Nothing is drawn. Where the sound was synthesised here, its
phonemes say how far the lips should open; elsewhere the sync measure says how well sound and lips go together, against
the chance level of the same sound shifted far away.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.experiments.experiment import Context, Experiment, Finding
from leaderboard.places import ROOT
from leaderboard.running.stages import Run
from pgstalker.errors import ConfigError, EnvironmentMissing
from pgstalker.measures import circular_shift_null, pearson
from pgstalker.media import read_audio
from pgstalker.method import discover as methods
from pgstalker.types import FPS, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from pgstalker.models.talker import Talker

log = logging.getLogger(__name__)
PLACE = "PGSTALKER_SPEECH"
LONGEST_S = 30
EARS = ("mel", "viseme")
SHIPPED = "shipped"
"""In the place of an ear: the avatars of sample_data, as they were trained."""


@dataclass(frozen=True)
class Sound:
    """samples float32 [S] at 16 kHz. opening [T]: what the phonemes ask for, None where they are unknown."""

    name: str
    samples: np.ndarray
    opening: np.ndarray | None = None

    @property
    def frames(self) -> int:
        return len(self.samples) * FPS // SAMPLE_RATE_HZ if self.opening is None else len(self.opening)


def run(context: Context) -> Finding:
    import plotly.graph_objects as go

    settings, sounds = context.settings, list(heard(context.settings.sounds))
    ears = settings.values or EARS
    if not sounds:
        raise ConfigError(
            f"there is no speech at hand; give --sounds, or put recordings into the folder ${PLACE} names"
        )
    rows = [row for talker, told in shipped() for row in rows_of(talker, sounds, told)] if SHIPPED in ears else []
    tasks = [
        settings.task("pgstalker", *clip, switches={} if ear == "mel" else {"audio": ear})
        for ear in ears
        if ear != SHIPPED
        for clip in settings.places_of_clips()
    ]
    for outcome in context.fill(tasks):
        told = {"avatar": outcome.task.clip, "ear": outcome.task.switches.get("audio", "mel")}
        if outcome.record is None:
            rows.append(told | {"sound": None, "failed": outcome.reason})
            continue
        rows += rows_of(loaded(Run(outcome.task, context.places).model, settings.device), sounds, told)
    figure = go.Figure()
    for ear in ears:
        there = [one for one in rows if one["ear"] == ear and one["sound"] is not None]
        figure.add_bar(name=ear, x=[f"{one['avatar']}: {one['sound']}" for one in there], y=[one["r"] for one in there])
        if ear == ears[0]:
            names = [f"{one['avatar']}: {one['sound']}" for one in there]
            figure.add_scatter(name="chance", x=names, y=[one["null"] for one in there], mode="markers")
    figure.update_layout(title="Lips of one person, voices of others", yaxis_title="r at no lag", barmode="group")
    agreeing = [one["agrees"] for one in rows if one["sound"] is not None]
    note = f"{sum(agreeing)} of {len(agreeing)} pairs of avatar and sound are above chance (its 95th percentile)"
    return Finding(rows, figure, (note,))


def shipped() -> Iterator[tuple[Talker, dict[str, Any]]]:
    """The avatars that come with the project, and what tells them from others."""
    for folder in sorted((ROOT / "sample_data" / "avatars").iterdir()):
        yield loaded(folder, "cpu"), {"avatar": folder.name, "ear": SHIPPED}


def loaded(folder: Path, device: str) -> Talker:
    """What hears and moves in a trained avatar."""
    learnt: Any = methods()["pgstalker"].load(folder, device)
    return learnt.avatar.talker


def rows_of(talker: Talker, sounds: list[Sound], told: dict[str, Any]) -> list[dict[str, Any]]:
    return [told | row(talker, sound) for sound in sounds]


def row(talker: Talker, sound: Sound) -> dict[str, Any]:
    """One sound's figures. amplitude: deviation of the opening over that of the person's own mouth."""
    from pgstalker.audio import voice_gate
    from pgstalker.audio.sync import sync_ridge

    features = talker.hear(sound.samples, sound.frames)
    lips = talker.mouth_basis.lips(talker.code(features, voice_gate(sound.samples, sound.frames)))
    found = sync_ridge(sound.samples, lips)
    if sound.opening is None:
        r, null, reference = found.at_zero, found.null_at_zero, "sync_ridge"
    else:
        r, null = pearson(lips[:, 0], sound.opening), circular_shift_null(lips[:, 0], sound.opening)
        reference = "phonemes"
    return {
        "sound": sound.name,
        "seconds": sound.frames / FPS,
        "reference": reference,
        "r": float(r),
        "null": float(null),
        "agrees": bool(r > null),
        "lag_frames": int(found.lag_frames),
        "amplitude": float(lips[:, 0].std() / talker.mouth_basis.aperture[1]),
    }


def heard(paths: tuple[Path, ...]) -> Iterator[Sound]:
    """The recordings asked for, else all of the speech folders and what the synthesisers here can say."""
    folders = (Path(os.environ.get(PLACE) or ROOT.parent / "shared" / "speech"), ROOT / "sample_data" / "speech")
    for path in paths or sorted(file for folder in folders for file in folder.glob("*.wav")):
        yield Sound(path.stem, read_audio(path)[: LONGEST_S * SAMPLE_RATE_HZ])
    if not paths:
        yield from spoken()


def spoken() -> Iterator[Sound]:
    """The drives of tools/presenter, whose phonemes are known; a voice that is not installed is told and left out."""
    try:
        from tools.presenter.cast import DRIVES, script
        from tools.presenter.performance import enact
        from tools.voices import speak
    except ImportError:
        log.warning("tools/ is not here: no sound with known phonemes")
        return
    for name, drive in DRIVES.items():
        try:
            said = speak(script(f"drive_{name}"), drive.voice, rate=drive.rate, pitch=drive.pitch)
        except EnvironmentMissing as missing:
            log.warning("without the voice of %s: %s", name, missing)
            continue
        performance = enact(said.samples, said.phones, seed=0)
        yield Sound(f"{name}, synthesised", performance.samples, performance.lip_gap_cm())


EXPERIMENT = Experiment(
    id="cross_speaker",
    title="Other voices, languages and synthesisers",
    question="Do the lips follow speech of people, languages and machines that the avatar never heard?",
    run=run,
    values="ears (values of the switch audio, or shipped: the avatars of sample_data)",
)
