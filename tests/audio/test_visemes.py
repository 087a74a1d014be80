"""Every sound that the voices make has a shape of the mouth."""

from types import SimpleNamespace

import numpy as np
import pytest

from pgstalker.audio.visemes import VISEMES, viseme_spans, visemes_at, visemes_of


@pytest.mark.parametrize(
    ("ipa", "classes"),
    [
        ("", ("SIL",)),
        ("p", ("PP",)),
        ("pʲ", ("PP",)),  # a palatal mark is dropped
        ("m̩", ("PP",)),
        ("ˈaː", ("AA",)),
        ("aɪ", ("AA", "I")),
        ("oʊ", ("O", "U")),
        ("ɔːɹ", ("O", "RR")),
        ("tʃ", ("CH",)),
        ("t͡ʃ", ("CH",)),
        ("ts", ("SS",)),
        ("pf", ("PP", "FF")),
        ("r̝̊", ("CH",)),
        ("r", ("DD",)),
        ("ç", ("CH",)),
        ("ɑ̃", ("AA",)),
        ("ã", ("AA",)),
        ("θ", ("TH",)),
        ("aa", ("AA",)),
        ("ꟿ", ("KK",)),  # a letter that the table lacks hides among its neighbours
        ("1", ("SIL",)),
        ("_:", ("SIL",)),
    ],
)
def test_symbols_become_classes(ipa, classes):
    assert visemes_of(ipa) == classes


def test_a_diphthong_shares_its_time_and_the_rest_is_silence():
    phones = [phone(0.2, 0.3, "m"), phone(0.3, 0.5, "aʊ")]
    spans = viseme_spans(phones)
    assert [name for _, _, name in spans] == ["PP", "AA", "U"]
    assert spans[1][1] == pytest.approx(0.41) == spans[2][0]
    heard = [VISEMES[i] for i in visemes_at(phones, np.array([0.0, 0.1999, 0.2, 0.35, 0.45, 0.5, 9.0]))]
    assert heard == ["SIL", "SIL", "PP", "AA", "U", "SIL", "SIL"]
    assert (visemes_at([], np.arange(3.0)) == 0).all()


def phone(start_s, end_s, ipa):
    return SimpleNamespace(start_s=start_s, end_s=end_s, ipa=ipa)
