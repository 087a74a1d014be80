"""Which device is chosen, and that torch is asked only where CUDA may be."""

import sys

import pytest

from pgstalker import devices
from pgstalker.errors import ConfigError


@pytest.fixture(autouse=True)
def fresh():
    devices.choose_device.cache_clear()
    yield
    devices.choose_device.cache_clear()


def test_the_cpu_asks_nobody(monkeypatch):
    monkeypatch.setattr(devices, "_why_no_cuda", lambda: pytest.fail("asked"))
    assert devices.choose_device("cpu") == "cpu"


@pytest.mark.parametrize(("reason", "chosen"), [("there is no NVIDIA driver", "cpu"), (None, "cuda")])
def test_auto_takes_cuda_where_it_is_and_says_why(monkeypatch, caplog, reason, chosen):
    monkeypatch.setattr(devices, "_why_no_cuda", lambda: reason)
    with caplog.at_level("INFO"):
        assert devices.choose_device("auto") == chosen
    assert (reason or "CUDA is there") in caplog.text


def test_cuda_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="torch is not installed"):
        devices.choose_device("cuda")
    with pytest.raises(ConfigError, match="toaster is unknown"):
        devices.choose_device("toaster")


def test_one_thread_is_given_back():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with devices.one_torch_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_without_torch_there_is_nothing_to_keep(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with devices.one_torch_thread():
        assert "torch" not in sys.modules
