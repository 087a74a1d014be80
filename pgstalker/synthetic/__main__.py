"""python -m pgstalker.synthetic: write the cartoon presenter as a subject folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pgstalker.errors import PgsError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pgstalker.synthetic", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the subject folder to write")
    parser.add_argument("--seconds", type=float, default=16.0)
    parser.add_argument("--size", type=int, default=256, help="side of the square picture in px, even")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    from pgstalker.synthetic.presenter import make_subject

    try:
        make_subject(options.out, seconds=options.seconds, size=options.size, seed=options.seed)
    except PgsError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
