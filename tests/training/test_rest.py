"""What is no voice leaves the mouth of an avatar at rest, whatever it hears with."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.audio import voice_gate
from pgstalker.audio.features import quiet_features
from pgstalker.training.hearing import calibrate, train_hearing
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tests.audio.speech_models import save_model
from tests.audio.test_gate import breath, chords, pink, white
from tests.audio.test_streaming import speech
from tests.models.faces import small_talker

SECONDS = 6
NO_VOICE = {
    "silence": np.zeros(SECONDS * SAMPLE_RATE_HZ),
    "white noise": 0.03 * white(),
    "pink noise": 0.03 * pink(),
    "breath": breath(0.2),
    "organ": chords(8, 0, 0.5),
    "piano": chords(8, 4, 0.5),
}


def loudness(samples: np.ndarray) -> np.ndarray:
    """Codes [T, 6] of a mouth that opens with the sound: standardised level of each frame in every element."""
    power = (samples.reshape(-1, SAMPLE_RATE_HZ // FPS) ** 2).mean(1)
    level = np.log(power + 1e-6)
    return np.repeat(((level - level.mean()) / level.std())[:, None], 6, 1).astype(np.float32)


@pytest.fixture(scope="module", params=["mel", "viseme", "mel+viseme", "hubert", "wav2vec2", "whisper"])
def heard(request, tmp_path_factory):
    """A talker that has learnt to hear, and the apertures of its own recording."""
    audio = request.param
    if audio in ("hubert", "wav2vec2", "whisper"):
        pytest.importorskip("transformers")
        audio = f"{audio}:{save_model(audio, tmp_path_factory.mktemp('model') / audio)}"
    talker, samples = small_talker(audio=audio), speech(SECONDS)
    codes = loudness(samples)
    hearing = train_hearing(talker.features, samples, codes, talker.config, 6, 0)
    talker.hearing = hearing.encoder
    calibrate(talker.calibration, hearing.unseen_codes, codes)
    talker.register_buffer("audio_statistics", talker.audio_statistics.new_tensor(talker.features.measure(samples)))
    return talker, talker.code(talker.hear(samples, len(codes), own_recording=True))[:, 0]


def test_rest_is_closed_and_speech_is_not(heard):
    talker, own = heard
    rest = talker.code(quiet_features(talker.features, talker.audio_statistics.numpy()))[0, 0]
    assert rest < np.quantile(own, 0.4) and np.quantile(own, 0.9) - rest > 0.3


@pytest.mark.parametrize("name", NO_VOICE)
def test_what_is_no_voice_leaves_it_at_rest(heard, name):
    """Within a tenth of how far speech opens it."""
    talker, own = heard
    sound = NO_VOICE[name].astype(np.float32)
    frames = SECONDS * FPS
    aperture = talker.code(talker.hear(sound, frames), voice_gate(sound, frames))[:, 0]
    rest = talker.code(quiet_features(talker.features, talker.audio_statistics.numpy()))[0, 0]
    assert np.abs(aperture - rest).max() < 0.1 * (np.quantile(own, 0.95) - rest)
