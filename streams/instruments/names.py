"""
Names of all metrics, in one place.

A metric's name, labels and unit are a contract with dashboards and alerts (`infra/monitoring/`). Amounts of money are
nano-dollars, as in events; times are seconds, as Prometheus has them.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A metric: its name in the text that is scraped, its labels, and what it says."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    """A counter's name ends in `_total`."""
    help: str
    labels: tuple[str, ...] = ()


INFO = Metric(
    "orch_info", "gauge", "1; the labels name the program and what the process does", ("version", "command", "stages")
)
READY = Metric("orch_ready", "gauge", "1 if /readyz answers with status 200, else 0")
BROKER_LOST = Metric("orch_broker_lost", "gauge", "1 if no broker could be used at the last look, else 0")
STANDSTILLS = Metric(
    "orch_standstills_total", "counter", "Times that the process stood still for ten seconds or longer"
)

EVENTS = Metric("orch_events_total", "counter", "Events that this process wrote", ("topic", "kind"))
DECISIONS = Metric("orch_decisions_total", "counter", "Decisions that this process made", ("status", "reason"))
DECISION_SECONDS = Metric(
    "orch_decision_seconds",
    "histogram",
    "Time from a question's record to that of its decision, told by the process that asks the agents",
)
QUESTIONS_OPEN = Metric(
    "orch_questions_open", "gauge", "Questions without a decision, in partitions that this process asks agents for"
)
OLDEST_QUESTION = Metric("orch_oldest_open_question_seconds", "gauge", "Age of the oldest of them; 0 if there is none")
DEAD_LETTERS = Metric("orch_dead_letters_total", "counter", "Records that this process rejected", ("reason",))

CALLS_IN_FLIGHT = Metric("orch_calls_in_flight", "gauge", "Calls to providers that run now")
ATTEMPTS = Metric(
    "orch_call_attempts_total",
    "counter",
    "Attempts to call an agent, counted when its analysis is written; outcome is ok, or the class of the error",
    ("agent", "outcome"),
)
CALL_SECONDS = Metric("orch_call_seconds_total", "counter", "Duration of those attempts", ("agent",))
TOKENS = Metric("orch_call_tokens_total", "counter", "Tokens that providers reported", ("agent", "direction"))
SPEND = Metric("orch_spend_nusd_total", "counter", "Known cost of calls, in nano-dollars", ("agent",))
UNPRICED = Metric("orch_unpriced_calls_total", "counter", "Calls of unknown cost", ("agent",))
BUDGET_REFUSALS = Metric("orch_budget_refusals_total", "counter", "Calls that a budget forbade", ("limit",))
BREAKER_OPEN = Metric(
    "orch_circuit_breaker_open", "gauge", "1 while an agent is not called because it failed too often", ("agent",)
)

PARTITIONS = Metric("orch_partitions", "gauge", "Partition numbers that this process holds", ("stage",))
LAG = Metric(
    "orch_lag_records",
    "gauge",
    "Records of held partitions that are not read (agents, deadlines) or not folded (other stages) yet",
    ("stage", "partition"),
)
REBALANCES = Metric("orch_rebalances_total", "counter", "Assignments of partitions to this process", ("stage",))
FENCINGS = Metric("orch_fencings_total", "counter", "Times that another owner fenced this process", ("stage",))
FOLDED = Metric("orch_folded_records_total", "counter", "Records that this process folded", ("stage",))
FOLD_SECONDS = Metric("orch_fold_seconds_total", "counter", "Time that the folds took", ("stage",))

REQUESTS = Metric("orch_http_requests_total", "counter", "Requests that were answered", ("route", "status"))
CALLERS = Metric("orch_http_waiting", "gauge", "Callers that wait for a decision now")
STREAMS = Metric("orch_event_streams", "gauge", "Clients that follow the decisions now")
BEHIND = Metric(
    "orch_event_streams_behind_total",
    "counter",
    "Times that a client read too slowly for the decisions in memory, and went on from the log",
)
STALLED = Metric("orch_event_streams_stalled_total", "counter", "Clients that were dropped because they read nothing")

SPANS_SENT = Metric("orch_spans_sent_total", "counter", "Spans that the collector of --traces took")
SPANS_LOST = Metric(
    "orch_spans_lost_total",
    "counter",
    "Spans that never arrived; reason is no_room (the queue was full: the collector is away or slow)"
    " or refused (the collector did not want them)",
    ("reason",),
)

METRICS: tuple[Metric, ...] = tuple(value for value in dict(globals()).values() if isinstance(value, Metric))

DECISION_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the histogram's buckets: from ORCH's own p99 on a file (50 ms) to slow reasoning models."""
