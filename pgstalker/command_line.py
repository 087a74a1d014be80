"""What every command line of the project does with a command: run it, and end in one line where a person erred."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from pgstalker.errors import ConfigError, PgsError


def run(commands: Any, program: str, about: str | None, arguments: list[str] | None, level: int = logging.INFO) -> int:
    """Parse `arguments` (default: the process's) into one of `commands`, dataclasses with run(); returns the exit code.

    A PgsError is one line and its own code, Ctrl-C is 130; whoever reads the output may stop reading (| head): 141.
    """
    import tyro

    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    try:
        tyro.cli(commands, args=arguments, prog=program, description=about).run()
        sys.stdout.flush()
    except BrokenPipeError:
        if not _is_unread():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return 141
    except PgsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)  # a folder where a file goes, a full disk
        return ConfigError.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def _is_unread() -> bool:
    """Whether nobody reads our output any more."""
    try:
        print(flush=True)
    except BrokenPipeError:
        return True
    return False


def check_output(path: Path | None, suffix: str) -> None:
    """Before work that ends in a file there. Raises ConfigError where it would not become one with that suffix."""
    if path is None:
        return
    if path.suffix.lower() != suffix or path.is_dir():
        raise ConfigError(f"{path} cannot be written; give a file's name that ends in {suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)


def pairs(switches: tuple[str, ...]) -> dict[str, str]:
    """What --set is given, ("fusion=concat", ...), by name. Raises ConfigError for one without a value."""
    wrong = [switch for switch in switches if "=" not in switch]
    if wrong:
        raise ConfigError(f"--set takes SWITCH=VALUE, not '{wrong[0]}'")
    return dict(switch.split("=", 1) for switch in switches)
