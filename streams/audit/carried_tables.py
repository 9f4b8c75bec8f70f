"""Tables of an earlier log, carried into a new one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from schemas.checkpoints import CheckpointSignedV2
from schemas.event import Event
from schemas.origins import LogStarted, RouterCarried, WeightsCarried
from schemas.policies import PolicyAdopted
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.audit.entry_lookup import newest_entries
from streams.audit.proof.checkpoints import root_over
from streams.audit.proof.log_trees import LogTrees
from streams.audit.replay.claims import origin_proved, taken_as_given
from streams.audit.replay.difference import Difference
from streams.audit.replay.replay import Replay
from streams.log import LogReader, read_event
from streams.processors.origin import table_of
from streams.topology import CHECKPOINTS, DECISIONS, POLICIES, QUESTIONS, ROUTER, WEIGHTS

UNSEALED = "unsealed"
"""Name of a log in the tree over its partitions, if no checkpoint gives it one."""

E = TypeVar("E", RouterEntry, WeightsEntry)


class LogEnd(NamedTuple):
    """
    What a log ended with.

    Attributes:
        log: Its name in its newest checkpoint, else `UNSEALED`.
        root: The root over all partitions, of all records, under that name: 64 hex digits.
        records: Records under that root.
        policy: The policy in force; None if it has none.
        router, weights: The newest entry of each line, by key.
    """

    log: str
    root: str
    records: int
    policy: PolicyAdopted | None
    router: tuple[RouterEntry, ...]
    weights: tuple[WeightsEntry, ...]


def end_of(reader: LogReader) -> LogEnd:
    """
    Read what a log ended with, in memory that grows with its tables.

    Raises:
        DifferenceError: A record was changed after it was written.
    """
    name = UNSEALED
    for record in reader.records((CHECKPOINTS,)):
        event = read_event(record)
        name = event.key if isinstance(event, CheckpointSignedV2) else name
    policy: PolicyAdopted | None = None
    for record in reader.records((POLICIES,)):
        event = read_event(record)
        policy = event if isinstance(event, PolicyAdopted) else policy
    trees = LogTrees()
    for _ in trees.read(reader):
        pass
    root = root_over(name, trees.heads).hex()
    router = newest_entries(reader, ROUTER, RouterEntry)
    weights = newest_entries(reader, WEIGHTS, WeightsEntry)
    lines, tables = (tuple(router[key] for key in sorted(router)), tuple(weights[key] for key in sorted(weights)))
    return LogEnd(name, root, trees.records, policy, lines, tables)


class Beginning(NamedTuple):
    """
    First records of a log that goes on from an earlier one, in the order in which they are written.

    Attributes:
        origin: What the log goes on from.
        carried: The earlier log's entries, each with the origin as its cause.
        policy: Comes last, because nothing is decided before there is a policy.
    """

    origin: LogStarted
    carried: Sequence[Event]
    policy: PolicyAdopted
    end: LogEnd

    def at(self, occurred_at: str) -> "Beginning":
        """Give the same records, begun at another time."""
        return beginning(self.end, self.policy, occurred_at, self.origin.open_questions)


def beginning(end: LogEnd, policy: PolicyAdopted, occurred_at: str, waiting: int) -> Beginning:
    """
    Write the first records of a log that goes on from an earlier one.

    Args:
        end: What the earlier log ended with.
        policy: Its policy.
        occurred_at: When the log begins.
        waiting: Number of the earlier log's questions without a decision.
    """
    origin = LogStarted(
        occurred_at=occurred_at,
        log=end.log,
        root=end.root,
        records=end.records,
        policy_id=policy.policy_id,
        adopted=policy.event_id,
        router=table_of(entry.event_id for entry in end.router),
        weights=table_of(entry.event_id for entry in end.weights),
        open_questions=waiting,
    )
    causes = (origin.event_id,)
    lines = [
        RouterCarried(causes=causes, occurred_at=occurred_at, scope=e.scope, agent=e.agent, entry=e.encode().decode())
        for e in end.router
    ]
    tables = [
        WeightsCarried(causes=causes, occurred_at=occurred_at, scope=e.scope, entry=e.encode().decode())
        for e in end.weights
    ]
    return Beginning(origin, [*lines, *tables], policy, end)


def open_questions(reader: LogReader) -> Iterator[str]:
    """Iterate the ids of the questions that have no decision."""
    for question_id, records in reader.by_correlation((QUESTIONS, DECISIONS)):
        topics = dict.fromkeys(record.topic for record in records)
        if QUESTIONS in topics and DECISIONS not in topics:
            yield question_id


def with_origin(found: Replay, started: LogStarted, end: LogEnd, again: Replay) -> Replay:
    """
    Add to a replay what an earlier log proves about the origin.

    Args:
        found: Replay of the log.
        started: Its origin.
        end: What the earlier log ended with.
        again: Replay of the earlier log.
    """
    named = (
        ("root", started.root, end.root),
        ("log", started.log, end.log),
        ("records", started.records, end.records),
        ("adopted", started.adopted, None if end.policy is None else end.policy.event_id),
        ("router", started.router.model_dump(), table_of(e.event_id for e in end.router).model_dump()),
        ("weights", started.weights.model_dump(), table_of(e.event_id for e in end.weights).model_dump()),
        ("differences in the replay of the earlier log", again.different, 0),
    )
    problems = [Difference(1, POLICIES, 0, 0, field, held, said) for field, said, held in named if said != held]
    if not problems:
        proved = (*found.proved, origin_proved(started)) if found.proved else ()
        given = taken_as_given(started)
        left = tuple(f"of the earlier log: {claim}" for claim in again.not_proved if claim not in found.not_proved)
        not_proved = (*(claim for claim in found.not_proved if claim != given), *left)
        return replace(found, proved=proved, not_proved=not_proved)
    return replace(
        found,
        different=found.different + len(problems),
        first_difference=problems[0],
        proved=(),
    )
