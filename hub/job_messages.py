"""What the page says about making an avatar: sentences, the check's report, and a job as it goes on."""

from __future__ import annotations

import base64
import html
from pathlib import Path

from hub.jobs import Expected, JobView, Progress
from hub.messages import duration, status
from pgstalker.media.limits import MAX_UPLOAD_BYTES, MAX_VIDEO_S
from pgstalker.tracking.quality import GOOD_SECONDS, MIN_SECONDS

TITLE = "New avatar from a video"
PITCH = "Half a minute of one person talking to the camera is enough. It learns on this machine while you watch."
LENGTH = (
    f"{GOOD_SECONDS:.0f} seconds or more is best; {MIN_SECONDS:.0f} seconds is the least, {MAX_VIDEO_S // 60} minutes "
    "the most."
)
WANTED = f"One face, well lit, camera fixed, with sound, at most {MAX_UPLOAD_BYTES >> 20} MB. {LENGTH}"
CONSENT = "This is me, or somebody who agreed to have an avatar made of this video."
NEEDS_VIDEO = "There is no video yet: choose a file, record one, or take the sample clip."
NEEDS_CONSENT = "Please confirm that the person agreed: tick the box above the button."
PRESETS = {
    "quick": "Quick: 256 px, a few minutes on two cores",
    "default": "Fine: 512 px, three to five times as long",
}
KEEP = "Keep this address, or the job's number: it is the only way back, and whoever has it can see the job."
UNEQUIPPED = (
    "This server plays avatars but cannot make them: the libraries that train are not installed. Whoever runs it can "
    "say `make .venv/.installed`, or `pip install -r requirements.txt`, and start it again."
)
STAGES = {"prepare": "Read the video", "learn": "Learn", "speak": "First words"}
DOING = {"prepare": "reading the video", "learn": "learning", "speak": "saying its first words"}
DETAILS = {
    "looking for the face": "looking for the face",
    "landmarks": "following 478 points of the face",
    "head pose": "how the head turns",
    "masks": "what is face, hair, torso, background",
    "torso": "how the shoulders follow",
    "contact sheet": "a sheet to look at",
    "load": "loading the pictures",
    "hearing": "which sound makes which mouth",
    "static": "a head at rest",
    "motion": "a head that moves",
    "refine": "sharper",
    "fuse": "driven by sound alone",
    "listen": "listening",
    "render": "drawing the frames",
}
MARKS = {"good": "✓", "fair": "!", "bad": "✕"}
TONES = {"good": "good", "fair": "could be better", "bad": "does not do"}


def privacy(hours: float, shelf: Path | None) -> str:
    """hours: how long what a job left is kept; shelf: the folder that finished avatars are put into to stay."""
    stays = f" The finished avatar stays in the folder {shelf} until somebody deletes it there." if shelf else ""
    return (
        "Your video stays on the machine that serves this page: the upload for about an hour, the copy that the avatar "
        f"learns from until the avatar is done, and all that is left of the job for {hours:g} hours after its end."
        f"{stays}"
    )


def report(found: dict) -> str:
    """The check's findings as a list, with the picture that would be used."""
    rows = "".join(_finding(**each) for each in found["findings"])
    picture = f'<img src="{found["preview"]}" alt="the square that is used">' if found["preview"] else ""
    verdict = "Ready to learn from." if found["is_fit"] else "This video does not do yet."
    tone = "good" if found["is_fit"] else "bad"
    return f'<div class="pgs-check">{picture}<div><h4 class="pgs-{tone}">{verdict}</h4><ul>{rows}</ul></div></div>'


def _finding(topic: str, value: str, verdict: str, remedy: str) -> str:
    more = f"<small>{html.escape(remedy)}</small>" if remedy else ""
    return (
        f'<li class="pgs-{verdict}"><i aria-label="{TONES[verdict]}">{MARKS[verdict]}</i><b>{html.escape(topic)}</b>'
        f"<span>{html.escape(value)}{more}</span></li>"
    )


def expectation(expected: Expected | None) -> str:
    """Before anybody starts."""
    if expected is None:
        return ""
    elsewhere = "on two cores; this machine has made none yet"
    judged = "on this machine, judged by the last one" if expected.is_here else elsewhere
    return f"About {duration(expected.seconds)} {judged}."


def refusal(sentence: str) -> str:
    return f'<div class="pgs-refusal" role="alert">{html.escape(sentence)}</div>'


def picture(view: JobView) -> str:
    """The avatar as it is now and in numbers; nothing once its first words can be watched in the same place."""
    if view.sample is not None:
        return ""
    shown = '<div class="pgs-now pgs-empty">The avatar appears here as it learns.</div>'
    if view.preview is not None:
        shown = f'<img class="pgs-now" src="{picture_uri(view.preview)}" alt="the avatar as it is now">'
    return shown + _numbers(view.progress)


def course(view: JobView) -> str:
    """Its stages, the curve, and what was noticed about the video."""
    warnings = "".join(f"<li>{html.escape(warning)}</li>" for warning in view.progress.warnings)
    notes = f'<ul class="pgs-warnings">{warnings}</ul>' if warnings and view.state.name != "failed" else ""
    return _stages(view) + curve(view.progress) + notes


def headline(view: JobView) -> str:
    """One line for how it stands."""
    name, progress = view.state.name, view.progress
    title = view.order.title or "Your avatar"
    if name == "waiting":
        ahead = f"{view.state.ahead} before it" if view.state.ahead else "next in line"
        return status(f"{title}: waiting for its turn", ahead, progress.share, "busy")
    if name == "done":
        return status(f"{title} is done", "It stands under “Who speaks” now.", tone="good")
    if name == "failed":
        return status(f"{title} could not be made", "", tone="bad") + refusal(_sentence(view.state.problem))
    if name == "stopped":
        return status(f"{title}: stopped", "What it has learned is kept for a while.", progress.share)
    doing = DOING.get(progress.stage, "starting")
    left = "" if progress.seconds_left is None else f"about {duration(progress.seconds_left)} more of {doing}"
    return status(f"{title}: {doing}", left, progress.share, "busy")


def _sentence(problem: str) -> str:
    return problem[:1].upper() + problem[1:].rstrip(".") + "."


def _stages(view: JobView) -> str:
    names = list(STAGES)
    at = (
        len(names)
        if view.state.name == "done"
        else names.index(view.progress.stage)
        if view.progress.stage in names
        else -1
    )
    rows = []
    for number, name in enumerate(names):
        tone = "past" if number < at else "now-at" if number == at else "later"
        detail = DETAILS.get(view.progress.detail, "") if tone == "now-at" else ""
        current = ' aria-current="step"' if tone == "now-at" else ""
        rows.append(f'<li class="pgs-{tone}"{current}><b>{STAGES[name]}</b><span>{html.escape(detail)}</span></li>')
    return f'<ol class="pgs-stages">{"".join(rows)}</ol>'


def _numbers(progress: Progress) -> str:
    if not progress.step:
        return ""
    parts = [f"step {progress.step:,} of {progress.steps:,}"]
    if "psnr" in progress.numbers:
        parts.append(f"{progress.numbers['psnr']:.1f} dB")
    if "gaussians" in progress.numbers:
        parts.append(f"{progress.numbers['gaussians']:,.0f} Gaussians")
    return f'<p class="pgs-faint pgs-numbers">{" · ".join(parts)}</p>'


def curve(progress: Progress) -> str:
    """The loss over the steps as a drawing; nothing while there are fewer than two points."""
    points = progress.curve
    if len(points) < 2:
        return ""
    losses = [loss for _, loss in points]
    low, high, last = min(losses), max(losses), max(progress.steps, points[-1][0])
    span = (high - low) or 1.0
    path = " ".join(f"{300 * step / last:.1f},{6 + 78 * (high - loss) / span:.1f}" for step, loss in points)
    return (
        '<figure class="pgs-curve"><svg viewBox="0 0 300 90" preserveAspectRatio="none" role="img" '
        f'aria-label="loss, now {losses[-1]:.4f}"><polyline points="{path}"/></svg>'
        "<figcaption><span>How far its pictures are from the video, judged more strictly towards the end</span>"
        f"<b>{losses[-1]:.4f}</b></figcaption></figure>"
    )


def picture_uri(path: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
