"""Videos that are played while they are rendered: a growing file under an address that only its visitor is told.

Gradio's own streaming cuts and encodes every second anew, which costs about as much as it takes to play it; this file
is what the renderer writes anyway, in pieces that can be played as soon as they are there.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from hub.jobs import SpeakingJob

BLOCK_BYTES = 256 * 1024
LOOK_EVERY_S = 0.1
LEAST_PACE = 1.15
"""Seconds of video drawn per second from which on playing does not catch up with drawing."""
LEAST_BYTES = 4096


class Live:
    """The jobs that may be watched, each under a name that cannot be guessed."""

    def __init__(self) -> None:
        self._jobs: dict[str, SpeakingJob] = {}

    def open(self, job: SpeakingJob) -> str:
        """The address under which the job's video can be played until close()."""
        name = secrets.token_urlsafe(18)
        self._jobs[name] = job
        return f"live/{name}.mp4"

    def close(self, address: str) -> None:
        self._jobs.pop(address.removeprefix("live/").removesuffix(".mp4"), None)

    def routes(self) -> list[Route]:
        return [Route("/live/{name}.mp4", self._serve)]

    async def _serve(self, request: Request) -> StreamingResponse:
        job = self._jobs.get(request.path_params["name"])
        if job is None or not job.live.is_file():
            raise HTTPException(404)
        return StreamingResponse(self._grow(job), media_type="video/mp4", headers={"Cache-Control": "no-store"})

    async def _grow(self, job: SpeakingJob) -> AsyncIterator[bytes]:
        with suppress(FileNotFoundError), job.live.open("rb") as file:
            while True:
                was_over = job.is_over
                block = file.read(BLOCK_BYTES)
                if block:
                    yield block
                elif was_over:
                    return
                else:
                    await asyncio.sleep(LOOK_EVERY_S)


def is_ready(job: SpeakingJob, pace: float | None) -> bool:
    """Whether playing may begin: enough is there, and drawing is faster than playing."""
    return bool(pace and pace >= LEAST_PACE and job.live.is_file() and job.live.stat().st_size > LEAST_BYTES)
