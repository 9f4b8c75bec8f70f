"""
Processor `rank`: observations in, router entries out.

Each scope and agent has a fold of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.canonical import MAX_INTEGER
from schemas.event import Event, latest
from schemas.origins import RouterCarried
from schemas.policies import Averaging
from schemas.quantities import NS_PER_MS, PPB, PUSD_PER_NUSD
from schemas.router import (
    AgentObserved,
    AgentObservedV2,
    ObservationCounts,
    ObservationCountsV2,
    RouterEntry,
    RouterEntryV2,
    router_key,
)
from streams.processors.ema import is_whole_step, move, take_back
from streams.processors.fold import GATHER_MS, Processor, Rejection, Step, Tables, guarded
from streams.processors.origin import first_entry

MEMORY = 64
"""
Latest observations of one scope and agent that the fold recognises when they are repeated. A restart repeats only what
was not committed, so a host that commits more observations of one agent at a time needs a larger number.
"""

RECALLED = 50_000
"""
Latest observations of each partition that a host on Kafka must recognise when they are repeated. When `learn` restarts,
it may send its last batch again, behind observations of its other partitions; at 2,000 observations a second the
restart may take 25 seconds.
"""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of the router table."""

    entry: RouterEntry | None
    recent: Mapping[str, None] = field(default_factory=dict)
    """Ids of the last observations applied, at most `MEMORY`, oldest first; never changed in place."""


def fold(state: Ranked | None, event: Event, key: str, tables: Tables) -> Step[Ranked]:
    """
    Decide the next entry of one agent in one scope.

    Args:
        state: The line so far; None if nothing was observed.
        event: An observation of the agent, or the entry that an earlier log ended with; other kinds change nothing.
        key: `scope/agent`, as `router_key` writes it.
        tables: Not used.

    Returns:
        The new line, with its one RouterEntry. A repeat of one of the last `MEMORY` observations changes nothing. A
        carried entry is the first of its line; behind others it is rejected as a `conflict`.

    Reads agent.observed (v1, v2) and router.carried.v1; writes router.entry, of v2 from the first observation of v2 on;
    order per agent.
    """
    state = state or Ranked(None)
    if not isinstance(event, AgentObserved | RouterCarried) or event.event_id in state.recent:
        return Step(state)
    if isinstance(event, RouterCarried):
        return _carried(state, event)
    scope = next(scope for scope in event.scopes if router_key(scope, event.agent) == key)
    entry = next_entry(state.entry, event, scope)
    recent = {**state.recent, event.event_id: None}
    if len(recent) > MEMORY:
        del recent[next(iter(recent))]
    return Step(Ranked(entry, recent), (entry,))


def _carried(state: Ranked, event: RouterCarried) -> Step[Ranked]:
    """Begin a line with the entry that an earlier log ended with."""
    if state.entry is not None:
        if event.event_id in state.entry.causes:
            return Step(state)
        detail = (
            f"{event.agent} has entry {state.entry.sequence} in {event.scope} already; only an empty log is started"
        )
        return Step(state, rejection=Rejection("conflict", detail))
    entry = first_entry(event)
    return Step(Ranked(entry, {event.event_id: None}), (entry,))


def next_entry(previous: RouterEntry | None, event: AgentObserved, scope: str) -> RouterEntry:
    """Decide the entry that follows *previous* in one scope: each quantity observed moves, the others stay."""
    averaging, weight = event.averaging, event.weight_ppb
    quality, latency, cost, stability, counts = _averages(previous, averaging)
    judged, timed, priced, steady = counts.quality, counts.latency, counts.cost, counts.stability
    if event.quality_ppb is not None and event.corrects is None:
        quality = move(quality, event.quality_ppb, averaging, judged, weight)
        judged += 1
    elif event.quality_ppb is not None and judged:
        cold = averaging.cold_start.quality_ppb
        if judged == 1 or not (_is_v2(event) and is_whole_step(averaging, judged - 1, weight)):
            quality = min(max(take_back(quality, event.quality_ppb, cold, averaging, judged, weight), 0), PPB)
        judged -= 1
    if event.latency_ms is not None:
        latency = move(latency, event.latency_ms * NS_PER_MS, averaging, timed, weight)
        timed += 1
    if event.cost_nusd is not None:
        # The cap, nine thousand dollars a question, keeps pico-dollars within exact integers.
        cost = move(cost, min(event.cost_nusd * PUSD_PER_NUSD, MAX_INTEGER), averaging, priced, weight)
        priced += 1
    if event.stability_ppb is not None:
        stability = move(stability, event.stability_ppb, averaging, steady, weight)
        steady += 1
    kind, observations = _counts(previous, event, judged, timed, priced, steady)
    return kind(
        causes=(event.event_id,) if previous is None else (event.event_id, previous.event_id),
        occurred_at=event.occurred_at if previous is None else latest(event.occurred_at, previous.occurred_at),
        scope=scope,
        agent=event.agent,
        question_id=event.question_id,
        sequence=1 if previous is None else previous.sequence + 1,
        previous=None if previous is None else previous.event_id,
        quality_ppb=quality,
        latency_ns=latency,
        cost_pusd=cost,
        stability_ppb=stability,
        observations=observations,
    )


def _counts(
    previous: RouterEntry | None, event: AgentObserved, judged: int, timed: int, priced: int, steady: int
) -> tuple[type[RouterEntry], ObservationCounts]:
    """Give kind and counts of the next entry: of v2, with the askings, from the first observation of v2 on."""
    if not isinstance(event, AgentObservedV2) and not isinstance(previous, RouterEntryV2):
        return RouterEntry, ObservationCounts(quality=judged, latency=timed, cost=priced, stability=steady)
    earlier = 0 if previous is None else previous.observations.askings
    asked = event.asked if isinstance(event, AgentObservedV2) else event.stability_ppb is not None
    counts = ObservationCountsV2(quality=judged, latency=timed, cost=priced, stability=steady, asked=earlier + asked)
    return RouterEntryV2, counts


def _is_v2(event: AgentObserved) -> bool:
    return isinstance(event, AgentObservedV2) and event.rank != "rank.v1"


def _averages(previous: RouterEntry | None, averaging: Averaging) -> tuple[int, int, int, int, ObservationCounts]:
    """Give quality, latency, cost and stability as they stand, with their counts; the cold start before any entry."""
    if previous is not None:
        entry = previous
        return entry.quality_ppb, entry.latency_ns, entry.cost_pusd, entry.stability_ppb, entry.observations
    cold = averaging.cold_start
    latency, cost = cold.latency_ms * NS_PER_MS, cold.cost_nusd * PUSD_PER_NUSD
    return cold.quality_ppb, latency, cost, cold.stability_ppb, ObservationCounts()


def _keys(event: Event) -> tuple[str, ...]:
    if isinstance(event, RouterCarried):
        return (router_key(event.scope, event.agent),)
    if not isinstance(event, AgentObserved):
        return ()
    return tuple(router_key(scope, event.agent) for scope in event.scopes)


def _dump(state: Ranked) -> Any:
    return None if state.entry is None else state.entry.encode().decode()


def _load(dumped: Any) -> Ranked:
    return Ranked(None if dumped is None else RouterEntry.decode(dumped.encode()))


def _version(state: Ranked | None, event: Event, tables: Tables) -> str:
    return event.rank if isinstance(event, AgentObservedV2) else "rank.v1"


RANK = Processor(
    name="rank",
    reads=(AgentObserved.topic,),
    keys=_keys,
    fold=guarded(fold, _version),
    dump=_dump,
    load=_load,
    open=lambda state: False,
    recalled=RECALLED,
    gather_ms=GATHER_MS,
)
