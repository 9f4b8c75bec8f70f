"""Processor contract: keyed state and event in, step out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from schemas.event import Event
from schemas.letters import RejectionReason
from schemas.policies import PolicyAdopted
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry

S = TypeVar("S")

GATHER_MS = 50
"""
Milliseconds; `Processor.gather_ms` of stages that no decision waits for. Without it each of them polls a broker several
hundred times a second, which takes a third of a busy process.
"""


@dataclass(frozen=True, slots=True)
class Rejection:
    """
    Reason why a valid event cannot count.

    The host writes the dead letter, because only the host knows topic, partition and offset.
    """

    reason: RejectionReason
    detail: str


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """
    Result of folding one event into the state of one key.

    `events` are new: an event that was applied before gives none, and the very state that was given. So a host must
    store the state and the outputs of an event atomically: no fold gives lost outputs a second time.
    """

    state: S
    events: tuple[Event, ...] = ()
    rejection: Rejection | None = None


_UNDIGESTED = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)
"""Errors that fields which contradict each other cause in a fold; an assertion is a mistake of the program."""

Fold = Callable[[Any, Event, str, "Tables"], Step[Any]]


def guarded(fold: Fold, version_of: "Callable[[Any, Event, Tables], str]") -> Fold:
    """
    Wrap a fold so that no event can stop the stage that hosts it.

    An event that the fold cannot digest changes nothing and is rejected. The text is fixed, so that every replay gives
    the same letter; it names the version of the fold's rules.

    Args:
        fold: Of one processor.
        version_of: Gives the version of the rules under which an event is folded.
    """

    def fold_or_reject(state: Any, event: Event, key: str, tables: Tables) -> Step[Any]:
        try:
            return fold(state, event, key, tables)
        except _UNDIGESTED:
            version = version_of(state, event, tables)
            detail = f"{version}: this event contradicts itself, or events before it, and cannot be folded"
            return Step(state, rejection=Rejection("invalid", detail))

    return fold_or_reject


@dataclass(slots=True)
class Tables:
    """
    The policy, the router table and the tables of weights as a processor sees them; the host keeps them current, and no
    fold changes them.
    """

    policy: PolicyAdopted | None
    """The policy adopted last."""
    entries: Mapping[tuple[str, str], RouterEntry]
    """Router entries by scope and agent."""
    weights: Mapping[str, WeightsEntry] = field(default_factory=dict)
    """The newest entry of weights by scope, which is the name of a policy."""


@dataclass(frozen=True, slots=True)
class Processor:
    """
    One fold with its place in the topology.

    Attributes:
        name: Its name in hosts, checkpoints and log lines.
        reads: Topics whose events it folds.
        keys: State keys an event belongs to, in the order in which they are to be folded.
        fold: `(state or None, event, key, tables) -> Step`. Pure; an event already applied changes nothing.
        dump: A state as plain JSON values.
        load: The state from what `dump` gave.
        open: Whether a state still waits for events; stored beside the state.
        sees_tables: Whether the fold reads the tables; if not, a host may pass empty ones.
        recalled: Number of latest events of each topic and partition that the host must recognise when they are
            repeated, because a loaded state does not; 0 if the state does.
        gather_ms: Milliseconds for which events may gather before they are folded; 0 if a decision waits for them.
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
