"""Tracer of calls and decisions."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from schemas.agents import AgentSpec
from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from streams.instruments.spans import CallSpans, QuestionParts, decision_span, parts_of, question_span
from streams.instruments.trace_context import context_of, traceparent_of
from streams.log import Headers

REMEMBERED = 4_096
"""Questions whose encoded ids are remembered; those of one that is forgotten are made again, and are the same."""


class Sampler(Protocol):
    """Chooses the traces that are made."""

    @property
    def keeps_begun(self) -> bool:
        """Whether a trace that began elsewhere, and is wanted there, is made in any case."""

    def wants(self, trace_id: bytes) -> bool:
        """Say whether to make a trace, once for each question."""


class SpanQueue(Protocol):
    """Takes encoded spans, at once."""

    def put(self, span: bytes) -> None:
        """Take one, or drop it if there is no room."""


class Tracer:
    """
    Makes spans of what workers see.

    Args:
        queue: Takes the spans.
        sampler: Chooses the traces; one that whoever began it does not want is not made. A trace is made whole.
        clock_ns: Wall clock in nanoseconds.
    """

    def __init__(self, queue: SpanQueue, sampler: Sampler, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._put = queue.put
        self._clock_ns = clock_ns
        self._sampler = sampler
        self._calls = CallSpans()
        self._parts = lru_cache(REMEMBERED)(self._new_parts)

    def called(self, spec: AgentSpec, analysis: AnalysisPublished, carried: Headers) -> None:
        """Make spans of the calls behind an analysis."""
        parts = self._parts(analysis.question_id, traceparent_of(carried))
        if parts is not None:
            for span in self._calls.make(parts, spec, analysis, self._clock_ns()):
                self._put(span)

    def answered(self, decision: DecisionMade, carried: Headers, began_ms: int, ended_ms: int) -> None:
        """Make the span of a question that has its decision; times are those of the records, or of the session."""
        parts = self._parts(decision.question_id, traceparent_of(carried))
        if parts is not None:
            figures = decision.calls, decision.cost_nusd, began_ms, ended_ms
            self._put(question_span(parts, decision.status, decision.reason, *figures))

    def decided(self, decision: DecisionMade, carried: Headers) -> None:
        """Make the span of a decision where it was made."""
        weighed = [ballot.analysis_id for ballot in decision.counted]
        weighed += [out.analysis_id for out in decision.excluded if out.analysis_id and out.conduct.attempts]
        self._decided(decision.question_id, carried, (decision.status, decision.reason, decision.rule), weighed)

    def sent(self, made: Mapping[str, Any], carried: Headers) -> None:
        """Make the span of a decision where it was made, from the JSON of its record."""
        weighed = [ballot["analysis_id"] for ballot in made["counted"]]
        weighed += [out["analysis_id"] for out in made["excluded"] if out["analysis_id"] and out["conduct"]["attempts"]]
        self._decided(made["question_id"], carried, (made["status"], made["reason"], made["rule"]), weighed)

    def _decided(self, question_id: str, carried: Headers, how: tuple[str, str, str], weighed: Sequence[str]) -> None:
        parts = self._parts(question_id, traceparent_of(carried))
        if parts is not None:
            self._put(decision_span(parts, *how, weighed, self._clock_ns()))

    def _new_parts(self, question_id: str, traceparent: bytes | None) -> QuestionParts | None:
        """Give what the spans of a question share; None for a trace that nobody wants."""
        context = context_of(question_id, traceparent)
        wanted = context.sampled and (
            bool(context.parent_id and self._sampler.keeps_begun) or self._sampler.wants(context.trace_id)
        )
        return parts_of(question_id, context) if wanted else None
