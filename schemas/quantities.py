"""
Field types with a unit and a range.

Times are text in UTC; amounts are integers.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from schemas.canonical import MAX_INTEGER

PPB = 1_000_000_000
"""One, in parts per billion."""
NS_PER_MS = 1_000_000
PUSD_PER_NUSD = 1_000
"""
Pico-dollars in a nano-dollar: averages of costs are finer than costs, so that rounding errors never add up to one
nano-dollar.
"""

INSTANT_PATTERN = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$"

Ppb = Annotated[int, Field(ge=0, le=PPB)]
SignedPpb = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Positive = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
MAX_MS = 10**9
"""Longest time an event can hold, eleven days: in nanoseconds it is still an exact integer."""
MAX_CALL_NUSD = 10**12
"""Highest cost of one call, a thousand dollars: so that sums over a question stay exact."""

Ms = Annotated[int, Field(ge=0, le=MAX_MS)]
Ns = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Nusd = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
CallNusd = Annotated[int, Field(ge=0, le=MAX_CALL_NUSD)]
Pusd = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
MicroNats = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]

EventId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# A name is a record key and a line in tables and logs: no control characters, no spaces around it.
Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
    ),
]
AgentName = Annotated[str, StringConstraints(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$")]
Instant = Annotated[str, StringConstraints(pattern=INSTANT_PATTERN)]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(INSTANT_PATTERN)


def instant_of_ms(unix_ms: int) -> str:
    """
    Write a record timestamp as event time.

    Args:
        unix_ms: Milliseconds since 1970-01-01 UTC, as Kafka and the embedded log keep them.

    Returns:
        RFC 3339 in UTC with exactly three decimals, so that comparing text compares time.
    """
    try:
        at = _EPOCH + timedelta(milliseconds=unix_ms)
    except OverflowError:
        raise ValueError(f"timestamp {unix_ms} ms is outside the years 1 to 9999") from None
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z".rjust(24, "0")


# All seats of a stage count from one event, so the same instant is read several times in a row.
@lru_cache(maxsize=1024)
def ms_of_instant(instant: str) -> int:
    """Count the milliseconds from 1970-01-01 UTC to *instant*; the inverse of `instant_of_ms`."""
    return (datetime.fromisoformat(instant) - _EPOCH) // timedelta(milliseconds=1)


def later(instant: str, ms: int) -> str:
    """Move *instant* by *ms* milliseconds."""
    return instant_of_ms(ms_of_instant(instant) + ms)


def normal_instant(given: object) -> object:
    """
    Read a producer's time: RFC 3339 text with any offset, or integer milliseconds since 1970-01-01 UTC.

    Returns:
        The instant in the one form events use; decimals beyond milliseconds are cut off. A value that is neither text
        nor an integer is returned unchanged, and the field's own check refuses it.

    Raises:
        ValueError: Text that is no RFC 3339 time, or a time without an offset.
    """
    if isinstance(given, int) and not isinstance(given, bool):
        return instant_of_ms(given)
    if not isinstance(given, str):
        return given
    if _INSTANT.match(given):
        datetime.fromisoformat(given)
        return given
    at = datetime.fromisoformat(given)
    if at.tzinfo is None:
        raise ValueError(f"time {given!r} has no offset: end it with Z or +hh:mm")
    return instant_of_ms((at - _EPOCH) // timedelta(milliseconds=1))


GivenInstant = Annotated[Instant, BeforeValidator(normal_instant)]
"""An instant in any form that producers may write, stored in the one form events use."""
