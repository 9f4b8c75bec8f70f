"""Charts with axes: intervals, points, lines and bars."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.drawing.elements import Node, element
from streams.drawing.labels import LETTER, WIDTH, fitted, margin
from streams.drawing.scales import Scale, around

_ROW = 26

Say = Callable[[float], str]


def percent(value: float) -> str:
    """Write a share as a percentage with one decimal."""
    return f"{100 * value:.1f} %"


def _tick(say: Say, value: float) -> str:
    """Write a value at an axis: without decimals that are all 0."""
    return re.sub(r"\.0+(?!\d)", "", say(value))


def plain_number(value: float) -> str:
    """Write a number with three significant digits and no exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    written = f"{value:,.{places}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval, as one row of a chart."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    tone: int = 1
    hollow: bool = False
    """Drawn as a ring: a bound that nothing reaches, or no result of its own."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A point with a name."""

    label: str
    x: float
    y: float
    tone: int = 1
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Polyline:
    """A line through points, by rising x."""

    label: str
    points: Sequence[tuple[float, float]]
    tone: int = 1


def estimates_chart(
    title: str,
    rows: Sequence[Estimate],
    say: Say = percent,
    *,
    zero: bool = False,
    width: int = WIDTH,
) -> Node:
    """
    Draw values with their intervals, one beneath the other.

    Args:
        title: What a reader of the picture hears who cannot see it.
        rows: From top to bottom.
        say: Writes a value.
        zero: Whether 0 is a line of its own, as for differences.
        width: Of the picture, in units.
    """
    ends = [end for row in rows for end in (row.low, row.high, row.value) if end is not None]
    about = max(width // 120, 3)
    low, high = around([*ends, 0.0] if zero else ends, about=about, least=0.01)
    left = margin([row.label for row in rows], 0.45, width)
    scale = Scale(low, high, left, width - 74)
    bottom = 8 + _ROW * len(rows)
    parts = [_x_grid(scale, 4, bottom, say, about)]
    if zero:
        parts.append([element("line", x1=scale.at(0), x2=scale.at(0), y1=4, y2=bottom, class_="zero")])
    for place, row in enumerate(rows):
        y = 8 + _ROW * (place + 0.5)
        marks = [element("text", fitted(row.label, left - 12), x=left - 10, y=y + 4, class_="end")]
        if row.low is not None and row.high is not None:
            marks.append(element("line", x1=scale.at(row.low), x2=scale.at(row.high), y1=y, y2=y, class_="stroke"))
        marks.append(element("circle", cx=scale.at(row.value), cy=y, r=5, class_="hollow" if row.hollow else "fill"))
        marks.append(element("text", say(row.value), x=width - 4, y=y + 4, class_="end"))
        parts.append([element("g", marks, class_=f"tone{row.tone}")])
    return _picture(title, bottom + 24, parts, width)


def scatter_chart(
    title: str, dots: Sequence[Dot], x_label: str, y_label: str, front: Sequence[tuple[float, float]] = ()
) -> Node:
    """
    Draw named points, and the front that none of them passes as steps.

    Args:
        title: What a reader of the picture hears who cannot see it.
        dots: The points.
        x_label: Quantity and unit of the horizontal axis.
        y_label: The same of the vertical one, whose values are shares.
        front: Points of the front by rising x.
    """
    height = 380
    x_scale = Scale(*around([dot.x for dot in dots], least=1e-9), 62, WIDTH - 20)
    y_scale = Scale(*around([dot.y for dot in dots], least=0.02), height - 44, 24)
    parts = [_x_grid(x_scale, 24, height - 44, plain_number), _y_grid(y_scale, 62, WIDTH - 20, percent)]
    parts.append(_axis_names(x_label, y_label, height))
    if front:
        steps = [f"M{x_scale.at(front[0][0]):.1f} {y_scale.at(front[0][1]):.1f}"]
        steps += [f"H{x_scale.at(x):.1f} V{y_scale.at(y):.1f}" for x, y in front[1:]]
        parts.append([element("path", d=" ".join([*steps, f"H{WIDTH - 20}"]), class_="front")])
    # A name stands on no point either.
    taken = [(x_scale.at(dot.x) - 7, x_scale.at(dot.x) + 7, y_scale.at(dot.y) + 4) for dot in dots]
    for dot in sorted(dots, key=lambda dot: -dot.y):
        x, y = x_scale.at(dot.x), y_scale.at(dot.y)
        mark = element("circle", cx=x, cy=y, r=5, class_="hollow" if dot.hollow else "fill")
        parts.append([element("g", mark, _name_beside(dot.label, x, y, taken), class_=f"tone{dot.tone}")])
    return _picture(title, height, parts)


def line_chart(
    title: str,
    series: Sequence[Polyline],
    x_label: str,
    y_label: str,
    say: Say = percent,
    *,
    least: float = 0.05,
    width: int = WIDTH,
) -> Node:
    """
    Draw lines over a common axis; a legend beside the picture names them by their tones.

    Args:
        title: What a reader of the picture hears who cannot see it.
        series: The lines.
        x_label: Quantity and unit of the horizontal axis.
        y_label: The same of the vertical one.
        say: Writes a value of the vertical axis.
        least: Smallest distance of the ends of the vertical axis.
        width: Of the picture, in units.
    """
    height = 320
    points = [point for one in series for point in one.points]
    x_scale = Scale(*_ends([x for x, _ in points]), 62, width - 20)
    y_scale = Scale(*around([y for _, y in points], least=least), height - 44, 24)
    parts = [_x_grid(x_scale, 24, height - 44, plain_number), _y_grid(y_scale, 62, width - 20, say)]
    parts.append(_axis_names(x_label, y_label, height, width - 20))
    for one in series:
        path = " L".join(f"{x_scale.at(x):.1f} {y_scale.at(y):.1f}" for x, y in one.points)
        if path:
            shown = element("title", one.label)
            parts.append([element("path", shown, d=f"M{path}", class_=f"stroke tone{one.tone}")])
    return _picture(title, height, parts, width)


def bar_chart(title: str, bars: Sequence[Estimate], say: Say = plain_number, *, width: int = WIDTH) -> Node:
    """
    Draw values as bars from 0, one beneath the other; values below 0 go to the left.

    Args:
        title: What a reader of the picture hears who cannot see it.
        bars: Label, value and tone; intervals are not drawn.
        say: Writes a value.
        width: Of the picture, in units.
    """
    low, high = around([0.0, *(bar.value for bar in bars)], least=1e-9)
    left = margin([bar.label for bar in bars], 0.45, width)
    scale = Scale(low, high, left, width - 90)
    parts: list[list[Node]] = []
    for place, bar in enumerate(bars):
        y = 6 + _ROW * place
        ends = sorted((scale.at(0), scale.at(bar.value)))
        look = "hollow" if bar.hollow else "fill"
        parts.append(
            [
                element("text", fitted(bar.label, left - 12), x=left - 10, y=y + 16, class_="end"),
                element(
                    "rect",
                    x=ends[0],
                    y=y + 3,
                    width=max(ends[1] - ends[0], 1),
                    height=_ROW - 8,
                    rx=2,
                    class_=f"{look} tone{bar.tone}",
                ),
                element("text", say(bar.value), x=width - 4, y=y + 16, class_="end"),
            ]
        )
    bottom = 6 + _ROW * len(bars)
    parts.append([element("line", x1=scale.at(0), x2=scale.at(0), y1=2, y2=bottom, class_="base")])
    return _picture(title, bottom + 6, parts, width)


def reliability_chart(title: str, bins: Sequence[tuple[float, float, int]], tone: int = 1) -> Node:
    """
    Draw how often answers were right beside how sure the rule was of them.

    Args:
        title: What a reader of the picture hears who cannot see it.
        bins: Mean posterior, accuracy and number of answers of each bin; a larger circle stands for more answers.
        tone: Of the circles.
    """
    height = 360
    scale_x, scale_y = Scale(0, 1, 62, 378), Scale(0, 1, height - 44, 24)
    most = max((count for _, _, count in bins), default=1)
    parts = [_x_grid(scale_x, 24, height - 44, percent, 4), _y_grid(scale_y, 62, 378, percent)]
    names = _axis_names("posterior of the answer", "share that was right", height, 378)
    line = element("line", x1=62, y1=height - 44, x2=378, y2=24, class_="zero")
    parts += [names, [line]]
    for sure, right, count in bins:
        shown = element("title", f"posterior {percent(sure)}, right {percent(right)}, {count:,} answers")
        radius = 3 + 11 * math.sqrt(count / most)
        circle = element("circle", shown, cx=scale_x.at(sure), cy=scale_y.at(right), r=radius, class_="hollow")
        parts.append([element("g", circle, class_=f"tone{tone}")])
    return _picture(title, height, parts, 400)


def _picture(title: str, height: float, parts: Sequence[Sequence[Node]], width: int = WIDTH) -> Node:
    box = f"0 0 {width} {height:g}"
    style = None if width == WIDTH else f"max-width: {width / 16:g}rem"
    return element("svg", element("title", title), *parts, viewBox=box, role="img", aria_label=title, style=style)


def _x_grid(scale: Scale, top: float, bottom: float, say: Say, about: int = 5) -> list[Node]:
    drawn = []
    for value in scale.ticks(about):
        x = scale.at(value)
        drawn.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"))
        drawn.append(element("text", _tick(say, value), x=x, y=bottom + 16, class_="axis middle"))
    return drawn


def _y_grid(scale: Scale, left: float, right: float, say: Say) -> list[Node]:
    drawn = []
    for value in scale.ticks():
        y = scale.at(value)
        drawn.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="grid"))
        drawn.append(element("text", _tick(say, value), x=left - 6, y=y + 4, class_="axis end"))
    return drawn


def _axis_names(x_label: str, y_label: str, height: float, right: float = WIDTH - 20) -> list[Node]:
    return [
        element("text", x_label, x=right, y=height - 8, class_="axis end"),
        element("text", y_label, x=4, y=12, class_="axis"),
    ]


def _name_beside(label: str, x: float, y: float, taken: list[tuple[float, float, float]]) -> Node:
    """Write a point's name where nothing else stands: right of it, left of it, or further down."""
    wide = LETTER * len(label)
    to_left = x + 10 + wide > WIDTH - 4
    start = x - 10 - wide if to_left else x + 10
    place = y + 4
    while any(abs(place - other) < 13 and start < end + 6 and begin < start + wide + 6 for begin, end, other in taken):
        place += 13
    taken.append((start, start + wide, place))
    return element("text", label, x=x - 10 if to_left else x + 10, y=place, class_="halo end" if to_left else "halo")


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (0.0, 1.0)
