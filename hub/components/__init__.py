"""Parts of the page that Gradio does not have: each is a gr.HTML with a script of its own.

They are functions, because Gradio writes a file beside every module that subclasses a component.
"""

from hub.components.gallery import gallery_style, portraits_style
from hub.components.header import header
from hub.components.sortable import Column, sortable, table_html
from hub.components.sync_compare import sync_compare

__all__ = ["Column", "gallery_style", "header", "portraits_style", "sortable", "sync_compare", "table_html"]
