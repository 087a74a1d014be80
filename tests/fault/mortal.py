"""python mortal.py CALL ARGUMENTS...: `python -m pgstalker ARGUMENTS`, killed by its own hand right after a call.

CALL is module:function#n, the n-th return of that function, or "never". The signal is SIGKILL: nothing is tidied up.
Presets are a matter of seconds, and a checkpoint is saved after every step.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def die_after(call: str) -> None:
    """Replace the function that `call` names by one whose n-th call is the last thing this process does."""
    place, _, number = call.partition("#")
    module, _, name = place.partition(":")
    *owners, last = name.split(".")
    owner = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    original, calls = getattr(owner, last), []

    def mortal(*values, **options):
        result = original(*values, **options)
        calls.append(name)
        if len(calls) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, last, mortal)


def shrink_training() -> None:
    import pytest

    from tests.training.conftest import shrink_presets

    shrink_presets(pytest.MonkeyPatch(), "/nowhere")
    importlib.import_module("pgstalker.training.loop").CHECKPOINT_SECONDS = -1


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    call, *arguments = sys.argv[1:]
    if "train" in arguments:
        shrink_training()
    if call != "never":
        die_after(call)
    sys.argv = ["pgstalker", *arguments]
    runpy.run_module("pgstalker", run_name="__main__", alter_sys=True)
