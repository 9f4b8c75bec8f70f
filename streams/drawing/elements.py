"""Elements of HTML and SVG, escaped by the standard library."""

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Sequence

Node = ET.Element
Child = Node | str | None

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\ud800-\udfff]")
"""Characters that no HTML document may hold, and marks of direction and line that nobody sees."""


def element(tag: str, /, *children: Child | Sequence[Child], **attributes: str | float | None) -> Node:
    """
    Make one element.

    Args:
        tag: Its name.
        children: Elements and texts in order, or sequences of them; None is left out. Texts are escaped when written.
        attributes: `class_` stands for `class`, an underscore inside a name for a hyphen. None leaves one out; numbers
            are written with at most two decimals.
    """
    written = {
        name.rstrip("_").replace("_", "-"): _attribute(value) for name, value in attributes.items() if value is not None
    }
    node = ET.Element(tag, written)
    last: Node | None = None
    for child in _flat(children):
        if isinstance(child, str):
            said = plain(child)
            if last is None:
                node.text = (node.text or "") + said
            else:
                last.tail = (last.tail or "") + said
        else:
            node.append(child)
            last = child
    return node


def write(node: Node) -> str:
    """Write an element with all it holds, as HTML."""
    return ET.tostring(node, encoding="unicode", method="html")


def plain(text: str) -> str:
    """Show characters that a page cannot hold, or that change the direction of what follows, as their code."""
    return "".join(
        f"<U+{ord(c):04X}>" if _CONTROL.match(c) or unicodedata.bidirectional(c) in _TURNING else c for c in text
    )


_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def number(value: float) -> str:
    """Write a number with at most two decimals."""
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def _attribute(value: str | float) -> str:
    return plain(value) if isinstance(value, str) else number(value)


def _flat(children: Sequence[Child | Sequence[Child]]) -> list[Node | str]:
    flat: list[Node | str] = []
    for child in children:
        if child is None:
            continue
        # A text and an element are sequences, too.
        if isinstance(child, str | ET.Element):
            flat.append(child)
        else:
            flat.extend(_flat(child))
    return flat
