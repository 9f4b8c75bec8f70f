"""Notes of calls and decisions, for traces."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from schemas.agents import AgentSpec
from schemas.analyses import AnalysisPublished, Attempt
from schemas.decisions import DecisionMade
from streams.instruments.trace_context import traceparent_of
from streams.log import Headers


class SeenCall(NamedTuple):
    """The outcome of one seat, when it was known; without any text."""

    question_id: str
    traceparent: bytes | None
    spec: AgentSpec
    analysis_id: str
    stage: int
    role: str
    attempts: tuple[Attempt, ...]
    latency_ms: int
    at_ns: int


class SeenAnswer(NamedTuple):
    """A question that has its decision; times are those of the records, or of the session's clock."""

    question_id: str
    traceparent: bytes | None
    status: str
    reason: str
    calls: int
    cost_nusd: int
    began_ms: int
    ended_ms: int


class SeenDecision(NamedTuple):
    """A decision, where it was made."""

    question_id: str
    traceparent: bytes | None
    status: str
    reason: str
    rule: str
    analyses: tuple[str, ...]
    """Event ids of the analyses that it weighed."""
    at_ns: int


Seen = SeenCall | SeenAnswer | SeenDecision


class SpanQueue(Protocol):
    """Takes what was seen, at once."""

    def put(self, seen: Seen) -> None:
        """Take it, or drop it if there is no room."""


class Tracer:
    """
    Notes what workers see. It keeps references to small parts of events; spans are made of them in another thread.

    Args:
        queue: Takes the notes.
        clock_ns: Wall clock in nanoseconds.
    """

    def __init__(self, queue: SpanQueue, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._put = queue.put
        self._clock_ns = clock_ns

    def called(self, spec: AgentSpec, analysis: AnalysisPublished, carried: Headers) -> None:
        """Note the calls behind an analysis."""
        self._put(
            SeenCall(
                analysis.question_id,
                traceparent_of(carried) if carried else None,
                spec,
                analysis.event_id,
                analysis.stage,
                analysis.role,
                analysis.attempts,
                analysis.latency_ms,
                self._clock_ns(),
            )
        )

    def answered(self, decision: DecisionMade, carried: Headers, began_ms: int, ended_ms: int) -> None:
        """Note that a question has its decision."""
        self._put(
            SeenAnswer(
                decision.question_id,
                traceparent_of(carried) if carried else None,
                decision.status,
                decision.reason,
                decision.calls,
                decision.cost_nusd,
                began_ms,
                ended_ms,
            )
        )

    def decided(self, decision: DecisionMade, carried: Headers) -> None:
        """Note a decision where it was made."""
        weighed = [ballot.analysis_id for ballot in decision.counted]
        weighed += [out.analysis_id for out in decision.excluded if out.analysis_id and out.conduct.attempts]
        self._decided(decision.question_id, carried, (decision.status, decision.reason, decision.rule), weighed)

    def sent(self, made: Mapping[str, Any], carried: Headers) -> None:
        """Note a decision where it was made, from the JSON of its record."""
        weighed = [ballot["analysis_id"] for ballot in made["counted"]]
        weighed += [out["analysis_id"] for out in made["excluded"] if out["analysis_id"] and out["conduct"]["attempts"]]
        self._decided(made["question_id"], carried, (made["status"], made["reason"], made["rule"]), weighed)

    def _decided(self, question_id: str, carried: Headers, how: tuple[str, str, str], weighed: Sequence[str]) -> None:
        traceparent = traceparent_of(carried) if carried else None
        self._put(SeenDecision(question_id, traceparent, *how, tuple(weighed), self._clock_ns()))
