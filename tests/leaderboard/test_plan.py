"""What a board is made of before anything runs: its cells, what they are called, and what cannot be."""

from __future__ import annotations

import pytest

from leaderboard.running.regenerate import Wish, plan
from leaderboard.running.tasks import Task
from pgstalker.errors import ConfigError, PgsError


def test_one_clip_of_each_dataset_is_judged_by_the_other_protocols_too():
    """Where the clips are: mira is part of the repository."""
    methods = ("pgstalker", "still-frame", "oracle-frame", "truth-late")
    tasks, _ = plan(Wish(methods=methods, datasets=("presenters",), clips=("mira", "olu")))
    more = [task for task in tasks if task.codec != "lossless" or task.speech is not None]
    assert {task.clip for task in more} == {"mira"}
    told = [(task.method, task.variant, "another's" if task.speech else task.codec) for task in more]
    assert told == [
        ("truth-late", "", "h264_q8"),
        ("still-frame", "", "h264_q8"),
        ("still-frame", "", "another's"),
        ("oracle-frame", "", "h264_q8"),
        ("pgstalker", "torso=gt", "h264_q8"),
        ("pgstalker", "torso=gt", "another's"),
    ]
    assert len({task.model for task in tasks if task.method == "pgstalker" and task.clip == "mira"}) == 3, "variants"
    for task in more:
        task.check()
    own = plan(Wish(methods=methods, clips=("mira",), switches={}))[0]
    assert all(task.codec == "lossless" and task.speech is None for task in own), "these rows only"


def test_the_plan_names_what_it_does_not_know(toons):
    with pytest.raises(ConfigError, match="unknown method 'nobody'"):
        plan(Wish(methods=("nobody",)))
    with pytest.raises(ConfigError, match="no dataset has a clip 'zoe'; there are: anna, bert"):
        plan(Wish(datasets=(toons,), clips=("zoe",)))
    with pytest.raises(ConfigError, match="dataset 'moon' is unknown"):
        plan(Wish(datasets=("moon",)))


def test_a_cell_that_cannot_be_is_refused_before_anything_is_begun(toons, tmp_path, monkeypatch):
    monkeypatch.setenv("PGSTALKER_DATASETS", str(tmp_path))
    for task, complaint in (
        (Task("nobody", toons, "anna"), "unknown method 'nobody'; use one of: .*truth-late"),
        (Task("still-frame", toons, "zoe"), "has no clip 'zoe'; there are: anna, bert"),
        (Task("truth-late", toons, "anna", steps=3), "takes no switches, steps or Gaussians"),
        (Task("pgstalker", toons, "anna", switches={"fusion": "magic"}), "fusion=magic is unknown to pgstalker"),
        (Task("pgstalker", "obama", "obama"), "clip 'obama' is not at "),
    ):
        with pytest.raises(PgsError, match=complaint):
            task.check()


def test_what_is_not_at_hand_is_said_once(monkeypatch, tmp_path):
    monkeypatch.setenv("PGSTALKER_DATASETS", str(tmp_path))
    found, absent = plan(Wish(datasets=("obama",), methods=("still-frame",)))
    assert found == [] and absent[0].startswith("obama/obama is not at hand: the file dataset/vids/Obama.mp4")


def test_revisions_can_be_read():
    common = {"dataset": "presenters", "clip": "mira", "device": "cpu"}
    assert Task("pgstalker", **common).revision == "quick-256-s0"
    switched = Task("pgstalker", switches={"torso": "gt", "audio": "hubert:/a b"}, steps=40, seed=2, **common)
    assert switched.revision == "quick-256-s2-n40+audio=hubert__a_b+torso=gt"
    assert Task("er-nerf", preset="default", **common).revision == "default-512-s0"
