"""Counts, times, dollars and shares, formatted for people."""

from decimal import Decimal


def counted(number: int, noun: str) -> str:
    """Write how many there are of something."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write a time that was measured."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def usd(nusd: int) -> str:
    """Write nano-dollars as dollars, exactly, with at least four decimals."""
    amount = f"{Decimal(nusd) / 10**9:.9f}".rstrip("0")
    whole, _, decimals = amount.partition(".")
    return f"${whole}.{decimals:0<4}"


def share(part: int, whole: int) -> str:
    """Write a share as percent: two decimals, without a zero at the end."""
    if not whole:
        return "-"
    text = f"{Decimal(100 * part) / whole:.2f}"
    return f"{text.removesuffix('0')}%"


def percent(ppb: int, decimals: int = 1) -> str:
    """Write parts per billion as percent."""
    return f"{Decimal(ppb) / 10**7:.{decimals}f} %"
