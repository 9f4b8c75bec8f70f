"""Counts, times and shares, formatted for people."""

from decimal import Decimal


def counted(number: int, noun: str) -> str:
    """Write how many there are of something."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write a time that was measured."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def share(part: int, whole: int) -> str:
    """Write a share as percent: two decimals, without a zero at the end."""
    if not whole:
        return "-"
    text = f"{Decimal(100 * part) / whole:.2f}"
    return f"{text.removesuffix('0')}%"


def interval(low: float, high: float) -> str:
    """Write a 95 % interval of a share as percent."""
    return f"{100 * low:.1f} to {100 * high:.1f}%"


def percent(ppb: int, decimals: int = 1) -> str:
    """Write parts per billion as percent."""
    return f"{Decimal(ppb) / 10**7:.{decimals}f} %"
