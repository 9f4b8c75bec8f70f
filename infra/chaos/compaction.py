"""Compaction at its fastest: settings of topics and broker."""

import importlib
import re
import time
from typing import Any

from infra.chaos.client import QUIET, SILENCE_S, Place, library
from infra.chaos.reading import TABLES
from streams.errors import OperatorError

STAGES = ("route", "merge", "learn", "rank", "tune")
"""The stages whose states a trial is about; each has changelogs of its own."""

_CHANGELOG = re.compile(r"orch-(\w+?)-changelog")
"""Name of a changelog after the prefix; the program may append to it."""

SEGMENT_MS = 500
"""Age at which the next record closes a segment; the active segment is never compacted."""

_SQUEEZED = {
    "segment.ms": str(SEGMENT_MS),
    # The smallest that a broker takes.
    "segment.bytes": str(1 << 20),
    "segment.jitter.ms": "0",
    "min.compaction.lag.ms": "0",
    "min.cleanable.dirty.ratio": "0.001",
    # A tombstone is removed in the round after the one that first saw it.
    "delete.retention.ms": "0",
    # By default the files of a thousand removed segments would stay for a minute each.
    "file.delete.delay.ms": "1000",
}
# It sleeps for 15 s by default when it has found nothing to do.
_CLEANER = {"log.cleaner.backoff.ms": "100"}
_ANSWER_S = 10.0


def stage_of(topic: str, prefix: str = "") -> str | None:
    """Give the stage of a changelog; None if the topic is no changelog, or its stage keeps no questions."""
    named = _CHANGELOG.match(topic.removeprefix(prefix)) if topic.startswith(prefix) else None
    return named[1] if named and named[1] in STAGES else None


def changelogs(asking: Any, prefix: str = "") -> dict[Place, str]:
    """
    Find the partitions of all changelogs and the stage of each; topics have their full names.

    Args:
        asking: Any client of librdkafka.

    Raises:
        OperatorError: A stage has no changelog: the program names them differently now.
    """
    topics = asking.list_topics(timeout=SILENCE_S).topics
    found = {(name, n): stage for name in topics if (stage := stage_of(name, prefix)) for n in topics[name].partitions}
    for stage in STAGES:
        if stage not in found.values():
            raise OperatorError(
                f"no changelog of {stage} is there", remedy="See how infra/chaos/compaction.py finds it"
            )
    return found


def squeeze(bootstrap: str, prefix: str = "") -> None:
    """
    Have changelogs, router table and weights compacted within a second or two, whatever settings their topics had.

    The settings survive a kill of the broker. The cleaner's interval is a setting of the whole broker, so a trial
    needs a broker of its own.

    Raises:
        OperatorError: The broker refuses.
    """
    admin = importlib.import_module("confluent_kafka.admin")
    client = admin.AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    topics = {name for name, _ in changelogs(client, prefix)} | {f"{prefix}{table}" for table in TABLES}
    kind = admin.ConfigResource.Type
    changes = [admin.ConfigResource(kind.TOPIC, name) for name in sorted(topics)]
    changes += [admin.ConfigResource(kind.BROKER, str(number)) for number in client.list_topics().brokers]
    for one in changes:
        for name, value in (_CLEANER if one.restype == kind.BROKER else _SQUEEZED).items():
            setting = admin.ConfigEntry(name, value, incremental_operation=admin.AlterConfigOpType.SET)
            one.add_incremental_config(setting)
    limit = time.monotonic() + SILENCE_S
    for one, done in client.incremental_alter_configs(changes, request_timeout=_ANSWER_S).items():
        try:
            done.result(max(0.0, limit - time.monotonic()))
        except library().KafkaException as error:
            raise OperatorError(f"{one.name} cannot be compacted sooner: {error}") from error
