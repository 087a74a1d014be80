"""The page for programs: /generate, /score and /leaderboard; /prepare, /train and /status belong to New avatar.

Each is what the command line does, on the same files with the same results. Names and types are pinned by a test:
whoever wrote a client keeps it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from hub import messages
from hub.equipment import can_judge
from hub.judging import SWITCHES, check_files, judge
from hub.results import Results
from hub.tabs.create import Speaker, wishes
from leaderboard.metrics import discover
from leaderboard.protocol import Codec, Composite, Setting
from pgstalker.errors import EnvironmentMissing

PROGRESS = gr.Progress()  # Gradio looks for one among a handler's defaults


class Endpoints:
    """What the endpoints do. A finished video is kept until the next one of anybody has been made."""

    def __init__(self, speaker: Speaker, results: Results):
        self.speaker, self.results = speaker, results
        self._kept: tempfile.TemporaryDirectory | None = None

    @messages.handler
    def generate(self, avatar, audio, consent, seed, pose, size, label, progress=PROGRESS) -> tuple[str, dict]:
        """Let an avatar say a sound file. Returns the mp4 and the receipt.

        consent must be true: the voice may be used, and viewers will be told that the video is generated."""
        job = None
        try:
            job = self.speaker.start(avatar, audio, consent, wishes(pose, seed, size, label))
            for update in job.updates():
                progress(update.share, desc=messages.STAGES.get(update.stage, update.stage))
            folder = tempfile.TemporaryDirectory(prefix="pgstalker-generated-")
            video = Path(folder.name) / job.video.name
            job.video.rename(video)
            self._kept = folder  # until then Gradio has long copied the last one
            return str(video), job.receipt
        finally:
            if job is not None:
                job.close()

    @messages.handler
    def validate_score(self, prediction, truth, audio, *rest) -> list[dict]:
        wrong = check_files(prediction, truth, audio)
        if not prediction:
            wrong["prediction"] = messages.NEEDS_PREDICTION
        names = ("prediction", "truth", "audio")
        checks = [gr.validate(name not in wrong, messages.sentence(wrong.get(name, ""))) for name in names]
        return checks + [gr.validate(True, "")] * len(rest)

    @messages.handler
    def score(self, prediction, truth, audio, setting, composite, codec, metrics, allow) -> dict:
        """Judge a video, against the truth where there is one. Returns the record (pgstalker-eval/1).

        setting: empty for self with a truth, else cross. metrics: all where none are named."""
        if not can_judge():
            raise EnvironmentMissing(messages.NO_JUDGE)
        files = {"prediction": prediction, "truth": truth, "audio": audio}
        protocol = {"setting": setting, "composite": composite, "codec": codec}
        return judge(files, protocol, dict.fromkeys(allow or [], True), tuple(metrics or ())).record

    @messages.handler
    def leaderboard(self, dataset: str = "", setting: str = "", search: str = "") -> dict[str, Any]:
        """Rows of the compiled board with the declarations of their figures and protocols; printed figures apart."""
        results = self.results
        rows = results.choose({"dataset": dataset, "setting": setting}, search)
        return {
            "rows": rows, "metrics": results.metrics, "protocols": results.protocols, "reported": results.reported,
            "generated_by": results.made_by,
        }  # fmt: skip


def build(speaker: Speaker, results: Results) -> None:
    """Register the endpoints inside a Blocks; their fields are never shown."""
    endpoints = Endpoints(speaker, results)
    with gr.Column(visible=False):
        go = gr.Button()
        inputs = [
            gr.Textbox(label="avatar"), gr.File(label="audio", type="filepath"), gr.Checkbox(label="consent"),
            gr.Number(0, label="seed", precision=0), gr.Radio(["own", "still"], value="own", label="pose"),
            gr.Number(0, label="size", precision=0), gr.Checkbox(True, label="label"),
        ]  # fmt: skip
        video, receipt = gr.File(label="video"), gr.JSON(label="receipt")
        go.click(
            endpoints.generate, inputs, [video, receipt], validator=speaker.validate, api_name="generate",
            concurrency_limit=1, concurrency_id="render",
        )  # fmt: skip
        score_inputs = [
            *(gr.File(label=name, type="filepath") for name in ("prediction", "truth", "audio")),
            gr.Dropdown(["", *get_args(Setting)], value="", label="setting"),
            gr.Dropdown(list(get_args(Composite)), value="full_frame", label="composite"),
            gr.Dropdown(list(get_args(Codec)), value="lossless", label="codec"),
            gr.CheckboxGroup(list(discover()), label="metrics"), gr.CheckboxGroup(list(SWITCHES), label="allow"),
        ]  # fmt: skip
        record = gr.JSON(label="record")
        gr.Button().click(
            endpoints.score, score_inputs, record, validator=endpoints.validate_score, api_name="score",
            concurrency_limit=1, concurrency_id="score",
        )  # fmt: skip
    gr.api(endpoints.leaderboard, api_name="leaderboard", queue=False)
