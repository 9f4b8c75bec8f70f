"""Self-contained pages: one file with its style, and no script."""

from collections.abc import Callable, Sequence
from importlib.resources import files

from streams.drawing.elements import Child, Node, element, write
from streams.drawing.flow import NARROW
from streams.drawing.labels import WIDTH

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The page asks no other host for anything, and runs nothing."""


def page(title: str, *content: Child | Sequence[Child]) -> str:
    """
    Write a page.

    Args:
        title: Of the window or tab.
        content: What the page shows, a heading first.

    Returns:
        HTML, complete in one file: light and dark as the reader's system is, and printable.
    """
    style = element("style")
    # Not escaped, as HTML wants it: the text is our own.
    style.text = files("streams.drawing").joinpath("page.css").read_text("utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        style,
    )
    return "<!doctype html>\n" + write(element("html", head, element("body", element("main", *content)), lang="en"))


def section(title: str, *content: Child | Sequence[Child]) -> Node:
    """Make a part of a page with a heading."""
    return element("section", element("h2", title), *content)


def figure(picture: Node, caption: str, data: Node | None = None, legend: Sequence[tuple[str, int]] = ()) -> Node:
    """
    Show a picture with what it says, and its numbers as a table beneath.

    Args:
        picture: An SVG.
        caption: What is to be seen, in a sentence or two.
        data: The table; it is folded up until the reader opens it.
        legend: Names and tones.
    """
    return element(
        "figure",
        element("div", picture, class_="scroll"),
        element("ul", [element("li", name, class_=f"tone{tone}") for name, tone in legend], class_="legend")
        if legend
        else None,
        element("figcaption", caption),
        None if data is None else element("details", element("summary", "The numbers"), data),
    )


def both_widths(draw: Callable[[int], Node], wide: int = WIDTH) -> Node:
    """Draw for a wide page and for a telephone; the style shows one of them."""
    return element("div", element("div", draw(wide), class_="wide"), element("div", draw(NARROW), class_="narrow"))


def side_by_side(*figures: Node) -> Node:
    """Show figures beside each other where there is room."""
    return element("div", *figures, class_="side")


def table(head: Sequence[str], rows: Sequence[Sequence[Child]], figures: Sequence[int] = ()) -> Node:
    """
    Make a table.

    Args:
        head: Names of the columns.
        rows: Cells; None is an empty one.
        figures: Places of the columns that hold numbers and are set to the right.
    """

    def cells(kind: str, row: Sequence[Child]) -> list[Node]:
        return [
            element(kind, cell, class_="figure" if place in figures else None, scope="col" if kind == "th" else None)
            for place, cell in enumerate(row)
        ]

    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", cells("th", head))),
            element("tbody", [element("tr", cells("td", row)) for row in rows]),
        ),
        class_="scroll",
    )
