"""Chart of steps: groups of boxes, one beneath the other."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from streams.drawing.elements import Node, element, plain
from streams.drawing.labels import LETTER, WIDTH, fitted

NARROW = 340
"""Units of a picture's width on a telephone, so that its letters stay as large as the text."""

_PAD, _GAP, _LINE, _HEAD, _ARROW = 10, 8, 16, 24, 20
_BOLD, _LARGE = 1.12, 1.6
"""Width of bold letters, and of those of a badge, beside plain ones."""
_SHORT_BADGE = 8
"""Letters of a badge that a box is made wide for."""
_MOST_LINES = 4
"""Lines into which one text is broken."""


@dataclass(frozen=True, slots=True)
class Box:
    """One thing in a group."""

    name: str
    lines: Sequence[str] = ()
    badge: str = ""
    """Set large beside the name, in the box's tone."""
    tone: int = 0
    look: Literal["plain", "hollow", "strong"] = "plain"
    """`hollow`: it did not count; `strong`: filled with its tone."""


@dataclass(frozen=True, slots=True)
class Group:
    """What happened at one time."""

    name: str
    note: str
    boxes: Sequence[Box]


def flow_chart(title: str, groups: Sequence[Group], width: int = WIDTH) -> Node:
    """
    Draw groups of boxes, an arrow from each group to the next.

    Args:
        title: What a reader of the picture hears who cannot see it.
        groups: From first to last.
        width: Of the picture, in units; `NARROW` for telephones.
    """
    y = 1.0
    parts: list[Node] = []
    for place, group in enumerate(groups):
        if place:
            parts.append(_arrow(width / 2, y))
            y += _ARROW
        high, drawn = _group(group, y, width)
        parts += drawn
        y += high
    narrow = f"max-width: {width / 16:g}rem" if width != WIDTH else None
    box = f"0 0 {width} {y + 1:g}"
    return element("svg", element("title", title), parts, viewBox=box, role="img", aria_label=title, style=narrow)


def _arrow(x: float, y: float) -> Node:
    end = y + _ARROW
    shaft = element("path", d=f"M{x:g} {y:g}V{end - 5:g}", class_="link")
    head = element("path", d=f"M{x - 4:g} {end - 6:g}L{x:g} {end - 1:g}L{x + 4:g} {end - 6:g}Z", class_="head")
    return element("g", shaft, head)


def _group(group: Group, y: float, width: int) -> tuple[float, list[Node]]:
    """Draw one group; give its height too."""
    inner = width - 2 * _PAD
    columns = _columns(group.boxes, inner)
    wide = (inner - _GAP * (columns - 1)) / columns
    drawn: list[Node] = []
    notes = _folded(group.note, inner - 2)
    beside = LETTER * (_BOLD * len(group.name) + len(group.note)) + 16 <= inner
    top = y + _HEAD + (0 if beside else _LINE * len(notes))
    boxes = [
        replace(box, lines=[part for line in box.lines for part in _folded(line, wide - 14)]) for box in group.boxes
    ]
    for start in range(0, len(boxes), columns):
        row = boxes[start : start + columns]
        tall = 24 + _LINE * max(len(box.lines) for box in row)
        for place, box in enumerate(row):
            drawn.append(_box(box, _PAD + place * (wide + _GAP), top, wide, tall))
        top += tall + _GAP
    high = top - y + (_PAD - _GAP if group.boxes else 2)
    frame = element("rect", x=1, y=y, width=width - 2, height=high, rx=8, class_="group")
    name = element("text", fitted(group.name, inner), x=_PAD + 1, y=y + 16, class_="name")
    if beside:
        said = [element("text", group.note, x=width - _PAD - 1, y=y + 16, class_="axis end")]
    else:
        lines = enumerate(notes, 1)
        said = [element("text", line, x=_PAD + 1, y=y + 16 + _LINE * number, class_="axis") for number, line in lines]
    return high, [frame, name, *said, *drawn]


def _folded(text: str, room: float) -> list[str]:
    """Break a text into lines that fit; of a very long one the beginning."""
    lines = textwrap.wrap(plain(text), max(int(room / LETTER), 8))
    return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1] + "…"]


def _columns(boxes: Sequence[Box], inner: float) -> int:
    """Give as many columns as leave each box the room of its longest line; at most four, and two on a telephone."""
    longest = max((max([_length(box.name, box), *map(len, box.lines)]) for box in boxes), default=0)
    most = 4 if inner > NARROW else 2
    least = 1 if inner > NARROW or len(boxes) == 1 else 2
    return max(min(most, int((inner + _GAP) / (LETTER * longest + 16 + _GAP))), least)


def _length(name: str, box: Box) -> int:
    badge = min(len(box.badge), _SHORT_BADGE)
    return int(_BOLD * len(name)) + (2 + int(_LARGE * badge) if badge else 0)


def _box(box: Box, x: float, y: float, wide: float, tall: float) -> Node:
    badge, name = fitted(plain(box.badge), wide / 3 / _LARGE), plain(box.name)
    taken = LETTER * _LARGE * len(badge) + 10 if badge else 0
    look = {"plain": "box", "hollow": "box dashed", "strong": "box solid"}[box.look]
    parts = [
        element("title", " · ".join([name, *box.lines])),
        element("rect", x=x, y=y, width=wide, height=tall, rx=5, class_=look),
        element("text", fitted(name, (wide - 16 - taken) / _BOLD), x=x + 8, y=y + 17, class_="name"),
        *(
            element("text", fitted(line, wide - 14), x=x + 8, y=y + 17 + _LINE * number, class_="axis")
            for number, line in enumerate(box.lines, 1)
        ),
    ]
    if badge:
        parts.append(element("text", badge, x=x + wide - 8, y=y + 18, class_="badge end"))
    return element("g", parts, class_=f"tone{box.tone}")
