"""The dashboard and the alerts of `infra/monitoring/`."""

import pytest
import yaml

from streams.instruments.names import METRICS

from ...monitoring import FOLDER, alert_queries, names_in, panel_queries, promtool

KNOWN = {
    *(metric.name for metric in METRICS),
    *(f"{metric.name}_bucket" for metric in METRICS if metric.kind == "histogram"),
    # Prometheus' own, of each scrape, and those of its library.
    "up",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
}


def test_every_metric_asked_for_exists() -> None:
    """Dashboard and alerts name metrics that the program has; a renamed one would leave a panel empty."""
    for title, query in (*panel_queries(), *alert_queries()):
        asked = names_in(query)
        assert asked, title
        assert asked <= KNOWN, title


def test_every_metric_is_asked_for() -> None:
    """A metric that no panel and no alert uses is one that nobody looks at."""
    asked = {
        name.removesuffix("_bucket") for _, query in (*panel_queries(), *alert_queries()) for name in names_in(query)
    }
    assert {metric.name for metric in METRICS} <= asked


def test_every_alert_has_a_test() -> None:
    """alerts_test.yml shows of each alert when it fires."""
    tried = (FOLDER / "alerts_test.yml").read_text()
    assert [name for name, _ in alert_queries() if name not in tried] == []


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=lambda arguments: "-".join(arguments[:2]),
)
def test_prometheus_takes_the_files(arguments: tuple[str, ...]) -> None:
    """Each alert is silent before its trouble and fires in it, by Prometheus' own tool."""
    *command, name = arguments
    done = promtool(*command, FOLDER / name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_tell_a_person_what_to_do() -> None:
    """Each has a severity, a summary and a way on."""
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning", "info")
            assert rule["annotations"].keys() == {"summary", "description"}
