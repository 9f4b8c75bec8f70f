"""Registry of event kinds by topic, with their decoding."""

from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.analyses import AnalysisPublished
from schemas.canonical import canonical_json, strict_json
from schemas.checkpoints import CheckpointSigned, CheckpointSignedV2
from schemas.decisions import DeadlinePassed, DeadlinePassedV2, DecisionMade, DecisionMadeV2
from schemas.event import MAX_EVENT_BYTES, Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.lessons import LessonGiven
from schemas.letters import RecordRejected
from schemas.origins import LogStarted, RouterCarried, WeightsCarried
from schemas.panels import PanelAssigned, PanelAssignedV2, StageOpened
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.quantities import instant_of_ms
from schemas.questions import QuestionAsked
from schemas.router import AgentObserved, AgentObservedV2, RouterEntry, RouterEntryV2
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled
from schemas.weights import WeightsEntry

EVENTS: tuple[type[Event], ...] = (
    QuestionAsked,
    PanelAssigned,
    PanelAssignedV2,
    StageOpened,
    AnalysisPublished,
    DeadlinePassed,
    DeadlinePassedV2,
    DecisionMade,
    DecisionMadeV2,
    FeedbackGiven,
    FeedbackRetracted,
    AgentObserved,
    AgentObservedV2,
    RouterEntry,
    RouterEntryV2,
    LessonGiven,
    WeightsEntry,
    PolicyAdopted,
    PolicyAdoptedV2,
    RecordRejected,
    CheckpointSigned,
    CheckpointSignedV2,
    BudgetReserved,
    BudgetSettled,
    BudgetRefused,
    LogStarted,
    RouterCarried,
    WeightsCarried,
)

INPUTS: tuple[type[Event], ...] = (
    QuestionAsked,
    DeadlinePassed,
    DeadlinePassedV2,
    FeedbackGiven,
    FeedbackRetracted,
    PolicyAdopted,
    PolicyAdoptedV2,
)
"""Kinds that any producer may write: they may leave out `kind`, `event_id`, `causes` and `occurred_at`."""


def kind_of(model: type[Event]) -> str:
    """Give the published name of an event class, such as `decision.made.v1`."""
    return str(model.model_fields["kind"].default)


KINDS: dict[str, type[Event]] = {kind_of(model): model for model in EVENTS}
KINDS_OF_TOPIC: dict[str, tuple[type[Event], ...]] = {
    topic: tuple(model for model in EVENTS if model.topic == topic) for topic in dict.fromkeys(m.topic for m in EVENTS)
}
_MARKS: dict[str, tuple[tuple[bytes, type[Event]], ...]] = {
    topic: tuple((model.mark, model) for model in models) for topic, models in KINDS_OF_TOPIC.items()
}
_ALL_MARKS = tuple(pair for marks in _MARKS.values() for pair in marks)

_MOST_SHOWN = 60
"""Characters of a wrong value in a message; a text may have a million."""


class InvalidRecord(ValueError):
    """The bytes of a record are no event of its topic; the message names the field and the remedy."""

    def __init__(self, message: str, *, reason: Literal["invalid", "too_large"] = "invalid") -> None:
        super().__init__(message)
        self.reason: Literal["invalid", "too_large"] = reason
        """Reason code for the dead letter: `invalid` or `too_large`."""


def describe(error: ValueError, *, most: int = 3) -> str:
    """Say in one line what is wrong with which field, for the first few problems of a failed validation."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors(include_url=False)
    places = [problem["loc"] for problem in found]
    # Pydantic also calls a list too short when its items are wrong; the errors of the items suffice.
    inner = [
        p for p in found if not any(p["loc"] == loc[: len(p["loc"])] for loc in places if len(loc) > len(p["loc"]))
    ]
    problems = []
    for problem in inner[:most]:
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            text = "unknown field" + ("; publish it as feedback" if place == "gold" else "")
        else:
            text = problem["msg"].removeprefix("Value error, ") + _but_is(problem)
        problems.append(f"{place}: {text}" if place else text)
    more = len(inner) - len(problems)
    return "; ".join(problems) + (f"; and {more} more" if more > 0 else "")


def _but_is(problem: ErrorDetails) -> str:
    """Show a wrong value, cut to a few characters, unless the message holds it already."""
    given = problem["input"]
    if problem["type"] in ("value_error", "missing", "union_tag_invalid") or not isinstance(given, str | int | float):
        return ""
    shown = repr(given)
    return f", not {shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + '...'}"


def decode(topic: str, raw: bytes, timestamp_ms: int, *, limit: int = MAX_EVENT_BYTES) -> Event:
    """
    Decode one record of a topic, from any writer.

    Args:
        topic: One of `KINDS_OF_TOPIC`.
        raw: The record's value.
        timestamp_ms: The record's timestamp; an input without a time gets this one.
        limit: Largest value taken, in bytes.

    Raises:
        InvalidRecord: Too large, or no event of this topic.
    """
    if len(raw) > limit:
        raise InvalidRecord(f"{len(raw):,} bytes; the limit is {limit:,}: shorten the text", reason="too_large")
    for mark, model in _MARKS[topic]:
        if mark in raw:
            try:
                event = model.decode(raw)
            except ValidationError:
                break
            # Equal bytes prove what the parser does not check: canonical spelling, no duplicate key.
            if event.encode() == raw:
                return event
            break
    try:
        fields = strict_json(raw)
    except ValueError as error:
        raise InvalidRecord(str(error)) from error
    return build(topic, fields, timestamp_ms)


def decode_stored(raw: bytes) -> Event:
    """
    Decode an event that this program kept outside the log, of whatever kind.

    Raises:
        ValueError: The bytes are no event.
    """
    for mark, model in _ALL_MARKS:
        if mark in raw:
            return model.decode(raw)
    raise ValueError(f"no event of any kind: {raw[:80]!r}")


def decode_canonical(topic: str, raw: bytes) -> Event:
    """
    Decode a record that this program wrote.

    Raises:
        ValueError: The bytes are not the canonical form of an event of this topic, or its id is not the hash of its
            content.
    """
    for mark, model in _MARKS[topic]:
        if mark in raw:
            event = model.decode(raw)
            if event.encode() != raw:
                raise ValueError("value: not in canonical form")
            return event
    raise ValueError(f"kind: none of those that {topic} holds")


def build(topic: str, fields: dict[str, Any], timestamp_ms: int) -> Event:
    """
    Build the event that a producer's parsed JSON object stands for.

    Raises:
        InvalidRecord: No event of this topic.
    """
    try:
        return _build(topic, fields, timestamp_ms)
    except ValueError as error:
        raise InvalidRecord(describe(error)) from error


def _build(topic: str, fields: dict[str, Any], timestamp_ms: int) -> Event:
    models = KINDS_OF_TOPIC[topic]
    kind = fields.get("kind", kind_of(models[0]))
    for model in models:
        if kind_of(model) == kind:
            break
    else:
        raise ValueError(f"kind: {topic} holds {' and '.join(map(kind_of, models))}, not {kind!r}")
    if model in INPUTS and fields.get("occurred_at") is None:
        fields = {**fields, "occurred_at": instant_of_ms(timestamp_ms)}
    # Lists become tuples only in pydantic's JSON mode, so the object goes through JSON once more.
    return model.model_validate_json(canonical_json(fields))
