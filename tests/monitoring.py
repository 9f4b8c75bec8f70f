"""Queries of dashboard and alerts, and Prometheus' own tool."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from .conftest import ROOT

FOLDER = ROOT / "infra" / "monitoring"

_NAME = re.compile(r"\b(?:orch|process)_[a-z_]+\b|\bup\b")


def promtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run `promtool` of the Debian package prometheus; skip without it."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: apt-get install --no-install-recommends prometheus")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def panel_queries() -> Iterator[tuple[str, str]]:
    """Give title and query of every target of the dashboard."""
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def worker_queries() -> Iterator[str]:
    """Give the queries of dashboard and alerts that a worker answers: all but those about HTTP."""
    for _, query in (*panel_queries(), *alert_queries()):
        if not is_about_http(query):
            yield query


def is_about_http(query: str) -> bool:
    """Say whether a query asks for what `orch serve` alone counts."""
    return any(name.startswith(("orch_http_", "orch_event_streams")) for name in names_in(query))


def alert_queries() -> Iterator[tuple[str, str]]:
    """Give name and query of every alert."""
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def names_in(query: str) -> set[str]:
    """List the metrics that a query names."""
    return set(_NAME.findall(query))


def names_of(scrape: str) -> set[str]:
    """List the names of the samples in a scrape."""
    return {sample.name for family in text_string_to_metric_families(scrape) for sample in family.samples}


def silent_panels(scrape: str, folder: Path, *, http: bool = False) -> str:
    """
    Ask queries of the dashboard of a Prometheus that has scraped this again and again.

    Args:
        scrape: What a process exposes.
        folder: Receives a file.
        http: Ask those about HTTP, else all others.

    Returns:
        What promtool says of the queries without an answer; empty if all have one.
    """
    series = []
    for family in text_string_to_metric_families(scrape):
        for sample in family.samples:
            labels = {**sample.labels, "instance": "w1", "job": "orch"}
            told = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
            series.append({"series": f"{sample.name}{{{told}}}", "values": f"{sample.value!r}+0x60"})
    asked = [
        {"expr": f"count({query}) > bool 0", "eval_time": "9m", "exp_samples": [{"labels": "{}", "value": 1}]}
        for _, query in panel_queries()
        if is_about_http(query) is http
    ]
    tests = [{"interval": "10s", "input_series": series, "promql_expr_test": asked}]
    file = folder / "panels_test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1m", "tests": tests}))
    done = promtool("test", "rules", file)
    return "" if done.returncode == 0 else done.stdout + done.stderr
