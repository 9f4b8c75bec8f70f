"""Problems of lines as text, each reason once."""

from collections.abc import Iterator, Sequence

from streams.app.amounts import counted
from streams.jsonlines import LineProblem

_SHOWN = 8
"""Ranges of line numbers in a message."""


def told_once(problems: Sequence[LineProblem], told: dict[tuple[str, str], int]) -> Iterator[str]:
    """
    Write problems in the order of their first lines; of many lines with one reason, the later ones as numbers.

    Args:
        problems: In the order of the lines.
        told: First line of each reason that was told before, by file and reason; it is updated.
    """
    lines: dict[tuple[str, str], list[int]] = {}
    for problem in problems:
        lines.setdefault((problem.file, problem.reason), []).append(problem.line)
    for (file, reason), numbers in lines.items():
        first = told.setdefault((file, reason), numbers[0])
        if first == numbers[0]:
            yield f"{file}:{first}: {reason}"
        more = [number for number in numbers if number != first]
        if more:
            yield f"{file}:{_ranges(more)}: the same as in line {first} ({counted(len(more), 'line')})"


def _ranges(numbers: Sequence[int]) -> str:
    """Write numbers in rising order as ranges, the first few."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    text = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges[:_SHOWN])
    return text if len(ranges) <= _SHOWN else f"{text}, ..."
