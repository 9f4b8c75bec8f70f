"""Spans of questions, calls and decisions, encoded."""

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from schemas.agents import AgentSpec
from schemas.analyses import AnalysisPublished, Attempt, ProviderCall
from streams.instruments import otlp
from streams.instruments import span_names as names
from streams.instruments.otlp import Value, frequent
from streams.instruments.trace_context import TraceContext, call_span_id

MS_NS = 1_000_000
"""Nanoseconds in a millisecond."""

MOST_KINDS = 10_000
"""Kinds of calls that are remembered: of 64 agents in ten stages, under many policies."""

VIRTUAL = ("recorded", "simulated")
"""Kinds of agents whose calls take no time."""


class QuestionParts(NamedTuple):
    """What the spans of one question have in common, each a part of an encoded span."""

    question: bytes
    """Ids of the question's span, and the question's id as an attribute."""
    call: bytes
    """Trace and parent of a call; the id of its span follows."""
    decision: bytes
    """Ids of the decision's span."""
    link: bytes
    """Link to a call; the id of its span follows."""


def parts_of(question_id: str, context: TraceContext) -> QuestionParts:
    """Encode what the spans of a question share."""
    trace_id, call = context.trace_id, otlp.within(context.trace_id, context.span_id)
    question = otlp.within(trace_id, context.parent_id) + context.span_id
    question += otlp.attribute(names.QUESTION, question_id)
    return QuestionParts(question, call, call + context.decision_id, otlp.link(trace_id))


class CallSpans:
    """Makes the spans of calls, and remembers what those of one agent in one place of the panel share."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str, int, str], tuple[AgentSpec, bytes]] = {}

    def make(self, parts: QuestionParts, spec: AgentSpec, analysis: AnalysisPublished, at_ns: int) -> list[bytes]:
        """
        Make a span of each call behind an analysis; an attempt that was refused was none.

        Args:
            parts: What the spans of the question share.
            spec: The agent.
            analysis: The outcome of its seat.
            at_ns: When the outcome was known.
        """
        attempts, virtual = analysis.attempts, spec.kind in VIRTUAL
        last, wait_ns = len(attempts), 0
        if not virtual:
            spent_ms = sum([attempt.latency_ms for attempt in attempts])
            if last > 1:
                # Waits between attempts are in the latency of the whole; they are shown as equal.
                wait_ns = max(0, analysis.latency_ms - spent_ms) * MS_NS // (last - 1)
            at_ns -= spent_ms * MS_NS + wait_ns * (last - 1)
        spans = []
        for number, attempt in enumerate(attempts, 1):
            ended_ns = at_ns if virtual else at_ns + attempt.latency_ms * MS_NS
            if attempt.outcome != "refused":
                span_id = call_span_id(analysis.event_id, last - number)
                kind, told = self._kind(spec, analysis, attempt.provider), _told(attempt, number, virtual)
                spans.append(b"".join((kind, parts.call, span_id, otlp.times(at_ns, ended_ns), told)))
            at_ns = ended_ns + wait_ns
        return spans

    def _kind(self, spec: AgentSpec, analysis: AnalysisPublished, provider: ProviderCall | None) -> bytes:
        asked = _model_of(spec) if provider is None else provider.model
        key = spec.name, asked, analysis.stage, analysis.role
        known = self._kinds.get(key)
        # Another policy may have an agent of that name elsewhere.
        if known is None or known[0] is not spec:
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            known = self._kinds[key] = spec, _kind_of_call(spec, asked, analysis.stage, analysis.role)
        return known[1]


def _kind_of_call(spec: AgentSpec, asked: str, stage: int, role: str) -> bytes:
    shared: dict[str, Value] = {
        names.OPERATION: names.CHAT,
        names.PROVIDER: provider_of(spec),
        names.AGENT: spec.name,
        names.STAGE: stage,
        names.ROLE: role,
        **_server_of(spec),
    }
    if asked:
        shared[names.REQUEST_MODEL] = asked
    name = f"{names.CHAT} {asked}" if asked else names.CHAT
    return otlp.kind(name, shared, client=spec.kind not in VIRTUAL)


def _told(attempt: Attempt, number: int, virtual: bool) -> bytes:
    """Give what an attempt says of itself."""
    told = (_frequent_counts if virtual else _counts)(
        attempt.input_tokens,
        attempt.output_tokens,
        attempt.cost_nusd,
        attempt.latency_ms if virtual else None,
        number,
        None if attempt.outcome == "ok" else attempt.error or attempt.outcome,
    )
    provider = attempt.provider
    if provider is None:
        return told
    return told + _reported(provider.reported_model, provider.finish_reason, provider.cached)


def _counts(
    input_tokens: int | None,
    output_tokens: int | None,
    cost_nusd: int | None,
    latency_ms: int | None,
    number: int,
    error: str | None,
) -> bytes:
    """Encode the numbers of an attempt."""
    told = _attributes(
        {
            names.INPUT_TOKENS: input_tokens,
            names.OUTPUT_TOKENS: output_tokens,
            names.COST: cost_nusd,
            names.LATENCY_MS: latency_ms,
            names.ATTEMPT: number if number > 1 else None,
            names.ERROR: error,
        }
    )
    return told if error is None else told + otlp.FAILED


_frequent_counts = lru_cache(4_096)(_counts)
"""As `_counts`, for recorded and simulated agents, whose numbers come again together."""


@lru_cache(4_096)
def _reported(model: str | None, finish_reason: str | None, cached: bool) -> bytes:
    """Encode what the provider says of itself."""
    return _attributes(
        {
            names.RESPONSE_MODEL: model,
            names.FINISH_REASONS: None if finish_reason is None else (finish_reason,),
            names.CACHED: cached or None,
        }
    )


def _attributes(values: Mapping[str, Value | None]) -> bytes:
    """Encode the attributes that have a value."""
    return b"".join([frequent(name, value) for name, value in values.items() if value is not None])


def question_span(
    parts: QuestionParts, status: str, reason: str, calls: int, cost_nusd: int, began_ms: int, ended_ms: int
) -> bytes:
    """Make the span of a question; one that ends undecided is an error, and its reason says which."""
    when = otlp.times(began_ms * MS_NS, max(began_ms, ended_ms) * MS_NS)
    return b"".join((_kind_of_question(), parts.question, when, _ended(status, reason, calls, cost_nusd)))


@cache
def _kind_of_question() -> bytes:
    shared: dict[str, Value] = {
        names.OPERATION: names.INVOKE_AGENT,
        names.AGENT: names.PANEL,
        names.PROVIDER: names.PANEL,
    }
    return otlp.kind(f"{names.INVOKE_AGENT} {names.PANEL}", shared)


@lru_cache(4_096)
def _ended(status: str, reason: str, calls: int, cost_nusd: int) -> bytes:
    told = _attributes({names.STATUS: status, names.REASON: reason, names.CALLS: calls, names.COST: cost_nusd})
    return told if status == "decided" else told + frequent(names.ERROR, reason) + otlp.FAILED


def decision_span(
    parts: QuestionParts, status: str, reason: str, rule: str, analyses: Iterable[str], at_ns: int
) -> bytes:
    """
    Make the span of a decision. It links to the calls that it weighed: it follows from all of them, not from one.

    Args:
        parts: What the spans of the question share.
        status: Of the decision, as are reason and rule.
        analyses: Event ids of the analyses that it weighed.
        at_ns: When it was made.
    """
    # Joined by what stands before each id, the first one's too.
    links = parts.link.join([b"", *[bytes.fromhex(analysis_id[:16]) for analysis_id in analyses]])
    made = _made(status, reason, rule)
    return b"".join((_kind_of_decision(), parts.decision, otlp.times(at_ns, at_ns), made, links))


@cache
def _kind_of_decision() -> bytes:
    return otlp.kind(names.DECIDE, {})


@lru_cache(1_024)
def _made(status: str, reason: str, rule: str) -> bytes:
    return _attributes({names.STATUS: status, names.REASON: reason, names.RULE: rule})


def provider_of(spec: AgentSpec) -> str:
    """Name the provider of an agent; of one that calls none, its kind."""
    if spec.kind == "litellm":
        prefix, slash, _ = spec.model.partition("/")
        return names.PROVIDERS.get(prefix, prefix) if slash else "openai"
    # An endpoint that speaks OpenAI's API counts as OpenAI in the conventions; its address tells it apart.
    return spec.kind


def _model_of(spec: AgentSpec) -> str:
    return "" if spec.kind == "simulated" else spec.model


def _server_of(spec: AgentSpec) -> dict[str, Value]:
    """Give the host and port that an agent's calls go to, where its settings name them."""
    if spec.kind == "recorded" or spec.kind == "simulated":
        return {}
    parts = urlsplit(spec.base_url or "")
    if parts.hostname is None:
        return {}
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {names.SERVER_ADDRESS: parts.hostname, names.SERVER_PORT: port}
