"""Presets and the schedule's stages."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.errors import ConfigError
from pgstalker.presets import DENSITY_UNTIL, FUSE_FROM, PRESETS, REFINE_FROM, SHARES, STATIC_UNTIL, preset, stage_at


def test_stages_follow_one_another():
    assert 0 < STATIC_UNTIL < DENSITY_UNTIL < REFINE_FROM < FUSE_FROM < 1
    assert [stage_at(share) for share in (0, 0.079, 0.08, 0.59, 0.6, 0.74, 0.75, 1)] == [
        "static", "static", "motion", "motion", "refine", "refine", "fuse", "fuse",
    ]  # fmt: skip


def test_presets_are_known_by_name():
    assert preset("quick") is PRESETS["quick"]
    with pytest.raises(ConfigError, match="unknown preset 'fast'; use one of: quick, compare, default, paper"):
        preset("fast")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_make_sense(name):
    chosen = PRESETS[name]
    assert 0 < chosen.initial < chosen.cap and chosen.size % 16 == 0
    assert np.isclose(sum(SHARES.values()), 1)


def test_another_budget_keeps_the_share_that_training_begins_with():
    quick = PRESETS["quick"]
    fewer = quick.with_at_most(900)
    assert (fewer.cap, fewer.initial) == (900, 700) and (fewer.size, fewer.steps) == (quick.size, quick.steps)
    assert quick.with_at_most(None) is quick


def test_a_budget_is_for_those_who_have_gaussians():
    from pgstalker.method import TrainingRequest, method

    method("pgstalker").check(TrainingRequest(gaussians=500))
    for name, count, words in (
        ("still-frame", 500, "has no Gaussians"),
        ("pgstalker", 3, "gaussians 3 is not possible"),
    ):
        with pytest.raises(ConfigError, match=words):
            method(name).check(TrainingRequest(gaussians=count))
