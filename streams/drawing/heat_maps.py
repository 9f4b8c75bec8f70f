"""Tables of shaded cells."""

from collections.abc import Callable, Mapping, Sequence

from streams.drawing.elements import Node, element
from streams.drawing.labels import LETTER, WIDTH, fitted, margin

_CELL_HIGH = 28
_MOST_LETTERS = 28


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Mapping[tuple[str, str], float],
    say: Callable[[float], str],
    *,
    ends: tuple[float, float] | None = None,
) -> Node:
    """
    Draw one shaded cell for each row and column.

    Args:
        title: What a reader of the picture hears who cannot see it.
        rows: From top to bottom.
        columns: From left to right.
        values: By row and column; a cell without one stays empty.
        say: Writes a value.
        ends: The values of no and of full shade; else the least and the greatest of *values*. Below 0 another hue
            stands for as much less.
    """
    left = margin(rows, 0.35)
    wide = min((WIDTH - left - 4) / max(len(columns), 1), 92.0)
    low, high = ends or (min(values.values(), default=0.0), max(values.values(), default=1.0))
    longest = max((len(column) for column in columns), default=0)
    # Names that do not fit over their columns are written upwards.
    slanted = LETTER * longest > wide - 4
    top = 10 + 0.6 * LETTER * min(longest, _MOST_LETTERS) + 10 if slanted else 26
    drawn = [_column_name(column, left + wide * (place + 0.5), top, slanted) for place, column in enumerate(columns)]
    for down, row in enumerate(rows):
        y = top + _CELL_HIGH * down
        drawn.append(element("text", fitted(row, left - 8), x=left - 8, y=y + 18, class_="end"))
        for right, column in enumerate(columns):
            value = values.get((row, column))
            if value is None:
                continue
            x = left + wide * right
            drawn.append(
                element(
                    "rect",
                    element("title", f"{row}, {column}: {say(value)}"),
                    x=x + 1,
                    y=y + 1,
                    width=wide - 2,
                    height=_CELL_HIGH - 2,
                    rx=3,
                    class_="cold" if value < 0 else "heat",
                    fill_opacity=0.65 * _shade(value, low, high),
                )
            )
            if wide >= LETTER * len(say(value)) + 2:
                drawn.append(element("text", say(value), x=x + wide / 2, y=y + 18, class_="middle"))
    height = top + _CELL_HIGH * len(rows) + 4
    width = left + wide * len(columns) + (0.8 * LETTER * min(longest, _MOST_LETTERS) if slanted else 4)
    box = f"0 0 {width:g} {height:g}"
    # On a narrow screen it scrolls, because nobody reads letters half as large.
    size = f"max-width: {width / 14:g}rem; --legible: {width / 18:g}rem"
    return element("svg", element("title", title), drawn, viewBox=box, role="img", aria_label=title, style=size)


def _column_name(name: str, x: float, top: float, slanted: bool) -> Node:
    if not slanted:
        return element("text", name, x=x, y=top - 10, class_="axis middle")
    turned = f"rotate(-36 {x:.1f} {top - 6:.1f})"
    return element("text", fitted(name, LETTER * _MOST_LETTERS), x=x - 4, y=top - 6, class_="axis", transform=turned)


def _shade(value: float, low: float, high: float) -> float:
    if value < 0:
        return min(abs(value) / max(abs(low), abs(high), 1e-9), 1.0)
    if low < 0:
        return min(value / max(abs(low), abs(high), 1e-9), 1.0)
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5
