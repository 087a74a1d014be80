"""TalkingGaussian and GaussianTalker on a CUDA device: what is trained there plays here, picture for picture."""

import numpy as np
import pytest

from pgstalker.method import Performance, TrainingRequest, method
from pgstalker.subject import Subject

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("needs_gsplat")]
SIZE = 64


@pytest.mark.parametrize("name", ["talking-gaussian", "gaussian-talker"])
@pytest.mark.parametrize("audio_training", ["end-to-end", "two-stage"])
def test_a_head_trained_there_plays_here(name, audio_training, tmp_path):
    from pgstalker.synthetic import make_subject

    folder, out = make_subject(tmp_path / "toon", seconds=2.0, size=SIZE, seed=3), tmp_path / "model"
    switches = {"audio_training": audio_training}
    chosen, request = method(name), TrainingRequest(steps=33, size=SIZE, device="cuda", switches=switches)
    chosen.train(folder, out, request, lambda *_: None)
    performance = Performance.of(Subject.load(folder))[:3]
    there, here = (np.stack(list(chosen.load(out, device).render(performance))) for device in ("cuda", "cpu"))
    difference = np.abs(there.astype(int) - here)
    assert difference.mean() < 0.5 and np.percentile(difference, 99) <= 3, "layers are rounded once there, twice here"
