"""A talker's configuration is checked before anything is built of it."""

from __future__ import annotations

import json

import pytest

from pgstalker.errors import ConfigError
from pgstalker.models.config import SWITCHES, TalkerConfig, check_switches

GOOD = {"size": 64, "focal_px": 150.0, "counts": {"face": 3, "mouth": 2, "torso": 0}}


def test_it_survives_json():
    config = TalkerConfig(128, 300.0, fusion="concat", counts={"face": 1, "mouth": 2, "torso": 3})
    assert TalkerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_what_is_left_out_has_its_default():
    assert TalkerConfig.from_dict(GOOD) == TalkerConfig(64, 150.0, counts=GOOD["counts"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "unknown entries: colour"),
        ({"fusion": "magic"}, "fusion=magic.*gated, concat, region-attention"),
        ({"fusion": None}, "fusion=None"),
        ({"fusion": ["gated"]}, "fusion="),
        ({"audio": "ears"}, "audio=ears.*mel, viseme, .*, hubert, wav2vec2, whisper"),
        ({"audio": "mel:somewhere"}, "audio=mel:somewhere"),
        ({"audio": None}, "audio=None"),
        ({"density": 3}, "density=3"),
        ({"counts": {"face": 3}}, "face, mouth and torso"),
        ({"counts": {"face": 3, "mouth": 2, "torso": 1, "hat": 1}}, "face, mouth and torso"),
        ({"counts": 7}, "face, mouth and torso"),
        ({"counts": {"face": -1, "mouth": 2, "torso": 1}}, "-1"),
        ({"counts": {"face": 10**9, "mouth": 2, "torso": 1}}, "1000000000"),
        ({"counts": {"face": 2.5, "mouth": 2, "torso": 1}}, "2.5"),
        ({"size": "64"}, "'64'"),
        ({"size": True}, "True"),
        ({"size": -64}, "-64"),
        ({"size": 0}, "size"),
        ({"focal_px": "far"}, "focal_px"),
        ({"focal_px": 0}, "focal_px"),
        ({"focal_px": float("nan")}, "focal_px"),
        ({"code_size": "six"}, "code_size"),
        ({"code_size": 0}, "code_size"),
        ({"members": 0}, "members"),
        ({"attention_frames": -3}, "attention_frames"),
        ({"resolution": 10**6}, "resolution"),
        ({"resolution": 1}, "resolution"),
    ],
)
def test_nonsense_is_refused_by_name(change, message):
    with pytest.raises(ConfigError, match=message):
        TalkerConfig.from_dict({**GOOD, **change})


@pytest.mark.parametrize("name", GOOD)
def test_what_has_no_default_must_be_there(name):
    with pytest.raises(ConfigError, match=f"lacks: {name}"):
        TalkerConfig.from_dict({key: value for key, value in GOOD.items() if key != name})


def test_switches_are_refused_by_name_and_value():
    assert check_switches({"fusion": "concat"}) == {"fusion": "concat"}
    with pytest.raises(ConfigError, match=r"unknown switch 'colour'; there are: fusion"):
        check_switches({"colour": "red"})
    with pytest.raises(ConfigError, match=r"torso=none.*rendered, gt"):
        TalkerConfig(64, 150.0, torso="none")


def test_defaults_are_the_first_of_each_switch():
    config = TalkerConfig(64, 150.0)
    assert {name: getattr(config, name) for name in SWITCHES} == {name: values[0] for name, values in SWITCHES.items()}
