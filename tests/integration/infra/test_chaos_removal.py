"""Real compaction within seconds, and a watcher that counts it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.broker import Broker
from infra.chaos.client import consumer, producer
from infra.chaos.compaction import STAGES, changelogs, squeeze
from infra.chaos.removal import RemovalWatch
from infra.chaos.workers import Opening, prepare

from ...broker import require_kafka
from ...limits import LIMIT_S

pytestmark = pytest.mark.slow


POLICY = """
[policy]
policy_id = "plain"
[[agents]]
kind = "simulated"
name = "ann"
"""


class Writer:
    """Writes to the first partition of each changelog, again and again under one key."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = producer(bootstrap, linger_ms=0)
        asking = consumer(bootstrap)
        self._topics = sorted({name for name, _ in changelogs(asking)})
        asking.close()
        self.written = 0
        """Records in each of them."""

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Write until something is so."""
        limit = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < limit, what
            for topic in self._topics:
                self._producer.produce(topic, b"state", b"key", 0)
            assert self._producer.flush(LIMIT_S) == 0
            self.written += 1
            time.sleep(0.05)


@pytest.mark.process
def test_compaction_is_real_and_is_seen(tmp_path: Path) -> None:
    """Records of each stage go while others are written, and none too many."""
    require_kafka()
    with Broker(tmp_path / "broker") as broker:
        prepare(tmp_path, broker.url, POLICY)
        squeeze(broker.bootstrap)
        writer = Writer(broker.bootstrap)
        watch = RemovalWatch(broker.bootstrap, lambda: 1)
        try:
            writer.until(lambda: all(watch.removed().values()), "nothing is compacted")
        finally:
            watch.close()
        found = watch.finish([Opening(stage, 0, time.time(), "-") for stage in STAGES])
        assert found.lacking() == []
        # The last of a key stays whatever happens.
        assert all(count < writer.written for count in found.removed.values())
        late = watch.finish([Opening(stage, 1, time.time(), "-") for stage in STAGES])
        assert set(late.owners.values()) <= {0}, "nothing was removed of those partitions"
