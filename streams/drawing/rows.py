"""Charts of rows: sums, shifted values, spans of time."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.drawing.charts import Say, plain_number
from streams.drawing.elements import Node, element, plain
from streams.drawing.labels import LETTER, WIDTH, fitted, margin
from streams.drawing.scales import Scale, around

_ROW = 30


@dataclass(frozen=True, slots=True)
class SumOfParts:
    """A value as the sum of its parts, as one bar; parts below 0 go to the left."""

    label: str
    parts: Sequence[tuple[str, float]]
    total: str
    tone: int = 1


@dataclass(frozen=True, slots=True)
class Shift:
    """A value, and another that it would have to reach."""

    label: str
    start: float
    end: float | None
    note: str
    tone: int = 1


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time."""

    start: float
    end: float
    title: str
    tone: int = 1
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of one row."""

    label: str
    spans: Sequence[Span]
    note: str


def sums_chart(
    title: str,
    rows: Sequence[SumOfParts],
    width: int = WIDTH,
    *,
    mark: tuple[float, str] | None = None,
    most: float = 0.0,
) -> Node:
    """
    Draw sums, one beneath the other.

    Args:
        title: What a reader of the picture hears who cannot see it.
        rows: From top to bottom.
        width: Of the picture, in units.
        mark: A value that the sums are held against, and its name.
        most: Least value at the right end.
    """
    high = max([most, *(sum(v for _, v in row.parts if v > 0) for row in rows)], default=1.0)
    low = min([0.0, *(sum(v for _, v in row.parts if v < 0) for row in rows)])
    left = _margin([row.label for row in rows])
    room = 14 + LETTER * max((len(row.total) for row in rows), default=0)
    scale = Scale(low, high if high > low else low + 1, left, width - min(room, width * 0.35))
    top = 22 if mark else 4
    drawn: list[Node] = []
    for place, row in enumerate(rows):
        y = top + _ROW * place
        drawn.append(element("text", fitted(plain(row.label), 0.85 * (left - 12)), x=left - 10, y=y + 19, class_="end"))
        drawn += _parts(row, scale, y)
        drawn.append(element("text", row.total, x=width - 4, y=y + 19, class_="end"))
    bottom = top + _ROW * len(rows)
    drawn.append(element("line", x1=scale.at(0), x2=scale.at(0), y1=top - 2, y2=bottom, class_="base"))
    if mark is not None:
        x = scale.at(mark[0])
        drawn.append(element("line", x1=x, x2=x, y1=top - 4, y2=bottom, class_="zero"))
        drawn.append(element("text", mark[1], x=min(x + 4, width - 4), y=12, class_="axis end"))
    return _picture(title, bottom + 4, width, drawn)


def _parts(row: SumOfParts, scale: Scale, y: float) -> list[Node]:
    drawn = []
    ends = {True: 0.0, False: 0.0}
    for name, value in row.parts:
        start = ends[value >= 0]
        ends[value >= 0] = start + value
        x, end = sorted((scale.at(start), scale.at(start + value)))
        wide = max(end - x, 1.0)
        said = element("title", f"{name} {plain_number(value)}")
        drawn.append(element("rect", said, x=x, y=y + 4, width=wide, height=_ROW - 8, rx=2, class_="part"))
        if wide > LETTER * 3:
            drawn.append(element("text", fitted(plain(name), wide - 8), x=x + 5, y=y + 19, class_="on"))
    return [element("g", drawn, class_=f"tone{row.tone}")]


def shifts_chart(title: str, rows: Sequence[Shift], say: Say, width: int = WIDTH) -> Node:
    """
    Draw a value of each row, and the value that it would have to reach as a ring.

    Args:
        title: What a reader of the picture hears who cannot see it.
        rows: From top to bottom; a row without an end says so in its note. Values nearer than 0.1 lie on each other.
        say: Writes a value at the axis.
        width: Of the picture, in units.
    """
    values = [value for row in rows for value in (row.start, row.end) if value is not None]
    left = _margin([row.label for row in rows])
    notes = width >= WIDTH
    right = width - (LETTER * max((len(row.note) for row in rows), default=0) + 16 if notes else 12)
    scale = Scale(*around(values, about=4, least=0.1), left, max(right, width * 0.5))
    tall = 26 if notes else 40
    bottom = 6 + tall * len(rows)
    drawn = []
    for value in scale.ticks(4 if notes else 3):
        x = scale.at(value)
        drawn.append(element("line", x1=x, x2=x, y1=4, y2=bottom, class_="grid"))
        drawn.append(element("text", say(value), x=x, y=bottom + 15, class_="axis middle"))
    for place, row in enumerate(rows):
        y = 6 + tall * place + 13
        marks = [element("text", fitted(plain(row.label), 0.85 * (left - 12)), x=left - 10, y=y + 4, class_="end")]
        if row.end is not None:
            x, end = scale.at(row.start), scale.at(row.end)
            marks.append(element("line", x1=x, x2=end, y1=y, y2=y, class_="stroke"))
            marks.append(element("circle", cx=end, cy=y, r=5, class_="hollow"))
        marks.append(element("circle", cx=scale.at(row.start), cy=y, r=5, class_="fill"))
        at = {"x": width - 4, "y": y + 4} if notes else {"x": left, "y": y + 20}
        said = fitted(plain(row.note), width - left)
        marks.append(element("text", said, class_="axis end" if notes else "axis", **at))
        drawn.append(element("g", marks, class_=f"tone{row.tone}"))
    return _picture(title, bottom + 22, width, drawn)


def spans_chart(title: str, rows: Sequence[Spans], say: Say, width: int = WIDTH) -> Node:
    """
    Draw stretches of time, a row for each that acted.

    Args:
        title: What a reader of the picture hears who cannot see it.
        rows: From top to bottom.
        say: Writes a time at the axis.
        width: Of the picture, in units.
    """
    left = _margin([row.label for row in rows])
    room = LETTER * max((len(row.note) for row in rows), default=0) + 16 if width >= WIDTH else 12
    last = max((span.end for row in rows for span in row.spans), default=1.0)
    scale = Scale(0.0, max(last, 1.0), left, max(width - room, width * 0.5))
    bottom = 4 + _ROW * len(rows)
    drawn = []
    for value in scale.ticks(4 if width >= WIDTH else 3):
        x = scale.at(value)
        drawn.append(element("line", x1=x, x2=x, y1=4, y2=bottom, class_="grid"))
        drawn.append(element("text", say(value), x=x, y=bottom + 15, class_="axis middle"))
    for place, row in enumerate(rows):
        y = 4 + _ROW * place
        drawn.append(element("text", fitted(plain(row.label), 0.85 * (left - 12)), x=left - 10, y=y + 19, class_="end"))
        for span in row.spans:
            x = scale.at(span.start)
            look = f"{'hollow' if span.hollow else 'part'} tone{span.tone}"
            wide = max(scale.at(span.end) - x, 3.0)
            said = element("title", span.title)
            drawn.append(element("rect", said, x=x, y=y + 7, width=wide, height=_ROW - 14, rx=2, class_=look))
        if width >= WIDTH:
            drawn.append(element("text", row.note, x=width - 4, y=y + 19, class_="axis end"))
    return _picture(title, bottom + 22, width, drawn)


def _margin(labels: Sequence[str]) -> float:
    """Give the room left of rows; a short name may have wide letters."""
    return margin(labels, 0.3) + 8


def _picture(title: str, height: float, width: int, parts: Sequence[Node]) -> Node:
    style = None if width == WIDTH else f"max-width: {width / 16:g}rem"
    box = f"0 0 {width} {height:g}"
    return element("svg", element("title", title), parts, viewBox=box, role="img", aria_label=title, style=style)
