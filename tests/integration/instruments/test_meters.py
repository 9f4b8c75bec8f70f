"""Counts of events, from objects and from bytes."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from schemas.event import Event
from streams.app.worker_progress import DecisionCounter
from streams.instruments.exposition import Exposition
from streams.instruments.metered_log import MeteredLog
from streams.instruments.meters import Histogram, Meters
from streams.instruments.names import METRICS
from streams.log import Stored
from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.producer import RecordProducer, message_of

from ...v2_strategies import EVENTS

COUNTED = st.sampled_from(
    [EVENTS[kind] for kind in sorted(EVENTS) if kind.startswith(("analysis", "decision", "record", "panel"))]
)


class Sink:
    """A log that takes everything."""

    policy, lag, ready = None, 0, False

    def append(self, event: Event, **more: Any) -> Stored:
        return Stored(event.topic, 0, 0, event)


async def take(self: RecordProducer, messages: Any, *, again: bool = False) -> None:
    """Send nothing."""


@settings(max_examples=25, deadline=None)
@given(st.lists(COUNTED.flatmap(lambda strategy: strategy), max_size=6))
def test_a_file_and_a_cluster_count_alike(events: list[Any]) -> None:
    """Whatever the events hold, the writer of a file and the producer of a worker give the same metrics."""
    of_file, of_worker = Meters(), Meters()
    log: Any = Sink()
    metered = MeteredLog(log, of_file)
    of_worker.expect_decisions()
    of_worker.expect_letters()
    for event in events:
        metered.append(event)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordProducer, "publish", take)
        counter = DecisionCounter(parse_connection("127.0.0.1:1", {}), of_worker)
        asyncio.run(counter.publish(map(message_of, events)))
        asyncio.run(counter.publish(map(message_of, events), again=True))
    for metric in METRICS:
        if metric.labels[:1] != ("stage",):
            assert of_file.values(metric) == of_worker.values(metric), metric.name


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    """Each bucket of the text counts the values up to its bound, and the last one counts all."""
    meters = Meters()
    for value in values:
        meters.decision_seconds.observe(value)
    (family,) = (
        family
        for family in text_string_to_metric_families(Exposition(meters).text().decode())
        if family.name == "orch_decision_seconds"
    )
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            assert sample.value == sum(value <= float(sample.labels["le"]) for value in values)


def test_a_value_on_a_bound_is_below_it() -> None:
    """Prometheus' buckets include their upper bounds."""
    histogram = Histogram((1.0, 2.0))
    for value in (1.0, 1.5, 2.0, 2.5):
        histogram.observe(value)
    assert histogram.counts == [1, 2, 1]


def test_names_say_what_they_are() -> None:
    """One prefix, one ending for counters, a unit where there is one."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("orch_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.help
