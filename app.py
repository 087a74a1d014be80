"""Start the page: python app.py [--host 127.0.0.1] [--port 7860] [--device auto] [--auth NAME:PASSWORD] [--mcp]

README.md says what each switch is for."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from pgstalker.errors import PgsError


def main() -> int:
    parser = argparse.ArgumentParser(description="PGSTalker in the browser.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT", "7860")))
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--avatars", type=Path, default=Path("avatars"), help="folder with your own avatars")
    parser.add_argument("--jobs", type=Path, default=Path("jobs"), help="folder where new avatars are made")
    parser.add_argument("--auth", type=_pair, metavar="NAME:PASSWORD", help="ask visitors for both")
    parser.add_argument("--contact", default="", metavar="ADDRESS", help="whom to tell of a video, for the page's foot")
    parser.add_argument("--mcp", action="store_true", help="let language models call the endpoints too")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from hub.app import serve

    try:
        serve(**vars(options))
    except PgsError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _pair(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("give it as NAME:PASSWORD")
    return user, password


if __name__ == "__main__":
    sys.exit(main())
