"""Quantities of events, rounded and formatted for people."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from schemas.quantities import NS_PER_MS, PPB

_SHORT_ID = 12


def short(event_id: str | None) -> str:
    """Cut an event id to its first digits."""
    return "none" if event_id is None else event_id[:_SHORT_ID]


def ratio(ppb: int) -> str:
    """Write parts per billion as a ratio with three decimals."""
    return f"{ppb / PPB:.3f}"


def signed(ppb: int) -> str:
    """Write a term of a sum, with its sign."""
    return f"{ppb / PPB:+.3f}"


def ms_of_ns(ns: int) -> str:
    """Write nanoseconds as milliseconds."""
    return f"{ns / NS_PER_MS:,.0f} ms"


def usd(nusd: int) -> str:
    """Write nano-dollars as dollars, exactly, with at least four decimals."""
    amount = f"{Decimal(nusd) / 10**9:.9f}".rstrip("0")
    whole, _, decimals = amount.partition(".")
    return f"${whole}.{decimals:0<4}"


def dollars(pusd: int) -> str:
    """Write pico-dollars as dollars, to the millionth."""
    return f"${pusd / 10**12:.6f}"


def weight(tallied: int, *, votes: bool) -> str:
    """Write a ballot's weight: a number of votes, or micro-nats as nats."""
    return str(tallied) if votes else f"{tallied / 10**6:.3f}"


def count_of(number: int, thing: str) -> str:
    """Write a number of things."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def seen(observed: Mapping[str, int]) -> str:
    """Write the observed values."""
    writers: tuple[tuple[str, Callable[[int], str]], ...] = (
        ("quality_ppb", lambda ppb: f"quality {ratio(ppb)}"),
        ("latency_ms", lambda ms: f"{ms:,} ms"),
        ("cost_nusd", usd),
        ("stability_ppb", lambda ppb: f"stability {ratio(ppb)}"),
    )
    return ", ".join(write(observed[name]) for name, write in writers if name in observed)
