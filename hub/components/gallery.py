"""The shelf of avatars: a radio group whose choices carry their pictures, so that keyboard and screen reader work."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable

from hub.jobs import Gallery, Sitter

SIDE_PX = 144


def gallery_style(gallery: Gallery) -> str:
    """The style that puts each avatar's picture over its choice in #who."""
    return portraits_style(gallery.sitters.values())


def portraits_style(sitters: Iterable[Sitter]) -> str:
    """The same for some avatars: one that joins the list later brings its own."""
    rules = "".join(
        f'#who label:has(input[value="{sitter.id}"])::before{{background-image:url({portrait(sitter)})!important}}'
        for sitter in sitters
        if sitter.id.replace("-", "").replace("_", "").isalnum()
    )
    return f"<style>{rules}</style>"


def portrait(sitter: Sitter) -> str:
    """A small picture of the avatar as a data URI: no file has to be served."""
    from PIL import Image

    with Image.open(sitter.poster) as picture:
        small = picture.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    small.save(content, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
