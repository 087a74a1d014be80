"""The presenters: python -m tools.presenter film NAME | sheet NAME | list"""

from __future__ import annotations

import sys
from pathlib import Path

import tyro

from pgstalker.errors import PgsError


def film(name: str, /, out: Path = Path("build/presenters"), size: int = 512, frames: int | None = None) -> None:
    """Draw a presenter's clip and its truth into OUT. Goes on where it was stopped."""
    from tools.presenter.film import film as make

    print(make(name, out, size=size, frames=frames))


def sheet(name: str, /, out: Path = Path("build/presenters/sheet.jpg"), size: int = 384) -> None:
    """Draw twelve views of a presenter."""
    from tools.presenter.sheet import draw_sheet

    out.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(name, out, size=size)
    print(out)


def list_presenters() -> None:
    """Say who there is."""
    from tools.presenter.looks import read_looks

    for name, look in read_looks().items():
        print(f"{name:8s} {look.title}")


if __name__ == "__main__":
    try:
        tyro.extras.subcommand_cli_from_dict({"film": film, "sheet": sheet, "list": list_presenters})
    except PgsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
