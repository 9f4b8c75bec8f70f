"""`orch topics`: creation, checks and record counts of topics."""

from typing import Any

import click

from streams.app import amounts
from streams.app.topics import check_topics, create_topics, events_by_topic
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_ENVIRONMENT, App, pass_app
from streams.errors import UsageError
from streams.topology import MOST_REPLICAS, TOPICS

_STYLES = {"ok": "green", "warn": "yellow"}
_BAD = "bold red"


@command(examples=("orch topics", "orch --format json topics", "orch --log kafka://localhost:9092 topics create"))
@click.argument("action", type=click.Choice(["list", "create", "check"]), default="list", required=False)
@click.option(
    "--replication",
    type=click.IntRange(1, 15),
    metavar="N",
    help="Replicas of topics that are created; by default as many as brokers, at most 3.",
)
@pass_app
def topics(app: App, action: str, replication: int | None) -> int | None:
    """
    List, create or check the topics of the log.

    The list shows key, partitions, cleanup, number of events and writers of each topic. On Kafka, create makes the
    missing topics, with unlimited retention, and with compaction where the list says so. check compares the existing
    topics with the required ones, and says what their replicas can lose; if one is missing, differs, or cannot be
    written to or looked at, the exit code is 3, except for those that only policies with learned odds need. A file
    makes its topics by itself.
    """
    if replication is not None and action != "create":
        raise UsageError("--replication is about topics that are created", remedy="Give it with `orch topics create`")
    if action == "check":
        return _check(app)
    if action == "create":
        _create(app, replication)
    else:
        _list(app)
    return None


def _create(app: App, replication: int | None) -> None:
    made, replicas, brokers = create_topics(app, replication)
    if app.json:
        output.print_json({"created": made, "replicas": replicas, "brokers": brokers})
    elif made:
        output.print_text(f"{amounts.counted(len(made), 'topic')} created: {', '.join(made)}")
    else:
        output.print_text("All topics are there already; `orch topics check` compares them.")
    if made and replicas < min(MOST_REPLICAS, brokers):
        output.say(
            f"Warning: {amounts.counted(replicas, 'replica')} on a cluster of {brokers} brokers: what the brokers of a"
            f" partition lose is lost, and while they are down it stands still. Without --replication there are"
            f" {min(MOST_REPLICAS, brokers)}; kafka-reassign-partitions.sh changes topics that are there."
        )


def _check(app: App) -> int:
    found = check_topics(app)
    lines = [*found.topics, *found.replicas]
    for one in lines:
        if app.json:
            output.print_json(one._asdict())
            continue
        remedy = f"\n{one.remedy}" if one.remedy else ""
        output.print_state(one.state, _STYLES.get(one.state, _BAD), one.topic, f"{one.finding}{remedy}")
    return EXIT_ENVIRONMENT if any(one.state not in _STYLES for one in lines) else 0


def _list(app: App) -> None:
    counts = events_by_topic(app)
    if app.json:
        for topic in TOPICS.values():
            facts: dict[str, Any] = {
                "topic": topic.name,
                "key": topic.key,
                "partitions": topic.partitions,
                "cleanup": topic.cleanup,
                "kinds": topic.kinds,
                "writers": topic.writers,
                "readers": topic.readers,
                "events": None if counts is None else counts[topic.name],
            }
            output.print_json(facts)
        return
    rows = [
        (
            topic.name,
            topic.key,
            str(topic.partitions),
            topic.cleanup,
            "-" if counts is None else f"{counts[topic.name]:,}",
            ", ".join(topic.writers),
        )
        for topic in TOPICS.values()
    ]
    output.print_table(
        ("topic", "key", "partitions", "cleanup", "events", "written by"), rows, right=("partitions", "events")
    )
    if counts is None:
        output.say(f"{app.log_url} is not there yet.")
