"""Probes of pods, their network, and systemd units."""

import re

from .test_manifests import BASE, METRICS_PORT, SYSTEMD, parse, pods, resources


def test_probes_ask_the_pages_that_workers_serve() -> None:
    """Each pod of workers serves metrics at one port; alive by /healthz, ready by /readyz."""
    for place, pod in pods().items():
        for one in pod["spec"]["containers"]:
            if one["args"][0] != "worker":
                continue
            address = parse(one["args"]).params["metrics"]
            assert (address.host, address.port) == ("0.0.0.0", METRICS_PORT), place
            assert one["ports"] == [{"name": "metrics", "containerPort": METRICS_PORT}], place
            asked = {name: one[f"{name}Probe"]["httpGet"] for name in ("liveness", "readiness")}
            assert asked == {
                "liveness": {"path": "/healthz", "port": "metrics"},
                "readiness": {"path": "/readyz", "port": "metrics"},
            }, place


def test_units_start_commands_that_there_are() -> None:
    """The commands of the systemd units parse, under the names that systemd fills in."""
    started = []
    for unit in sorted(SYSTEMD.glob("*.service")):
        (line,) = re.findall(r"^ExecStart=.*?/bin/orch (.*?)'?$", unit.read_text("utf-8"), re.MULTILINE)
        line = re.sub(r"\$\(.*?\)", "now", line)
        line = line.replace("%i", "agents").replace("%H", "host").replace("${METRICS_ADDRESS}", "127.0.0.1:9464")
        started.append(parse(line.split()).info_name)
    assert started == ["backup", "worker"]


def test_network_reaches_brokers_and_providers() -> None:
    """Prometheus alone connects to pods; all of them reach Kafka at the port of the log, and only agents the world."""
    everyone, agents = (one for one in resources if one["kind"] == "NetworkPolicy")
    (scrape,) = everyone["spec"]["ingress"]
    assert scrape["ports"] == [{"protocol": "TCP", "port": METRICS_PORT}]
    assert scrape["from"]
    assert set(everyone["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    ports = {port["port"] for rule in everyone["spec"]["egress"] for port in rule["ports"]}
    log = re.search(r"ORCH_LOG=kafka://\S+:(\d+)", (BASE / "orch.env").read_text("utf-8"))
    assert log is not None
    assert ports == {53, int(log[1])}
    for place, pod in pods().items():
        assert everyone["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items(), place
    assert agents["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "agents"
