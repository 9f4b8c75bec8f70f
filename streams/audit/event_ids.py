"""Events by their id, or by its first digits."""

import re
from collections.abc import Iterable

from streams.audit.entry_lookup import event_id_of
from streams.errors import UsageError
from streams.log import Record

LEAST_DIGITS = 12
"""Digits of an id that people are shown, and that name an event: 48 bits, which no log repeats by chance."""

_DIGITS = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},64}}")


def may_be_id(given: str) -> bool:
    """Say whether a text has the form of an event's id, or of the beginning of one."""
    return _DIGITS.fullmatch(given) is not None


def find_event(records: Iterable[Record], digits: str, *, among: str) -> Record | None:
    """
    Find the only event whose id begins with some digits.

    Args:
        records: Those to look through; one event may be there more than once.
        digits: As `may_be_id` takes them.
        among: Name of what is looked through, for the message.

    Returns:
        Its first record; None if there is none.

    Raises:
        UsageError: Several events have such an id.
    """
    found: dict[str, Record] = {}
    for record in records:
        event_id = event_id_of(record.value)
        if event_id.startswith(digits):
            found.setdefault(event_id, record)
    if len(found) > 1:
        raise UsageError(
            f"{digits} is the beginning of {len(found)} ids of {among}", remedy=f"Give more digits: {', '.join(found)}"
        )
    return next(iter(found.values()), None)
