"""Every sentence that the page says, and how errors are put to a visitor."""

from __future__ import annotations

import functools
import html
import inspect
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

import gradio as gr

from hub.jobs import Sitter, Update
from pgstalker.errors import PgsError
from pgstalker.presets import PRESETS

log = logging.getLogger(__name__)

TITLE = "PGSTalker"
PITCH = "One short video makes an avatar. Any voice makes it speak."
WHO, SAY, SEE = "Who speaks", "What to say", "Watch"
CONSENT = "I may use this voice, and I will tell viewers that the video is generated."
NEEDS_AUDIO = "There is no sound yet: choose a file, record one, or take the sample voice."
NEEDS_CONSENT = "Please confirm that you may use this voice: tick the box above the button."
STOPPED = "Stopped. Nothing was kept."
READY = "Ready. Play the sample; or give a voice, tick the box and press Generate."
READY_WITHOUT_SAMPLE = "Ready. Give a voice, tick the box and press Generate."
NO_AVATAR = (
    "There is no such avatar here: choose one from the list, or make one, below or in a terminal "
    "(python -m pgstalker train … --out avatars/me), and load this page again."
)
PRIVACY = (
    "Everything happens on the machine that serves this page. The sounds that you give here, and the videos that are "
    "made of them, are deleted after about an hour."
)
HOW_TO_READ = """<div class="pgs-note"><p><b>Measured here</b> by one program, on files. Rows compare where they share
dataset, protocol and picture size: a head drawn over true pictures of the torso stands many dB above a
whole frame, so read <b>beside the head</b> first. Figures of the picture compare across devices, speeds
on one device only.</p><p><mark class="pgs-best">Best</mark> and <mark class="pgs-second">second</mark>
are marked among the rows that compare; methods whose difference could be chance share a place. With fewer
than six clips a place holds for these very frames, not for other clips; a row that lacks some of the
clips is subdued and has none. An empty cell was not measured and counts for nothing.</p>
<p><b>The truth is a row too</b>, to show what a figure
can tell: re-encoded, one frame late, and as “Truth, other sound”: true pictures under somebody else's
voice, where figures of the picture are perfect and those of sync should fall to nothing.</p><p><b>Click
a row</b> for its clips, their 95 % intervals, where it comes from, and a video.</p></div>"""
RANK = """mean of the ranks in fidelity, lips, sync and speed, of each where every ranked row has it, and of sync and
speed only from six clips on; 1 is the best, and ties share a place"""
BESIDE = "what is shown around the drawn head; rows compare only where this is the same"
CLIPS = "how many the figures are means over; a row's own clips stand behind it"
FRONT = """Dotted: nobody there is better in both. Lines hold only rows that compare: one dataset, one thing beside the
head, one size and one device. Circles are Gaussians, squares NeRFs, hollow where clips are lacking; what
copies true frames has no speed."""
NO_JUDGE = (
    "This server plays avatars but cannot judge videos: the libraries that measure are not installed. Whoever runs it "
    "can say `make .venv/.installed`, or `pip install -r requirements.txt`, and start it again."
)
NO_RESULTS = "No compiled results. Run `python -m leaderboard regenerate`"
NO_MATCH = "No runs match. Clear the filters to see all."
REPORTED = """Figures as papers print them, with the paper they stand in. Their protocols differ silently, by up to
5 dB for one and the same method: they compare neither with each other nor with what was measured here."""
NO_CLIP = "Choose a clip from the list."
NEEDS_VIDEO = "A video is missing here: drop an mp4 of the same clip."
NEEDS_OWN = "Measuring is for your own videos; those of the leaderboard have been measured."
NEEDS_TRUTH = "PSNR, SSIM, LPIPS and LMD need the truth: add the real video of the same words."
NEEDS_COMPARISON = "There is no comparison yet: choose two videos and press Compare."
OWN_NO_ADDRESS = "Your own videos have no address: they are shown to you alone, and the zip passes them on."
NO_FIGURES = "No figure that both have. Press “Measure both” to measure your own videos."
PAIRED = "over the frames that both were judged on, as its interval is"
NO_VIDEO_OF_ROW = "The videos of this row do not ship, so there is nothing to play; its numbers stand in the table."
OWN_VIDEOS = (
    "Two results of the same words, frame for frame: one size and one rate, at most 5 minutes. The truth adds figures."
)
ERROR_SCALE = (
    "Error: mean difference of the colours from the truth, black for none, pale yellow for 64 grey levels and more."
)
JUDGE = """Any video of a talking head, against the real video of the same words where there is one, up to 5
minutes. Without a truth the figures of lips and sound remain. The same program, and the same
figures, as `python -m leaderboard score`."""
READY_TO_JUDGE = "Drop a video and press Measure. Ten seconds at 512 px take about two minutes on two cores."
NEEDS_PREDICTION = "The video to judge is missing: drop it here."
NEEDS_MEASURING = "There is no record yet: press Measure first."
NEEDS_ZIP = "There is no submission yet: drop a zip, or start from the example zip."
SWITCHES = """resample: give the video the truth's rate and size. cut: compare the common length. align: shift by
the best lag. every_frame: LPIPS and FLIP look at every frame."""
STANDS_ALONE = (
    "Nobody else on the board has this clip, protocol and picture size (for speeds the device too), so there is "
    "nothing to rank it among; what its rows are compared with comes from "
    "`python -m leaderboard truth DATASET/CLIP --out FOLDER`."
)
NOT_RANKED = "Left out of the ranks, and why:"
SUBMIT = """A submission is a zip of records and the lossless videos that they were made of. Every rule is
checked here, by the same program as on the command line, and nothing is kept. Start from the
example zip."""
NO_GPU_MEMORY = "The GPU has no memory left; try again in a minute, or with a shorter sound"
NO_RECEIPT = "Nothing was generated yet."
SEED = "the same seed gives the same motion"
SIZE = "of the video; frames are drawn at the avatar's own"
LABEL = "in a corner of the picture; a note in the file and content credentials are written in any case"
HEAD = "What the avatar is made of: its 3D Gaussians at rest, without the shoulders' motion. Drag to turn."
STAGES = {"load": "Loading the avatar", "listen": "Listening to the voice", "render": "Drawing the frames"}
STAGES |= {"look at prediction": "Looking at the video", "look at truth": "Looking at the truth"}


def limits(max_seconds: float) -> str:
    length = f"{max_seconds / 60:g} minutes" if max_seconds >= 60 else f"{max_seconds:g} seconds"
    return f"Any file with sound: wav, mp3, m4a, mp4 and so on, half a second to {length}."


def error(problem: Exception) -> gr.Error:
    """One line for the visitor. What is not theirs to mend goes to the log under a number they can quote."""
    if isinstance(problem, PgsError):
        return gr.Error(html.escape(sentence(problem)), duration=None, title="That did not work", print_exception=False)
    if type(problem).__name__ == "OutOfMemoryError":  # torch's, which the page does not load
        return error(PgsError(NO_GPU_MEMORY))
    number = secrets.token_hex(3)
    log.error("error %s", number, exc_info=problem)
    return gr.Error(
        f"Something went wrong on our side. It is in the log as {number}.",
        duration=None,
        title="That did not work",
        print_exception=False,
    )


def handler(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the page calls: whatever goes wrong in it reaches the visitor as `error` puts it, never as a bare "Error".

    Generators are not for it: they have something to put back first, and raise `error` themselves."""
    assert not inspect.isgeneratorfunction(function)

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except gr.Error:
            raise
        except Exception as problem:  # noqa: BLE001 - a visitor gets a line and the log gets the rest
            raise error(problem) from None

    called.is_handler = True  # type: ignore[attr-defined]
    return called


def sentence(problem: Exception) -> str:
    """The problem as one line that ends; a file's name at its start is left as it is."""
    text = " ".join(str(problem).split())
    is_word = text.partition(" ")[0].isalpha()
    text = re.sub(r"\badd --(\w+)", r"allow “\1”", text)  # what the command line calls a switch is a box to tick here
    return (text[:1].upper() + text[1:] if is_word else text).rstrip(".") + "." if text else ""


def status(text: str, detail: str = "", share: float | None = None, tone: str = "calm") -> str:
    """A line of news with a bar under it where `share` in [0, 1] is known; read out by screen readers."""
    bar = ""
    if share is not None:
        percent = round(100 * share)
        bar = (
            f'<div class="pgs-bar" role="progressbar" aria-valuenow="{percent}" aria-valuemin="0" aria-valuemax="100" '
            f'aria-label="progress"><i style="width:{percent}%"></i></div>'
        )
    return (
        f'<div class="pgs-status pgs-{tone}" role="status"><div class="pgs-line"><b>{html.escape(text)}</b>'
        f"<span>{html.escape(detail)}</span></div>{bar}</div>"
    )


def progress(update: Update) -> str:
    detail = ""
    if update.stage == "render":
        detail = f"{update.frame} of {update.frames}"
        if update.seconds_left is not None:
            detail += f" · {duration(update.seconds_left)} left"
    return status(STAGES.get(update.stage, update.stage), detail, update.share, "busy")


def done(receipt: dict) -> str:
    spent = sum(receipt["stage_seconds"].values())
    pace = receipt["seconds"] / spent
    speed = f"{pace:.1f} x real time" if pace >= 1 else f"{1 / pace:.1f} s per second of speech"
    return status("Done", f"{receipt['seconds']:g} s of video in {duration(spent)} · {speed}", tone="good")


def receipt_table(receipt: dict) -> str:
    drawn, overall = receipt["render_frames_per_second"], receipt["frames_per_second"]
    stages = " · ".join(f"{name} {value:.2f} s" for name, value in receipt["stage_seconds"].items())
    rows = {
        "Video": f"{receipt['frames']} frames, {receipt['size']} x {receipt['size']} px, 25 per second",
        "Time": stages,
        "Speed": f"{drawn:g} frames/s drawn, {overall:g} frames/s in all",
        "Made by": f"{receipt['program']}, avatar {receipt['avatar']}, seed {receipt['seed']}",
        "Device": f"{receipt['device']}, backend {receipt['backend']}",
    }
    cells = "".join(f"<tr><th>{name}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows.items())
    return f'<table class="pgs-receipt">{cells}</table>'


def card(sitter: Sitter) -> str:
    """Who it is: quality badge, what it learned from, licence."""
    facts = " · ".join(html.escape(fact) for fact in sitter.facts)
    known = PRESETS.get(sitter.quality)
    meaning = f"trained with the preset {sitter.quality}: {known.steps:,} steps" if known else "how it was trained"
    quality = f"{html.escape(sitter.quality)} training"
    badge = f'<span class="pgs-quality" title="{html.escape(meaning)}">{quality}</span>' if sitter.quality else ""
    note = f"<p>{html.escape(sitter.note)}</p>" if sitter.note else ""
    licence = f" · {html.escape(sitter.licence)}" if sitter.licence else ""
    return (
        f'<div class="pgs-card"><div><h3>{html.escape(sitter.title)} {badge}</h3>{note}'
        f'<p class="pgs-faint">{facts}{licence}</p></div></div>'
    )


def live_video(address: str) -> str:
    """The video as it is being made."""
    return (
        f'<div class="pgs-live"><video src="{html.escape(address, quote=True)}" autoplay controls playsinline></video>'
        "<span>live</span></div>"
    )


def footer(contact: str) -> str:
    """contact: an address of mail or of a page; "whoever runs this page" where none is given."""
    who = html.escape(contact, quote=True) or "whoever runs this page"
    if contact.startswith(("https://", "http://")) or "@" in contact:
        who = f'<a href="{who if contact.startswith("http") else f"mailto:{who}"}">{who}</a>'
    return (
        '<footer class="pgs-footer"><span>Apache-2.0 · sample people do not exist, CC0 · '
        "method: <cite>PGSTalker</cite>, arXiv 2509.16922</span><span>Seen a video of yourself that you did not agree "
        f"to? Tell {who}: its label and credentials say that it was generated.</span></footer>"
    )


def duration(seconds: float) -> str:
    if seconds < 1:
        return "under a second"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
