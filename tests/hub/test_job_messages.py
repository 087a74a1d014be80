"""What a visitor reads of a job, whatever state it is in; nothing of theirs becomes markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub import job_messages
from hub.jobs import Expected, JobState, JobView, Order, Progress

CURVE = [[step, 1 / step] for step in range(1, 50)]


def view(name, progress=None, title="Ada", **state) -> JobView:
    return JobView("0" * 32, Order(title), JobState(name, **state), progress or Progress(), None, None)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (view("waiting", ahead=2), ["Ada: waiting for its turn", "2 before it"]),
        (view("waiting"), ["next in line"]),
        (view("running"), ["Ada: starting"]),
        (view("running", Progress("prepare", "masks", 0.2, 75.0)), ["reading the video", "about 1 min 15 s more"]),
        (view("running", Progress("learn", "motion", 0.5)), ["Ada: learning"]),
        (view("done"), ["Ada is done", "Who speaks"]),
        (view("stopped"), ["Ada: stopped"]),
        (view("failed", problem="the head moves too far"), ["Ada could not be made", "The head moves too far."]),
        (view("running", title=""), ["Your avatar: starting"]),
    ],
)
def test_the_headline_tells_how_it_stands(seen, words):
    assert all(word in job_messages.headline(seen) for word in words)


def test_the_course_marks_where_it_is():
    course = job_messages.course(view("running", Progress("learn", "motion", 0.5, curve=CURVE, steps=100)))
    assert course.count("pgs-past") == 1 and 'aria-current="step"' in course and "a head that moves" in course
    assert "<polyline" in course and "0.0204" in course
    assert job_messages.course(view("done")).count("pgs-past") == 3
    assert "<svg" not in job_messages.course(view("waiting"))


def test_nothing_of_a_visitor_becomes_markup():
    evil = "<img src=x onerror=alert(1)>"
    shown = job_messages.headline(view("failed", title=evil, problem=evil))
    shown += job_messages.course(view("running", Progress("learn", evil, warnings=[evil])))
    finding = {"topic": evil, "value": evil, "verdict": "bad", "remedy": evil}
    shown += job_messages.report({"is_fit": False, "findings": [finding], "preview": None}) + job_messages.refusal(evil)
    assert "<img src=x" not in shown


def test_what_to_expect_is_said_where_it_is_known():
    assert job_messages.expectation(None) == ""
    here, elsewhere = (job_messages.expectation(Expected(350.0, is_here)) for is_here in (True, False))
    assert here == "About 5 min 50 s on this machine, judged by the last one."
    assert elsewhere == "About 5 min 50 s on two cores; this machine has made none yet."


def test_what_is_promised_to_be_deleted_depends_on_the_shelf():
    shared, own = job_messages.privacy(24, None), job_messages.privacy(24, Path("avatars"))
    assert "24 hours after its end" in shared and "folder" not in shared
    assert own.startswith(shared) and "stays in the folder avatars until" in own
