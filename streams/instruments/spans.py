"""Spans of what was seen: questions, calls, decisions."""

from collections.abc import Iterable, Iterator
from functools import cache
from urllib.parse import urlsplit

from schemas.agents import AgentSpec
from schemas.analyses import Attempt
from streams.instruments import otlp
from streams.instruments import span_names as names
from streams.instruments.otlp import Value, attribute, frequent
from streams.instruments.trace_context import TraceContext, call_span_id, context_of
from streams.instruments.tracer import Seen, SeenAnswer, SeenCall, SeenDecision

MS_NS = 1_000_000
"""Nanoseconds in a millisecond."""

MOST_KINDS = 10_000
"""Kinds of calls that are remembered: of 64 agents in ten stages, under many policies."""

VIRTUAL = ("recorded", "simulated")
"""Kinds of agents whose calls take no time."""


class SpanMaker:
    """
    Makes spans of what was seen.

    Args:
        share: Part of the traces to make, from 0 to 1; a trace is made whole, by every process.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._bound = round(share * (1 << 64))
        self._kinds: dict[tuple[str, str, int, str], bytes] = {}
        """Parts that calls of one agent in one place of the panel share."""

    def make(self, seen: Iterable[Seen]) -> list[bytes]:
        """Make the spans, without those of traces that nobody wants."""
        spans: list[bytes] = []
        for one in seen:
            context = context_of(one.question_id, one.traceparent)
            # As OpenTelemetry's sampler TraceIdRatioBased reads an id, so that other programs choose the same traces.
            if not context.sampled or int.from_bytes(context.trace_id[8:]) >= self._bound:
                continue
            match one:
                case SeenCall():
                    spans.extend(self._calls(context, one))
                case SeenAnswer():
                    spans.append(_question(context, one))
                case SeenDecision():
                    spans.append(_decision(context, one))
        return spans

    def _calls(self, context: TraceContext, seen: SeenCall) -> Iterator[bytes]:
        """Make a span of each call; an attempt that was refused was none."""
        last, virtual = len(seen.attempts), seen.spec.kind in VIRTUAL
        # Waits between attempts are in the latency of the whole; they are shown as equal.
        spent_ms = 0 if virtual else sum(attempt.latency_ms for attempt in seen.attempts)
        wait_ns = 0 if virtual or last == 1 else max(0, seen.latency_ms - spent_ms) * MS_NS // (last - 1)
        at_ns = seen.at_ns - spent_ms * MS_NS - wait_ns * (last - 1)
        for number, attempt in enumerate(seen.attempts, 1):
            ended_ns = at_ns if virtual else at_ns + attempt.latency_ms * MS_NS
            if attempt.outcome != "refused":
                parts = [
                    self._kind(seen, attempt),
                    otlp.place(context.trace_id, call_span_id(seen.analysis_id, number, last), at_ns, ended_ns),
                    otlp.parent(context.span_id),
                    *_told(attempt, number, virtual=virtual),
                ]
                yield b"".join(parts)
            at_ns = ended_ns + wait_ns

    def _kind(self, seen: SeenCall, attempt: Attempt) -> bytes:
        provider = attempt.provider
        asked = _model_of(seen.spec) if provider is None else provider.model
        key = seen.spec.name, asked, seen.stage, seen.role
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            kind = self._kinds[key] = _kind_of_call(seen, asked)
        return kind


def _kind_of_call(seen: SeenCall, asked: str) -> bytes:
    spec = seen.spec
    shared: dict[str, Value] = {
        names.OPERATION: names.CHAT,
        names.PROVIDER: provider_of(spec),
        names.AGENT: spec.name,
        names.STAGE: seen.stage,
        names.ROLE: seen.role,
        **_server_of(spec),
    }
    if asked:
        shared[names.REQUEST_MODEL] = asked
    name = f"{names.CHAT} {asked}" if asked else names.CHAT
    return otlp.kind(name, shared, client=spec.kind not in VIRTUAL)


def _told(attempt: Attempt, number: int, *, virtual: bool) -> Iterator[bytes]:
    """Give what an attempt says of itself."""
    if attempt.input_tokens is not None:
        yield frequent(names.INPUT_TOKENS, attempt.input_tokens)
    if attempt.output_tokens is not None:
        yield frequent(names.OUTPUT_TOKENS, attempt.output_tokens)
    if attempt.cost_nusd is not None:
        yield frequent(names.COST, attempt.cost_nusd)
    if virtual:
        yield frequent(names.LATENCY_MS, attempt.latency_ms)
    if number > 1:
        yield frequent(names.ATTEMPT, number)
    if attempt.provider is not None:
        yield from _reported(attempt)
    if attempt.outcome != "ok":
        yield frequent(names.ERROR, attempt.error or attempt.outcome) + otlp.FAILED


def _reported(attempt: Attempt) -> Iterator[bytes]:
    """Give what the provider says of itself."""
    provider = attempt.provider
    assert provider is not None
    if provider.reported_model is not None:
        yield frequent(names.RESPONSE_MODEL, provider.reported_model)
    if provider.finish_reason is not None:
        yield frequent(names.FINISH_REASONS, (provider.finish_reason,))
    if provider.cached:
        yield frequent(names.CACHED, True)


def _question(context: TraceContext, seen: SeenAnswer) -> bytes:
    """Make the span of a question; one that ends undecided is an error, and its reason says which."""
    began_ns, ended_ns = seen.began_ms * MS_NS, max(seen.began_ms, seen.ended_ms) * MS_NS
    parts = [
        _kind_of_question(),
        otlp.place(context.trace_id, context.span_id, began_ns, ended_ns),
        attribute(names.QUESTION, seen.question_id),
        frequent(names.STATUS, seen.status),
        frequent(names.REASON, seen.reason),
        frequent(names.CALLS, seen.calls),
        frequent(names.COST, seen.cost_nusd),
    ]
    if context.parent_id:
        parts.append(otlp.parent(context.parent_id))
    if seen.status != "decided":
        parts += [frequent(names.ERROR, seen.reason), otlp.FAILED]
    return b"".join(parts)


@cache
def _kind_of_question() -> bytes:
    shared: dict[str, Value] = {
        names.OPERATION: names.INVOKE_AGENT,
        names.AGENT: names.PANEL,
        names.PROVIDER: names.PANEL,
    }
    return otlp.kind(f"{names.INVOKE_AGENT} {names.PANEL}", shared)


def _decision(context: TraceContext, seen: SeenDecision) -> bytes:
    """Make the span of a decision. It links to the calls that it weighed: it follows from all of them, not from one."""
    parts = [
        _kind_of_decision(),
        otlp.place(context.trace_id, context.decision_id, seen.at_ns, seen.at_ns),
        otlp.parent(context.span_id),
        frequent(names.STATUS, seen.status),
        frequent(names.REASON, seen.reason),
        frequent(names.RULE, seen.rule),
    ]
    parts += [otlp.link(context.trace_id, call_span_id(analysis_id, 0, 0)) for analysis_id in seen.analyses]
    return b"".join(parts)


@cache
def _kind_of_decision() -> bytes:
    return otlp.kind(names.DECIDE, {})


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
