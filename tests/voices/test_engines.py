"""Text becomes sound whose phonemes lie where they are heard."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.audio.visemes import HIDDEN, visemes_of
from pgstalker.errors import ConfigError, EnvironmentMissing, MediaError
from pgstalker.types import SAMPLE_RATE_HZ
from tools.presenter.articulation import VOWELS
from tools.voices import VOICES, Phone, espeak, festival, find, flite, phonesets, require, sentences, speak
from tools.voices.speech import PAUSE_S

TEXTS = {
    "en": "Good morning, Bob. Pam popped by my map shop; the cat sat on top of the back step.",
    "de": "Guten Morgen, Paul. Heute backen wir einen Kuchen mit Butter und Pflaumen.",
    "it": "Buongiorno, mi chiamo Paola. Il gatto nero dorme sopra il tetto della casa.",
    "cs": "Dobrý den, jmenuji se Pavel. Kočka spala na střeše a potom skočila dolů.",
    "fi": "Hyvää huomenta. Pöydällä on punainen omena, kissa nukkuu talon katolla.",
    "ca": "Bon dia, em dic Maria. El gat dorm a la teulada de la casa.",
    "ru": "Доброе утро, меня зовут Павел. Кошка спит на крыше дома.",
}
HEARD = (
    "slt",
    "rms",
    "awb",
    "kal",
    "ked",
    "nsh",
    "lp",
    "dita",
    "lj",
    "ona",
    "espeak-en-us",
    "espeak-de",
    "espeak-it+f3",
)
HOP_S = 0.005


def installed(voice: str) -> str:
    try:
        require(voice)
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    return voice


def text_for(voice: str) -> str:
    return TEXTS[find(voice).language[:2]]


@pytest.mark.parametrize("voice", HEARD)
def test_phonemes_cover_the_sound_and_lie_where_they_are_heard(voice):
    speech = speak(text_for(installed(voice)), voice)
    assert speech.samples.dtype == np.float32 and 0.05 < np.abs(speech.samples).max() <= 0.951
    assert speech.phones[0].start_s == 0 and speech.phones[-1].end_s == pytest.approx(speech.seconds)
    assert all(a.end_s == b.start_s for a, b in zip(speech.phones, speech.phones[1:]))
    assert all(phone.seconds > 0 for phone in speech.phones)
    assert abs(lag_s(speech)) <= 0.02  # half a frame
    level = loudness(speech.samples)
    vowels = level[expected(speech.phones, len(level)) == 1]
    assert np.median(vowels) > np.median(level[expected(speech.phones, len(level)) == 0]) + 20


def loudness(samples):
    """dB of each 5 ms, over 10 ms."""
    hop = round(HOP_S * SAMPLE_RATE_HZ)
    power = np.convolve(samples**2, np.full(2 * hop, 0.5 / hop), "same")
    return 10 * np.log10(power[hop // 2 :: hop] + 1e-6)


def expected(phones, count):
    """How loud each 5 ms should be by its phoneme: 1 a vowel, 0 silence."""
    times, level = (np.arange(count) + 0.5) * HOP_S, np.zeros(count)
    weights = {"SIL": 0.0, "FF": 0.45, "SS": 0.45, "CH": 0.45, "TH": 0.45}
    for phone in phones:
        viseme = visemes_of(phone.ipa)[0]
        sonorant = phone.ipa[:1] in tuple("mnŋɲlɹrjwʎɾvðzʒ") and bool(phone.ipa)
        loud = 1.0 if viseme in (*VOWELS, "RR") else 0.7 if sonorant else weights.get(viseme, 0.15)
        level[(times >= phone.start_s) & (times < phone.end_s)] = loud
    return level


def lag_s(speech):
    """How late the sound is after its phonemes, by correlation of loudness."""
    heard = loudness(speech.samples)
    written, reach = expected(speech.phones, len(heard)), 16
    inner = slice(reach, len(heard) - reach)
    scores = [np.corrcoef(written[inner], np.roll(heard, -lag)[inner])[0, 1] for lag in range(-reach, reach + 1)]
    return (int(np.argmax(scores)) - reach) * HOP_S


def test_the_lag_measure_sees_a_planted_lag():
    speech = speak(TEXTS["en"], installed("rms"))
    late = np.concatenate([np.zeros(640, np.float32), speech.samples])[: len(speech.samples)]
    assert lag_s(type(speech)(late, speech.phones)) == pytest.approx(0.04, abs=0.02)


@pytest.mark.parametrize("voice", ["slt", "ked", "espeak-en-us", "espeak-de+f2"])
def test_the_same_words_sound_the_same(voice):
    first, second = (speak(text_for(installed(voice)), voice) for _ in range(2))
    assert (first.samples == second.samples).all() and first.phones == second.phones


@pytest.mark.parametrize("voice", ["slt", "ked", "espeak-en-us"])
def test_rate_changes_the_pace_and_pitch_does_not(voice):
    text = "A quick brown fox jumps over the lazy dog and runs away"
    plain, quick, small = (
        speak(text, installed(voice), rate=r, pitch=p).seconds for r, p in ((1, 1), (1.25, 1), (1, 1.2))
    )
    assert quick / plain == pytest.approx(1 / 1.25, abs=0.08)
    assert small / plain == pytest.approx(1, abs=0.06)


def test_pitch_raises_the_voice():
    text = "Oh no, go home."
    low, high = (fundamental_hz(speak(text, installed("slt"), pitch=pitch)) for pitch in (0.9, 1.2))
    assert high / low == pytest.approx(1.2 / 0.9, rel=0.08)


def fundamental_hz(speech):
    """The median over loud 50 ms of the best autocorrelation between 80 and 350 Hz."""
    found = []
    for start in range(0, len(speech.samples) - 800, 400):
        piece = speech.samples[start : start + 800] * np.hanning(800)
        if piece.std() > 0.03:
            similar = np.correlate(piece, piece, "full")[799:]
            found.append(SAMPLE_RATE_HZ / (45 + similar[45:200].argmax()))
    return np.median(found)


def test_sentences_are_joined_with_one_pause():
    one, two = speak("Stop.", installed("rms")), speak("Stop. Stop.", "rms")
    assert two.seconds == pytest.approx(2 * one.seconds + PAUSE_S, abs=0.01)
    assert not any(a.ipa == b.ipa == "" for a, b in zip(two.phones, two.phones[1:]))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One two. Three!  Four?", ["One two.", "Three!", "Four?"]),
        ("a line\nbroken\n\nanother", ["a line broken", "another"]),
        ("3.14 is pi\x07.", ["3.14 is pi ."]),
        (" ... !", []),
    ],
)
def test_texts_are_cut_into_sentences(text, pieces):
    assert sentences(text) == pieces


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"voice": "nobody"}, "no voice 'nobody'"),
        ({"voice": "slt+f1"}, "no voice"),
        ({"voice": "espeak-de+../../x"}, "no voice"),
        ({"rate": 3.0}, "rate 3 is out of range"),
        ({"pitch": float("nan")}, "pitch nan"),
        ({"text": " \n\x00 "}, "nothing to say"),
        ({"text": "a" * 20_001}, "nothing to say"),
    ],
)
def test_what_cannot_be_said_is_told(arguments, told):
    installed("slt")
    with pytest.raises(ConfigError, match=told):
        speak(**{"text": "Hello.", "voice": "slt", **arguments})


def test_an_engine_that_is_missing_names_its_package(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("tools.voices.espeak_library.LIBRARY", "libnothere.so.7")
    for voice, package in (("slt", "flite"), ("ked", "festvox-kdlpc16k"), ("espeak-de", "espeak-ng")):
        with pytest.raises(EnvironmentMissing, match=f"apt-get install .*{package}"):
            speak("Hello.", voice)


@pytest.mark.parametrize("printed", ["pau 0.1", "zzz:0.2", "pau:", "pau:x"])
def test_a_strange_print_of_flite_is_refused(printed):
    with pytest.raises(MediaError, match="flite printed"):
        flite.parse(printed)


def test_segments_are_read():
    assert flite.parse("pau:0.1 hh:0.25") == [Phone(0, 0.1, ""), Phone(0.1, 0.25, "h")]
    dialect = festival.DIALECTS["czech_dita"]
    assert festival.parse("# 0.1\nr~* 0.2\n", dialect) == [Phone(0, 0.1, ""), Phone(0.1, 0.2, "r̝̊")]
    with pytest.raises(MediaError, match="festival printed"):
        festival.parse("?? 0.1", dialect)


def test_a_text_cannot_break_out_of_festivals_script():
    speech = speak('Hello" (exit) \\" (system "true")', installed("ked"))
    assert speech.seconds > 0.5


def test_a_plosive_owns_the_closure_before_its_burst():
    hz = 1000
    samples = np.concatenate([np.full(100, 0.5), np.zeros(60), np.full(40, 0.2)]).astype(np.float32)
    told = [Phone(0.0, 0.16, "a"), Phone(0.16, 0.2, "p")]
    vowel, plosive = espeak.with_closures(told, samples, hz)
    assert vowel.end_s == plosive.start_s == pytest.approx(0.1, abs=0.005)
    assert espeak.with_closures([told[0], Phone(0.16, 0.2, "s")], samples, hz)[1].start_s == 0.16


def test_espeak_out_of_order_is_refused():
    with pytest.raises(MediaError, match="out of order"):
        espeak.phones_between([[5, "a"], [3, "b"]], 10, 20)
    assert espeak.phones_between([[0, "(en)"], [5, "a"], [5, "b"]], 10, 20) == [Phone(0, 0.5, ""), Phone(0.5, 2, "b")]


def test_every_segment_name_has_its_viseme():
    tables = (
        phonesets.RADIO,
        phonesets.ITALIAN,
        phonesets.CZECH,
        phonesets.FINNISH,
        phonesets.CATALAN,
        phonesets.RUSSIAN,
    )
    hidden = set("kɡxhŋɦɲʎcɟ")
    for ipa in {ipa for table in tables for ipa in table.values()}:
        classes = visemes_of(ipa)
        assert (classes == ("SIL",)) == (ipa == "")
        assert classes != (HIDDEN,) or ipa[0] in hidden, ipa


@pytest.mark.parametrize("voice", [voice.id for voice in VOICES.values() if voice.engine == "espeak"])
def test_every_phoneme_of_espeak_is_in_the_table(voice):
    from pgstalker.audio import visemes

    installed(voice)
    spoken = espeak.say(
        TEXTS.get(find(voice).language[:2], "papa mama foto chico vino thema Anna"), find(voice).name, 1
    )
    known = {*visemes._CLASS, "̝"}
    letters = {letter for phone in spoken.phones for letter in visemes._letters(phone.ipa)}
    assert letters <= known, letters - known


def test_voices_offered_under_cc0_have_terms_that_allow_it():
    offered = {voice.id for voice in VOICES.values() if voice.cc0}
    assert offered == {"slt", "rms", "awb", "kal", "slt-hts", "ked", "nsh"}
    assert not any("GPL" in VOICES[name].licence for name in offered)
