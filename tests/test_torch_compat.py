"""In processes of their own: what torch registers stays for good."""

import os
import subprocess
import sys
import textwrap

ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def run(program: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(program)]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_lpips_and_hubert_import_under_the_guard():
    output = run("""
        from pgstalker.torch_compat import load_torchvision
        print(load_torchvision().__version__)
        import lpips
        from transformers import HubertModel
        print(lpips.LPIPS.__name__, HubertModel.__name__)
    """)
    assert output.split()[1:] == ["LPIPS", "HubertModel"]


def test_missing_operators_are_declared_once(tmp_path):
    """A torchvision that registers a shape for nms at its import, as the real one does."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import torch\nfrom torchvision import operators\n__version__ = 'stand-in'\n", encoding="utf-8"
    )
    (package / "operators.py").write_text(
        "import torch\n@torch.library.register_fake('torchvision::nms')\ndef nms(dets, scores, threshold): ...\n",
        encoding="utf-8",
    )
    output = run(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        try:
            import torchvision
        except RuntimeError as error:
            print("operator torchvision::nms does not exist" in str(error))
        from pgstalker.torch_compat import load_torchvision
        print(load_torchvision().__version__, load_torchvision() is sys.modules["torchvision"])
    """)
    assert output.split() == ["True", "stand-in", "True"]


def test_other_failures_are_raised(tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('out of luck')", encoding="utf-8")
    output = run(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from pgstalker.torch_compat import load_torchvision
        try:
            load_torchvision()
        except RuntimeError as error:
            print(error)
    """)
    assert output.strip() == "out of luck"
