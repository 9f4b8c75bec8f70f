"""Builders of panels, stages, decisions and log records."""

from collections.abc import Iterator, Sequence
from itertools import count

from schemas.decisions import Agreement, DecisionMade, TraceStep
from schemas.event import Event
from schemas.panels import PanelAssigned, Seat, Stage, StageOpened
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from streams.log import Headers, Record
from streams.processors.fold import Tables
from streams.processors.route import assign
from streams.topology import QUESTION_PARTITIONS, partition_of


def home(question_id: str) -> int:
    """Give the partition of a question."""
    return partition_of(question_id.encode(), QUESTION_PARTITIONS)


def ids_at(partition: int, prefix: str = "q") -> Iterator[str]:
    """Iterate question ids that belong to one partition."""
    return (name for name in (f"{prefix}{number}" for number in count()) if home(name) == partition)


def panel(asked: QuestionAsked, policy: PolicyAdopted) -> PanelAssigned:
    """Assign a question as `route` does with an empty router table."""
    return assign(asked, policy, Tables(policy, {}))


def stage(first: PanelAssigned, *agents: str, number: int = 1, material: Sequence[str] = ()) -> StageOpened:
    """Open a later stage for analysts, or for a merger if there is material to read."""
    return StageOpened(
        causes=(first.event_id, *material),
        occurred_at=first.occurred_at,
        question_id=first.question_id,
        reason="merge" if material else "window",
        stage=Stage(
            number=number,
            role="merger" if material else "analyst",
            seats=tuple(Seat(agent=agent) for agent in agents),
            material=tuple(material),
        ),
    )


def decision(first: PanelAssigned) -> DecisionMade:
    """Decide a question, on no analysis at all."""
    return DecisionMade(
        causes=(first.event_id,),
        occurred_at=first.occurred_at,
        question_id=first.question_id,
        policy_id=first.policy_id,
        status="undecided",
        answer=None,
        reason="quorum",
        rule="vote/1",
        extractor="extract/1",
        tally={},
        agreement=Agreement(agreeing=0, counted=0),
        counted=(),
        excluded=(),
        tie_break=None,
        verdict_id=None,
        trace=(TraceStep(stage=0, rule="vote/1", leader=None, posterior_ppb=None, outcome="undecided"),),
        calls=0,
        cost_nusd=0,
        unpriced_calls=0,
        scopes=first.scopes,
        learning=first.learning,
    )


def record_of(
    event: Event, offset: int, *, partition: int | None = None, timestamp_ms: int = 0, headers: Headers = ()
) -> Record:
    """Make the record of an event in its partition, or in another one."""
    place = home(event.key) if partition is None else partition
    return Record(event.topic, place, offset, timestamp_ms, event.key, event.encode(), headers)
