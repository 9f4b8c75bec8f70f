"""Pages inside a notebook."""

from html import escape

from streams.drawing.elements import Child
from streams.drawing.page import page


class InNotebook:
    """
    Content that a notebook shows in a frame of its own, so that neither changes the other's style.

    Args:
        title: What a reader of the page hears who cannot see it.
        content: Figures and tables.
        height: Height of the frame in pixels.
    """

    def __init__(self, title: str, *content: Child, height: int = 360) -> None:
        self.html = page(title, *content)
        self._title, self._height = title, height

    def _repr_html_(self) -> str:
        style = f"width:100%;height:{self._height}px;border:0"
        return f'<iframe title="{escape(self._title)}" srcdoc="{escape(self.html)}" style="{style}"></iframe>'
