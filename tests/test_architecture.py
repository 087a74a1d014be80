"""The laws of the house that can be read off the source, and what an import may load."""

import ast
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What each part may import besides itself.
ALLOWED = {
    "pgstalker": set(),
    "leaderboard": {"pgstalker"},
    "benchmarks": {"leaderboard", "pgstalker"},
    "hub": {"leaderboard", "pgstalker"},
    "app": {"hub", "leaderboard", "pgstalker"},
}
# A library that only these files or folders may import.
KEEPERS = {
    "gradio": ("app.py", "hub/"),
    "gsplat": ("pgstalker/rendering/cuda.py",),
    # external.py starts other people's programs; gpu_check.py installs and builds on a bare machine.
    "subprocess": ("pgstalker/media/", "pgstalker/external.py", "benchmarks/gpu_check.py"),
    "mediapipe": ("pgstalker/tracking/",),
    "cv2": ("pgstalker/tracking/",),
}
MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 500, 60, 8
# Compiled kernels take plain arrays and numbers only, so theirs cannot be gathered in a dataclass.
KERNELS, MAX_KERNEL_PARAMETERS = "pgstalker/rendering/numba_", 16
HEAVY = {"cv2", "gradio", "gsplat", "librosa", "mediapipe", "numba", "torch", "transformers"}


@dataclass(frozen=True)
class Module:
    path: str  # from the root, with /
    name: str  # dotted
    tree: ast.Module
    lines: int

    @property
    def part(self) -> str:
        """The package within pgstalker that the module belongs to, or the module itself."""
        return ".".join(self.name.split(".")[:2])

    def imports(self) -> set[str]:
        """Dotted names of everything imported anywhere in the module, also inside functions."""
        found = set()
        package = self.name if self.path.endswith("__init__.py") else self.name.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
                source = ".".join([*above, *([node.module] if node.module else [])])
                found |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
        return found


@cache
def modules() -> tuple[Module, ...]:
    files = [ROOT / "app.py", *(file for part in ALLOWED for file in sorted((ROOT / part).rglob("*.py")))]
    return tuple(read(file.relative_to(ROOT).as_posix(), file.read_text("utf-8")) for file in files if file.is_file())


def read(path: str, text: str) -> Module:
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return Module(path, name, ast.parse(text, path), text.count("\n"))


def upward_arrows(found) -> list[str]:
    wrong = []
    for module in found:
        own = module.name.split(".")[0]
        targets = {name.split(".")[0] for name in module.imports()} & set(ALLOWED)
        wrong += [f"{module.path} imports {target}" for target in sorted(targets - ALLOWED[own] - {own})]
    return wrong


def circle(found) -> list[str]:
    """The parts of pgstalker on a circle of imports, in order; empty where there is none."""
    parts = {module.part for module in found}
    arrows = {part: set() for part in parts}
    for module in found:
        targets = {".".join(name.split(".")[:2]) for name in module.imports()}
        arrows[module.part] |= (targets & parts) - {module.part, "pgstalker"}
    done: set[str] = set()

    def visit(part: str, trail: list[str]) -> list[str]:
        if part in trail:
            return [*trail[trail.index(part) :], part]
        if part not in done:
            for target in sorted(arrows[part]):
                if found_circle := visit(target, [*trail, part]):
                    return found_circle
            done.add(part)
        return []

    return next((way for part in sorted(parts) if (way := visit(part, []))), [])


def strays(found) -> list[str]:
    wrong = []
    for module in found:
        libraries = {name.split(".")[0] for name in module.imports()} & set(KEEPERS)
        wrong += [
            f"{module.path} imports {name}" for name in sorted(libraries) if not module.path.startswith(KEEPERS[name])
        ]
    return wrong


def oversized(found) -> list[str]:
    wrong = [f"{module.path}: {module.lines} lines" for module in found if module.lines > MAX_MODULE_LINES]
    for module in found:
        most = MAX_KERNEL_PARAMETERS if module.path.startswith(KERNELS) else MAX_PARAMETERS
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            where, lines = f"{module.path}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = sum(argument.arg not in ("self", "cls") for argument in arguments)
            wrong += [f"{where}: {lines} lines"] if lines > MAX_FUNCTION_LINES else []
            wrong += [f"{where}: {count} parameters"] if count > most else []
    return wrong


def test_imports_flow_down():
    assert upward_arrows(modules()) == []


def test_no_circle_between_the_packages_of_the_library():
    assert circle([module for module in modules() if module.name.startswith("pgstalker")]) == []


def test_each_heavy_library_has_its_keeper():
    assert strays(modules()) == []


def test_modules_functions_and_signatures_stay_small():
    assert oversized(modules()) == []


@pytest.mark.parametrize(
    ("law", "files"),
    [
        (upward_arrows, {"pgstalker/a.py": "def f():\n    from hub import theme"}),
        (upward_arrows, {"leaderboard/a.py": "import benchmarks.fidelity"}),
        (circle, {"pgstalker/a/b.py": "from pgstalker import c", "pgstalker/c.py": "from .a.b import d"}),
        (circle, {"pgstalker/a/b.py": "from ..c import d", "pgstalker/c.py": "import pgstalker.a"}),
        (strays, {"pgstalker/audio/mel.py": "import cv2.aruco"}),
        (strays, {"pgstalker/rendering/backend.py": "from gsplat import rasterization"}),
        (oversized, {"pgstalker/a.py": "\n" * 501}),
        (oversized, {"pgstalker/a.py": "def f():\n" + "    x = 1\n" * 60}),
        (oversized, {"pgstalker/a.py": "def f(self, a, b, c, d, *, e, f, g, h, i): ..."}),
    ],
)
def test_each_law_can_be_broken(law, files):
    assert law([read(path, text) for path, text in files.items()])


def loaded_by(statements: str) -> set[str]:
    """The heavy libraries that a Python process has loaded when it ends after `statements`."""
    watch = "import atexit, sys; atexit.register(lambda: print('LOADED', *{n.split('.')[0] for n in sys.modules}))"
    program = f"{watch}\n{statements}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.rpartition("LOADED")[2].split()) & HEAVY


def test_the_watch_sees_what_is_loaded():
    assert loaded_by("import numba") == {"numba"}


def test_import_loads_nothing_heavy():
    assert loaded_by("import pgstalker") == set()


def test_help_loads_nothing_heavy():
    arguments = "import runpy, sys; sys.argv = ['pgstalker', '--help']"
    assert loaded_by(f"{arguments}; runpy.run_module('pgstalker', run_name='__main__', alter_sys=True)") == set()


def test_media_and_weights_load_nothing_heavy():
    assert loaded_by("import pgstalker.media, pgstalker.weights, pgstalker.preflight, pgstalker.measures") == set()


def test_jobs_need_no_page_and_start_lean():
    names = [f"import {m.name}" for m in modules() if m.name.startswith("hub.jobs")]
    assert len(names) > 5
    assert loaded_by("; ".join(names)) == set()


def test_training_needs_no_tracker_and_no_page():
    names = [f"import {m.name}" for m in modules() if m.name.startswith("pgstalker.training")]
    assert names
    assert loaded_by("; ".join(names)) & {"mediapipe", "cv2", "librosa", "gradio"} == set()
