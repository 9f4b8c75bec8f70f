"""Figures as text: number formats and a Markdown report."""

from collections.abc import Mapping, Sequence
from typing import Any

from infra.bench.figures import Figure

COLUMNS = ("what", "median", "min", "max", "unit", "target", "reached")


def number(value: float) -> str:
    """Write a figure with three significant digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def row(figure: Figure) -> tuple[str, ...]:
    """Write the cells of one figure, by `COLUMNS`."""
    wanted = "" if figure.target is None else f"{'≥' if figure.more_is_better else '≤'} {number(figure.target)}"
    met = {True: "met", False: "missed", None: ""}[figure.met]
    spread = (number(min(figure.values)), number(max(figure.values)))
    return (figure.name, number(figure.median), *spread, figure.unit, wanted, met)


def machine_line(about: Mapping[str, Any]) -> str:
    """Say in one line what the figures depend on."""
    broker = f"broker {about['broker']}, " if "broker" in about else ""
    return (
        f"{about['cores']} cores ({about['processor']}), Python {about['python']}, SQLite {about['sqlite']},"
        f" {about['system']}, {broker}logs on {about['file_system']}, load {about['load']} at the start"
    )


def notes(figures: Sequence[Figure]) -> list[str]:
    """List the notes of all figures, each once."""
    return list(dict.fromkeys(figure.note for figure in figures if figure.note))


def markdown(about: Mapping[str, Any], measured: Sequence[tuple[str, Sequence[Figure]]]) -> str:
    """Write a whole run as Markdown, one table for each benchmark."""
    lines = ["# Figures", "", f"{machine_line(about)}. Written by `orch bench --report`.", ""]
    for title, figures in measured:
        lines += [f"## {title}", "", f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
        lines += [f"| {' | '.join(row(figure))} |" for figure in figures]
        lines += ["", *(f"- {note}" for note in notes(figures)), ""]
    return "\n".join(lines)
