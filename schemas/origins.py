"""Origin of a log, with entries of an earlier one."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from schemas.canonical import MAX_INTEGER
from schemas.event import MAX_EVENT_BYTES, Event, Fact
from schemas.quantities import AgentName, Count, EventId, Name
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry

EntryText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_EVENT_BYTES)]
"""Canonical JSON of an entry, as the earlier log holds it."""
FromOrigin = Annotated[tuple[EventId, ...], Field(min_length=1, max_length=1)]
"""Id of the `log.started` that a carried entry belongs to."""


def _require_next(sequence: int) -> None:
    if sequence >= MAX_INTEGER:
        raise ValueError(f"entry: its sequence {sequence} is the last that JSON holds, so nothing can follow it")


class CarriedTable(Fact):
    """The newest entries of one table, each of another line."""

    entries: Count
    ids_hash: EventId
    """SHA-256 over the canonical JSON of the list of their event ids, sorted."""


class LogStarted(Event):
    """
    Origin of a log that goes on from an earlier one: the first record of `orch.policies`.

    The policy named here follows as the first policy of the log, with the bytes that the earlier log holds.
    """

    topic: ClassVar[str] = "orch.policies"

    kind: Literal["log.started.v1"] = "log.started.v1"
    log: Name
    """Name of the earlier log in its checkpoints; `unsealed` if it has none."""
    root: EventId
    """The one root over all partitions of the earlier log, under that name: RFC 6962, 64 hex digits."""
    records: Count
    """Records under that root."""
    policy_id: Name
    """Name of the policy that was in force."""
    adopted: EventId
    """Id of its adoption."""
    router: CarriedTable
    weights: CarriedTable
    open_questions: Count
    """Questions of the earlier log that have no decision there; they are not carried."""

    @property
    def key(self) -> str:
        return self.policy_id


class RouterCarried(Event):
    """The newest router entry of one agent in one scope in the earlier log; `rank` goes on from it."""

    topic: ClassVar[str] = "orch.observations"

    kind: Literal["router.carried.v1"] = "router.carried.v1"
    causes: FromOrigin
    scope: Name
    agent: AgentName
    entry: EntryText

    @model_validator(mode="after")
    def _is_its_entry(self) -> "RouterCarried":
        found = self.carried
        if found.encode().decode() != self.entry or (found.scope, found.agent) != (self.scope, self.agent):
            raise ValueError("entry: not the canonical form of an entry of this scope and agent")
        _require_next(found.sequence)
        return self

    @property
    def key(self) -> str:
        return self.agent

    @property
    def carried(self) -> RouterEntry:
        """The entry."""
        return RouterEntry.decode(self.entry.encode())


class WeightsCarried(Event):
    """The newest table of weights of one policy in the earlier log; `tune` goes on from it."""

    topic: ClassVar[str] = "orch.lessons"

    kind: Literal["weights.carried.v1"] = "weights.carried.v1"
    causes: FromOrigin
    scope: Name
    """Name of the policy."""
    entry: EntryText

    @model_validator(mode="after")
    def _is_its_entry(self) -> "WeightsCarried":
        found = self.carried
        if found.encode().decode() != self.entry or found.scope != self.scope:
            raise ValueError("entry: not the canonical form of an entry of this scope")
        _require_next(found.sequence)
        return self

    @property
    def key(self) -> str:
        return self.scope

    @property
    def carried(self) -> WeightsEntry:
        """The entry."""
        return WeightsEntry.decode(self.entry.encode())
