"""
The list of forgeries, each with its verdict.

Other modules add to it.
"""

from collections.abc import Callable
from typing import NamedTuple

from schemas.policies import PolicyAdopted
from schemas.registry import decode_canonical
from schemas.router import RouterEntry
from streams.topology import ASSIGNMENTS, POLICIES, ROUTER

from ..worlds import policy, question
from .forging import Forger, of_kind
from .tampering import Row

ONE_MORE = question("x77", at=90, subject="law")
FOUR = policy("ada", "bo", "cy", "di", at=9_000, policy_id="four")


ANYWHERE = -1


class Expected(NamedTuple):
    """
    The place and the field of the first difference; where a forgery moves records, as they are numbered then.

    `ANYWHERE` is the place of one that lies in no record.
    """

    seq: int
    field: str


Forge = Callable[[Forger], Expected]
FOUND: dict[str, Forge] = {}
NOT_PROVED: dict[str, tuple[Callable[[Forger], object], str]] = {}


def listing(into: dict[str, Forge]) -> Callable[[str], Callable[[Forge], Forge]]:
    """Give a decorator that lists, under a name, a forgery that is found."""

    def found(name: str) -> Callable[[Forge], Forge]:
        def add(forge: Forge) -> Forge:
            into[name] = forge
            return forge

        return add

    return found


found = listing(FOUND)


def check_found(log: Forger, expected: Expected) -> None:
    """Check that the first difference is where a forgery is, and that nothing is claimed to be proved."""
    proof = log.judge()
    first = proof.first_difference
    assert first is not None
    assert first.field.startswith(expected.field), first
    assert expected.seq in (ANYWHERE, first.seq), first
    assert first.expected != first.actual
    assert proof.proved == ()


def not_proved(name: str, claim: str) -> Callable[[Callable[[Forger], object]], Callable[[Forger], object]]:
    """List a forgery that no replay can find, with words of the claim that names it."""

    def add(forge: Callable[[Forger], object]) -> Callable[[Forger], object]:
        NOT_PROVED[name] = forge, claim
        return forge

    return add


def panel_after(log: Forger, end: int) -> Row:
    """Give the first panel after a place."""
    return next(row for row in of_kind(log.rows(ASSIGNMENTS), "panel.assigned") if row.seq > end)


def log_line(log: Forger, key: str) -> list[RouterEntry]:
    """List the entries of one router line."""
    return [RouterEntry.decode(row.value) for row in log.rows(ROUTER) if row.key == key]


def first_policy(log: Forger) -> PolicyAdopted:
    """Give the first policy of the log."""
    return decoded_policy(log.rows(POLICIES)[0])


def last_policy(log: Forger) -> PolicyAdopted:
    """Give the policy in force before the forgery."""
    return decoded_policy([row for row in log.rows(POLICIES) if row.key != FOUR.key][-1])


def decoded_policy(row: Row) -> PolicyAdopted:
    """Read a policy."""
    event = decode_canonical(POLICIES, row.value)
    assert isinstance(event, PolicyAdopted)
    return event
