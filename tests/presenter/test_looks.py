"""The six looks, and what happens to a wrong one."""

import pytest

from pgstalker.errors import ConfigError

pytest.importorskip("scipy")


def test_every_presenter_has_a_look_and_a_voice(body):
    from tools.presenter.cast import CAST
    from tools.presenter.looks import read_looks

    looks = read_looks()
    assert list(looks) and looks.keys() == CAST.keys() and len(looks) == 6
    assert len({look.seed for look in looks.values()}) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ann]\ntitle = ", "cannot read"),
        ("[ann]\ntitle = 'Ann'\nbody = {}\nhat = 1", "ann: unknown parameter hat"),
        ("[ann]\ntitle = 'Ann'\nbody = {}\nhair = { colour = 1 }", "ann.hair: unknown parameter colour"),
        ("[ann]\ntitle = 'Ann'\nbody = {}\ngarments = [{ sleeves = 2 }]", "ann.garments: unknown parameter sleeves"),
    ],
)
def test_a_wrong_look_is_refused(body, tmp_path, text, message):
    from tools.presenter.looks import read_looks

    path = tmp_path / "looks.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_looks(path)
