"""One speech: an avatar and a sound become a video, in a thread that can be watched and stopped."""

from __future__ import annotations

import logging
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hub.jobs.gallery import Gallery
from pgstalker.errors import MediaError
from pgstalker.measures import SILENCE_DBFS, loudness_dbfs
from pgstalker.media import Destination, check_audio, probe, read_audio
from pgstalker.provenance import Marks
from pgstalker.types import FPS, SAMPLE_RATE_HZ

log = logging.getLogger(__name__)
MIN_SPEECH_S = 0.5
_one_at_a_time = threading.Lock()  # a stopped job may still be finishing its frame when the next one starts


@dataclass(frozen=True)
class Wishes:
    """What the visitor may choose beside avatar and sound. size: side in px, None the avatar's own."""

    seed: int = 0
    pose: Literal["own", "still"] = "own"
    size: int | None = None
    label: bool = True


@dataclass(frozen=True)
class Update:
    """What the visitor is told. share in [0, 1]; seconds_left is None while it is not known; pace: seconds of video
    drawn per second."""

    stage: str
    share: float = 0.0
    frame: int = 0
    frames: int = 0
    seconds_left: float | None = None
    pace: float | None = None


def check_speech(path: str | Path, max_seconds: float) -> float:
    """The sound's length in seconds; MediaError, one line, for what cannot be spoken."""
    info = probe(path)
    check_audio(info, max_seconds)
    samples = read_audio(path)
    seconds = len(samples) / SAMPLE_RATE_HZ
    if seconds < MIN_SPEECH_S:
        raise MediaError(f"{info.path.name} lasts {seconds:.2f} s; give at least {MIN_SPEECH_S:g} s of speech")
    loudness = loudness_dbfs(samples)
    if loudness < SILENCE_DBFS:
        raise MediaError(f"{info.path.name} is silent ({loudness:.0f} dBFS); record it louder or nearer")
    return seconds


class SpeakingJob:
    """Renders in a thread of its own. Watch updates() to the end, then take `video` and `receipt`; close() always."""

    def __init__(self, gallery: Gallery, sitter_id: str, audio: str | Path, wishes: Wishes | None = None):
        self._gallery, self._sitter, self._audio = gallery, gallery.sitter(sitter_id), Path(audio)
        self._wishes = wishes or Wishes()
        self._folder = Path(tempfile.mkdtemp(prefix="pgstalker-job-"))
        self._updates: queue.SimpleQueue[Update | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._began: tuple[float, float] | None = None
        self.video = self._folder / f"{self._sitter.id}.mp4"
        self.receipt: dict | None = None
        self.live = self._folder / "live.mp4"
        self._thread = threading.Thread(target=self._run, name="speaking", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Ask the rendering to end after the frame it is at."""
        self._stopped.set()

    def updates(self, every_s: float = 0.2) -> Iterator[Update]:
        """The newest news, at most one per `every_s`, until the job has ended. Raises what the job raised."""
        is_over = False
        while not is_over:
            news = [self._updates.get()]
            while not self._updates.empty():
                news.append(self._updates.get())
            is_over = news[-1] is None
            latest = [update for update in news if update is not None]
            if latest:
                yield latest[-1]
            if not is_over:
                time.sleep(every_s)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop if still running, wait for it, and remove what it wrote."""
        self.stop()
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        from pgstalker.avatar import render_audio

        try:
            with _one_at_a_time:
                self._updates.put(Update("load"))
                avatar = self._gallery.load(self._sitter.id)
                wishes = self._wishes
                self.receipt = render_audio(
                    avatar,
                    self._audio,
                    Destination(self.video, self.live, wishes.size),
                    seed=wishes.seed,
                    pose=wishes.pose,
                    marks=Marks(label=wishes.label),
                    progress=self._tell,
                    cancelled=self._stopped.is_set,
                ) | {"avatar": self._sitter.id}
        except Exception as error:  # noqa: BLE001 - raised again where the job is watched
            self._error = error
        finally:
            self._updates.put(None)

    def _tell(self, stage: str, share: float, numbers: dict) -> None:
        now, left, pace, frames = time.monotonic(), None, None, numbers.get("of", 0)
        if stage == "render":
            self._began = self._began or (now, share)
            began, at = self._began
            if now - began > 1:
                left = (now - began) / (share - at) * (1 - share)
            if now - began > 0.5:
                pace = (share - at) * frames / FPS / (now - began)
        self._updates.put(Update(stage, share, numbers.get("frame", 0), frames, left, pace))
