"""Prometheus text of the meters, made when it is scraped."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from streams.instruments.meters import Histogram, Meters
from streams.instruments.names import DECISION_SECONDS, METRICS, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format, which every scraper reads."""

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class MetersCollector(Collector):
    """Gives the meters of this process to a registry; nothing is kept between two scrapes."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def collect(self) -> Iterator[Family]:
        """Read every metric once; one without any value is left out."""
        for metric in METRICS:
            if metric is DECISION_SECONDS:
                yield _histogram(metric, self._meters.decision_seconds)
            elif values := self._meters.values(metric):
                # The library adds `_total` itself.
                kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                family = kind(metric.name, metric.help, labels=metric.labels)
                for labels, value in sorted(values.items()):
                    family.add_metric(labels, value)
                yield family


def _histogram(metric: Metric, histogram: Histogram) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.help)
    bounds = [*map(str, histogram.bounds), "+Inf"]
    total, buckets = 0, list[tuple[str, float]]()
    for bound, count in zip(bounds, histogram.counts, strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric([], buckets, histogram.sum)
    return family


class Exposition:
    """
    Text of one process's metrics, in a registry of their own: other code's metrics are not among them.

    The process's own memory, CPU time and open files come along, as `process_...`.
    """

    def __init__(self, meters: Meters) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(MetersCollector(meters))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Read all metrics now."""
        return generate_latest(self._registry)
