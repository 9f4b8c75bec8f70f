"""Processor contract: keyed state and event in, step out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from schemas.event import Event
from schemas.letters import RejectionReason
from schemas.policies import PolicyAdopted
from schemas.router import RouterEntry

S = TypeVar("S")

GATHER_MS = 50
"""Milliseconds of `Processor.gather_ms` for stages that no decision waits for. Answered at the first record, each of
them asks a broker several hundred times a second, which takes a third of a busy process."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A valid event that contradicts what counts already; the host writes the dead letter, for it knows the place."""

    reason: RejectionReason
    detail: str


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """
    What one event did to the state of one key.

    `events` are new: an event that was applied before leads to none, and to the very state that was given. So a host
    has to keep state and output of an event as one, for what it loses of the output no fold gives a second time.
    """

    state: S
    events: tuple[Event, ...] = ()
    rejection: Rejection | None = None


@dataclass(slots=True)
class Tables:
    """The compacted topics as a processor sees them; the host keeps them current and no fold changes them."""

    policy: PolicyAdopted | None
    """The policy adopted last."""
    entries: Mapping[tuple[str, str], RouterEntry]
    """Router entries by scope and agent."""


@dataclass(frozen=True, slots=True)
class Processor:
    """
    One fold with its place in the topology.

    Attributes:
        name: What hosts, checkpoints and logs call it.
        reads: Topics whose events it folds.
        keys: State keys an event belongs to, in the order in which they are to be folded.
        fold: `(state or None, event, key, tables) -> Step`. Pure; an event already applied changes nothing.
        dump: A state as plain JSON values.
        load: The state from what `dump` gave.
        open: Whether the key still waits for something; a host lists open keys when it starts.
        sees_tables: Whether the fold looks at the policy and the router table; for one that does not, a host may give
            empty ones.
        recalled: Events of each topic and partition, the latest, whose repetition the host has to recognise, because a
            state that was loaded does not tell; 0 where it does.
        gather_ms: Milliseconds for which events may gather before they are folded; 0 where a decision waits for them.
    """

    name: str
    reads: tuple[str, ...]
    keys: Callable[[Event], tuple[str, ...]]
    fold: Callable[[Any, Event, str, Tables], Step[Any]]
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]
    open: Callable[[Any], bool]
    sees_tables: bool = False
    recalled: int = 0
    gather_ms: int = 0
