"""How the page is started: its switches, and where it came from."""

from __future__ import annotations

import argparse
import urllib.error
import urllib.request

import pytest

from app import _pair
from hub.app import build, launch
from leaderboard.places import ROOT
from leaderboard.source import commit
from pgstalker.errors import EnvironmentMissing
from tests.hub.boards import free_port


def test_a_name_and_password_are_asked_for(services):
    page, port = build(services), free_port()
    launch(page, "127.0.0.1", port, live=services.live, block=False, auth=_pair("me:secret:word"))
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/gradio_api/info", timeout=10)
        assert refused.value.code == 401
    finally:
        page.close()


@pytest.mark.parametrize("text", ["me", "me:", ":word", ""])
def test_half_a_pair_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="NAME:PASSWORD"):
        _pair(text)


def test_language_models_are_let_in_only_where_that_is_installed(services, monkeypatch):
    monkeypatch.setattr("hub.app.find_spec", lambda name: None)
    with pytest.raises(EnvironmentMissing, match="pip install"):
        launch(build(services), "127.0.0.1", free_port(), block=False, mcp=True)


def test_the_commit_is_read_without_git(tmp_path):
    (tmp_path / ".git").mkdir()
    assert commit(tmp_path) is None
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "packed-refs").write_text("# pack-refs\nabc123 refs/heads/main\n")
    assert commit(tmp_path) == "abc123"
    (tmp_path / ".git" / "HEAD").write_text("def456\n")
    assert commit(tmp_path) == "def456"
    assert commit(tmp_path / "elsewhere") is None and len(commit(ROOT) or "") in (0, 40)
