import hashlib
import http.server
import threading

import pytest

from pgstalker import weights
from pgstalker.errors import WeightsError

CONTENT = bytes(range(256)) * 1024
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache, no models folder, and fetching allowed (from this machine only)."""
    for name in ("PGSTALKER_MODELS", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGSTALKER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def server():
    """A server on this machine; server.sent maps a path to what it sends, server.asked lists what was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            if self.path not in self.server.sent:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(self.server.sent[self.path])

        def log_message(self, *_): ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.sent, httpd.asked = {"/whole": CONTENT, "/half": CONTENT[:1000]}, []
        httpd.address = f"http://127.0.0.1:{httpd.server_port}"
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield httpd
        httpd.shutdown()


@pytest.fixture
def publish(monkeypatch):
    """publish(address, **pins): the table lists one file, net.bin."""

    def listed(address, **pins):
        monkeypatch.setattr(weights, "MODELS", {"net.bin": weights.Model(address, "Apache-2.0", **pins)})

    return listed


def test_fetched_once_with_progress_and_kept(server, publish, cache, capsys):
    publish(f"{server.address}/whole", sha256=SHA256)
    assert weights.model_file("net.bin").read_bytes() == CONTENT
    assert weights.model_file("net.bin") == cache / "net.bin"
    assert server.asked == ["/whole"]
    assert "net.bin" in capsys.readouterr().err
    assert [file.name for file in cache.iterdir()] == ["net.bin"]


def test_models_folder_comes_first(publish, cache, tmp_path, monkeypatch):
    publish("http://127.0.0.1:9/never", sha256=SHA256)
    for folder in (cache, tmp_path / "mine"):
        folder.mkdir(parents=True)
        (folder / "net.bin").write_bytes(CONTENT)
    assert weights.model_file("net.bin") == cache / "net.bin"
    monkeypatch.setenv("PGSTALKER_MODELS", str(tmp_path / "mine"))
    assert weights.model_file("net.bin") == tmp_path / "mine" / "net.bin"
    (tmp_path / "mine" / "net.bin").unlink()
    assert weights.model_file("net.bin") == cache / "net.bin"
    monkeypatch.setenv("PGSTALKER_MODELS", str(tmp_path / "absent"))
    with pytest.raises(WeightsError, match="absent is not a folder"):
        weights.model_file("net.bin")


@pytest.mark.parametrize(
    ("path", "reason"), [("whole", "forbids"), ("missing", "Not Found"), ("half", "ended after 1000 of 262144 bytes")]
)
def test_what_cannot_be_fetched_is_named_with_its_folder(server, publish, cache, monkeypatch, path, reason):
    publish(f"{server.address}/{path}")
    if reason == "forbids":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=reason) as caught:
        weights.model_file("net.bin")
    message = str(caught.value)
    assert "net.bin" in message and str(cache) in message and server.address in message and "\n" not in message
    assert not cache.exists() or list(cache.iterdir()) == []
    assert len(server.asked) == (reason != "forbids")


def test_no_network(publish, cache):
    publish("http://127.0.0.1:9/net.bin")  # nothing listens there
    with pytest.raises(WeightsError, match=r"net\.bin cannot be fetched .*refused.*put it into"):
        weights.model_file("net.bin")
    assert list(cache.iterdir()) == []


def test_wrong_file_is_refused_by_a_pin(server, publish):
    publish(f"{server.address}/whole", sha256="0" * 64)
    with pytest.raises(WeightsError, match=f"sha256 {SHA256[:12]}, not 000000000000.*delete it to fetch it again"):
        weights.model_file("net.bin")


def test_hash_seen_first_is_recorded_and_enforced(server, publish, cache):
    publish(f"{server.address}/whole")
    path = weights.model_file("net.bin")
    assert (cache / "net.bin.sha256").read_text().strip() == SHA256
    weights.model_file("net.bin")
    path.write_bytes(b"another")
    with pytest.raises(WeightsError, match=rf"not {SHA256[:12]}.*net\.bin\.sha256 to accept it"):
        weights.model_file("net.bin")
    (cache / "net.bin.sha256").unlink()
    weights.model_file("net.bin")


def test_other_known_builds_are_taken_without_a_record(publish, cache, tmp_path, monkeypatch):
    publish("http://127.0.0.1:9/never", also_sha256=(SHA256,))
    (tmp_path / "net.bin").write_bytes(CONTENT)
    monkeypatch.setenv("PGSTALKER_MODELS", str(tmp_path))
    assert weights.model_file("net.bin") == tmp_path / "net.bin"
    assert not cache.exists()


def test_table_is_well_formed():
    for name, model in weights.MODELS.items():
        assert model.address.startswith("https://") and model.address.endswith(f"/{name}") and model.licence
        for digest in (model.sha256, *model.also_sha256):
            assert digest is None or (len(digest) == 64 and int(digest, 16))


# ---- speech models


def model_folder(folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty cache of the hub, and no way to it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub"


def test_a_speech_model_is_a_folder(tmp_path, hub):
    folder = model_folder(tmp_path / "ear")
    assert weights.hub_model(str(folder)) == folder


def test_a_speech_model_is_found_by_name_among_the_models(monkeypatch, tmp_path, hub):
    folder = model_folder(tmp_path / "models" / "ear-base")
    monkeypatch.setenv("PGSTALKER_MODELS", str(tmp_path / "models"))
    assert weights.hub_model("somebody/ear-base") == weights.hub_model("ear-base") == folder
    assert weights.hub_model("/gone/from/here/ear-base") == folder


def test_a_speech_model_is_found_in_the_cache_of_the_hub(hub):
    folder = hub / "models--somebody--ear-base"
    snapshot = model_folder(folder / "snapshots" / "abc")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    assert weights.hub_model("somebody/ear-base") == snapshot
    (snapshot / "model.safetensors").unlink()  # a configuration alone is no model
    with pytest.raises(WeightsError, match="somebody/ear-base is not at hand"):
        weights.hub_model("somebody/ear-base")


@pytest.mark.parametrize("reference", ["ear", "/no/such/ear", "./ear", "a/b/c", "~/ear"])
def test_a_speech_model_that_is_nowhere_is_named_with_the_place_to_put_it(reference, hub, monkeypatch, tmp_path):
    with pytest.raises(WeightsError, match=rf"{reference} is not at hand.*config.json and model.safetensors"):
        weights.hub_model(reference)
    monkeypatch.setenv("PGSTALKER_MODELS", str(tmp_path / "models"))
    with pytest.raises(WeightsError, match=rf"put its.*into {tmp_path}/models/{reference.rpartition('/')[2]}"):
        weights.hub_model(reference)


def test_a_speech_model_is_not_fetched_against_ones_will(hub):
    with pytest.raises(WeightsError, match=r"HF_HUB_OFFLINE forbids.*https://huggingface.co/somebody/ear-base"):
        weights.hub_model("somebody/ear-base")


class Listing:
    """A hub that lists files; fetching writes down what was asked for."""

    def __init__(self, sizes, fails=None):
        self.sizes, self.fails, self.asked = sizes, fails, None

    def model_info(self, reference, files_metadata):
        if self.fails:
            raise self.fails
        entry = type("Entry", (), {})
        self.siblings = []
        for name, size in self.sizes.items():
            self.siblings.append(entry())
            self.siblings[-1].rfilename, self.siblings[-1].size = name, size
        return self

    def fetch(self, reference, local_files_only=False, allow_patterns=None):
        from huggingface_hub.errors import LocalEntryNotFoundError

        if local_files_only:
            raise LocalEntryNotFoundError("not there")
        self.asked = allow_patterns
        return "/fetched"


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (["model.safetensors", "pytorch_model.bin", "tf_model.h5"], ["model.safetensors"]),
        (["pytorch_model.bin", "flax_model.msgpack"], ["pytorch_model.bin"]),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
        ),
    ],
)
def test_what_is_fetched_is_told_first_and_weights_come_once(files, wanted, hub, monkeypatch, caplog):
    import huggingface_hub

    listing = Listing({"config.json": 1000, "README.md": 5, **dict.fromkeys(files, 40_000_000)})
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: listing)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", listing.fetch)
    assert str(weights.hub_model("somebody/ear-base")) == "/fetched"
    assert listing.asked == ["config.json", *wanted]
    assert f"somebody/ear-base, {40 * len(wanted)} MB, into" in caplog.text


def test_a_hub_that_does_not_answer_is_named(hub, monkeypatch):
    import huggingface_hub

    listing = Listing({}, ConnectionError("no route\nand more"))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: listing)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", listing.fetch)
    with pytest.raises(WeightsError, match=r"somebody/ear-base cannot be fetched \(no route\); fetch it from"):
        weights.hub_model("somebody/ear-base")
