"""
A changelog that a real broker compacts.

Owners come and go meanwhile, and zombies wake up.
"""

import asyncio
import uuid
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from infra.broker import Broker
from infra.chaos.compaction import SEGMENT_MS, squeeze
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.fetch import fetch, plain_consumer
from streams.runtimes.kafka.client.producer import ProducerRecord, RecordProducer
from streams.runtimes.kafka.client.topics import create_topics
from streams.runtimes.kafka.stages.changelog import Changelog, Fenced
from streams.runtimes.kafka.stages.changelog_records import RecordKind, parse_key
from streams.runtimes.kafka.stages.state_store import KafkaStateStore

from ...broker import require_kafka
from ...limits import LIMIT_S

pytestmark = pytest.mark.slow

STAGE, PARTITION = "merge", 3
OWNERS, BATCHES = 5, 12


@pytest.mark.process
def test_owners_find_all_that_counts_whatever_a_broker_has_removed(tmp_path: Path) -> None:
    """Commit records of earlier owners are gone, their states are not; disks old and new, and none, say the same."""
    require_kafka()
    with Broker(tmp_path / "broker") as broker:
        connection = parse_connection(broker.bootstrap, {})
        asyncio.run(asyncio.wait_for(_work(connection, broker.bootstrap, tmp_path), 3 * LIMIT_S))


async def _work(connection: Connection, bootstrap: str, folder: Path) -> None:
    await create_topics(connection)
    await asyncio.to_thread(squeeze, bootstrap)
    states: dict[str, bytes] = {}
    async with RecordProducer(connection) as producer:
        epochs: list[int] = []
        owners: list[Changelog] = []
        for number in range(OWNERS):
            # The first keeps a disk that is read again at the end, the others have none.
            store = KafkaStateStore(folder / "first.db" if number == 0 else None, "test")
            owner = Changelog(connection, producer, STAGE, PARTITION, store)
            recovered = await owner.open()
            assert {key: store.get(key) for key in states} == states
            assert recovered.offsets == ({"t": number * BATCHES} if number else {})
            epochs.append(owner._batch.epoch)
            for zombie in owners[-1:]:
                with pytest.raises(Fenced):
                    await zombie.commit({"open-0": b"late"}, {"t": 0}, [])
                await _reopen(owner)
            for batch in range(BATCHES):
                place = number * BATCHES + batch + 1
                # One key for good, as a question that stays open; one that every batch of every owner writes again.
                changes = {f"open-{place}": b"%d" % place, "hot": b"%d" % place}
                outputs = [ProducerRecord("orch.decisions", "q", b"%d" % place)]
                await owner.commit(changes, {"t": place}, outputs)
                states.update(changes)
                await asyncio.sleep(SEGMENT_MS / 1000 / 4)
            owners.append(owner)
        for owner in owners:
            owner.drop()
        await _until_compacted(connection, producer, epochs[0])
        for path in (None, folder / "first.db"):
            store = KafkaStateStore(path, "test")
            recovered = await Changelog(connection, producer, STAGE, PARTITION, store).open()
            assert {key: store.get(key) for key in states} == states
            assert recovered.offsets == {"t": OWNERS * BATCHES}
            assert [message.value for message in recovered.unsent] == [b"%d" % (OWNERS * BATCHES)]
            store.close()


async def _reopen(owner: Changelog) -> None:
    """Take over once more: the zombie's records stand between the owner's."""
    with pytest.raises(Fenced):
        await owner.commit({}, {"t": 0}, [])
    await owner.open()


async def _until_compacted(connection: Connection, producer: RecordProducer, epoch: int) -> None:
    """Wait until an owner's commit records are gone, and its states are not."""
    limit = asyncio.get_running_loop().time() + LIMIT_S
    topic = connection.changelog(STAGE)
    while True:
        # A segment is closed by the record that follows it, and only closed ones are compacted.
        await (await producer.send_to(topic, PARTITION, b"v2/probe", uuid.uuid4().hex.encode()))
        found = [parsed for key in await _keys(connection) if (parsed := parse_key(key)) is not None]
        kinds = [key.kind for key in found if key.batch.epoch == epoch]
        if RecordKind.COMMIT not in kinds:
            assert kinds.count(RecordKind.STATE) >= BATCHES
            return
        assert asyncio.get_running_loop().time() < limit, "the broker has not compacted"
        await asyncio.sleep(SEGMENT_MS / 1000)


async def _keys(connection: Connection) -> list[bytes]:
    """Read the keys of all records with a value."""
    consumer = await plain_consumer(connection)
    place = TopicPartition(connection.changelog(STAGE), PARTITION)
    try:
        (end,) = (await consumer.end_offsets([place])).values()
    finally:
        await consumer.stop()
    return [r.key async for r in fetch(connection, place.topic, PARTITION, 0, end) if r.value is not None]
