"""The fenced changelog: single owner, atomic batches, foreign records."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.fetch import fetch, plain_consumer
from streams.runtimes.kafka.client.producer import ProducerRecord, RecordProducer
from streams.runtimes.kafka.client.topics import create_topics
from streams.runtimes.kafka.stages.changelog import Changelog, Fenced, Recovered
from streams.runtimes.kafka.stages.changelog_records import BatchId, RecordKind, parse_key
from streams.runtimes.kafka.stages.state_store import KafkaStateStore, StorePosition

STAGE, PARTITION = "merge", 3
OUTPUT = ProducerRecord("orch.decisions", "q", b'{"decided": "A"}', (("ce_id", b"1"),), None)


class Bench:
    """One changelog, and as many owners as a test wants."""

    def __init__(self, connection: Connection, producer: RecordProducer) -> None:
        self.connection = connection
        self.producer = producer
        self.stores: list[KafkaStateStore] = []

    def owner(self, path: Path | None = None) -> tuple[Changelog, KafkaStateStore]:
        """Make an owner with a store of its own."""
        store = KafkaStateStore(path, "test")
        self.stores.append(store)
        return Changelog(self.connection, self.producer, STAGE, PARTITION, store), store

    async def opened(self, path: Path | None = None) -> tuple[Changelog, KafkaStateStore, Recovered]:
        """Make an owner, and let it take over."""
        changelog, store = self.owner(path)
        return changelog, store, await changelog.open()


@pytest.fixture
def run(broker: Any) -> Callable[[Callable[[Bench], Awaitable[None]]], None]:
    """Run a test against topics of its own."""

    def runner(test: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
        async def body() -> None:
            connection = parse_connection(f"{broker.bootstrap}/{uuid.uuid4().hex[:12]}", {})
            await create_topics(connection)
            async with RecordProducer(connection) as producer:
                bench = Bench(connection, producer)
                try:
                    await test(bench)
                finally:
                    for store in bench.stores:
                        store.close()

        asyncio.run(asyncio.wait_for(body(), 300))

    return runner


@asynccontextmanager
async def held_back(producer: RecordProducer, after: int) -> AsyncIterator[asyncio.Event]:
    """Let a publisher send so many records to changelogs, and keep the next until the event is set."""
    send, resumed, left = producer.send_to, asyncio.Event(), after

    async def slow(*arguments: Any) -> Any:
        nonlocal left
        if left == 0:
            await resumed.wait()
        left = max(0, left - 1)
        return await send(*arguments)

    producer.send_to = slow  # type: ignore[method-assign]
    try:
        yield resumed
    finally:
        producer.send_to = send  # type: ignore[method-assign]


def test_a_new_owner_finds_states_place_and_outputs(run: Any) -> None:
    """What was committed is what the next owner starts from, its outputs included."""

    async def test(bench: Bench) -> None:
        first, _, recovered = await bench.opened()
        assert recovered == Recovered({}, [])
        await first.commit({"q": b"one"}, {"orch.analyses": 5}, [])
        await first.commit({"q": b"two", "r": b"three"}, {"orch.analyses": 9}, [OUTPUT])
        _, store, recovered = await bench.opened()
        assert recovered == Recovered({"orch.analyses": 9}, [OUTPUT])
        assert (store.get("q"), store.get("r")) == (b"two", b"three")

    run(test)


def test_a_local_copy_is_read_on_from_where_it_stands(run: Any, tmp_path: Path) -> None:
    """An owner that comes back with its file has all states, and the outputs of the last batch once more."""

    async def test(bench: Bench) -> None:
        first, store, _ = await bench.opened(tmp_path / "3.db")
        await first.commit({f"q{number}": b"x" for number in range(500)}, {"t": 500}, [])
        await first.commit({"q0": b"y"}, {"t": 501}, [OUTPUT])
        store.close()
        second, store, recovered = await bench.opened(tmp_path / "3.db")
        assert recovered == Recovered({"t": 501}, [OUTPUT])
        assert (store.get("q0"), store.get("q499")) == (b"y", b"x")
        await second.close(sent=True)
        _, _, recovered = await bench.opened(tmp_path / "3.db")
        assert recovered.unsent == []

    run(test)


def test_an_owner_that_was_replaced_cannot_commit(run: Any) -> None:
    """A process that wakes up after another took over is told so, and its batch does not count."""

    async def test(bench: Bench) -> None:
        zombie, _, _ = await bench.opened()
        await zombie.commit({"q": b"before"}, {"t": 1}, [])
        await bench.opened()
        with pytest.raises(Fenced):
            await zombie.commit({"q": b"stale"}, {"t": 2}, [OUTPUT])
        _, store, recovered = await bench.opened()
        assert recovered == Recovered({"t": 1}, [])
        assert store.get("q") == b"before"

    run(test)


def test_what_a_replaced_owner_left_is_given_up(run: Any) -> None:
    """Records of a replaced process hide nothing that counts, and the next owner's first batch removes them."""

    async def test(bench: Bench) -> None:
        zombie, _, _ = await bench.opened()
        await zombie.commit({"q": b"good"}, {"t": 1}, [])
        await bench.opened()
        with pytest.raises(Fenced):
            await zombie.commit({"q": b"stale", "never": b"stale"}, {"t": 2}, [])
        assert sorted(await states_left(bench.connection)) == [b"good", b"stale", b"stale"]
        owner, _, _ = await bench.opened()
        await owner.commit({}, {"t": 2}, [])
        assert await states_left(bench.connection) == [b"good"]

    run(test)


def test_a_batch_without_its_commit_does_not_count(run: Any) -> None:
    """A process that died in the middle of a batch left nothing that counts."""

    async def test(bench: Bench) -> None:
        first, _, _ = await bench.opened()
        await first.commit({"q": b"whole"}, {"t": 1}, [])
        async with held_back(bench.producer, after=1):
            dying = asyncio.create_task(first.commit({"q": b"half", "r": b"half"}, {"t": 2}, [OUTPUT]))
            await asyncio.sleep(0.2)
            dying.cancel()
        _, store, recovered = await bench.opened()
        assert recovered == Recovered({"t": 1}, [])
        assert (store.get("q"), store.get("r")) == (b"whole", None)

    run(test)


def test_an_owner_that_is_stopped_in_a_batch_takes_nothing_back(run: Any) -> None:
    """A batch that was written but not acknowledged when the process was told to stop counts, outputs included."""

    async def test(bench: Bench) -> None:
        first, _, _ = await bench.opened()
        await first.commit({"q": b"one"}, {"t": 1}, [OUTPUT])
        stopping = asyncio.create_task(first.commit({"q": b"two"}, {"t": 2}, [OUTPUT, OUTPUT]))
        # Its records are queued, and its acknowledgement is on the way.
        await asyncio.sleep(0)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await first.close(sent=True)
        _, store, recovered = await bench.opened()
        assert recovered in (Recovered({"t": 2}, [OUTPUT, OUTPUT]), Recovered({"t": 1}, [OUTPUT]))
        assert store.get("q") == (b"two" if recovered.offsets["t"] == 2 else b"one")

    run(test)


def test_a_batch_that_is_cut_by_a_new_owner_does_not_count(run: Any) -> None:
    """Half of a batch before the fence and half behind it is no batch, and its owner is told."""

    async def test(bench: Bench) -> None:
        first, _, _ = await bench.opened()
        async with held_back(bench.producer, after=1) as resumed:
            cut = asyncio.create_task(first.commit({"q": b"half", "r": b"half"}, {"t": 2}, [OUTPUT]))
            await asyncio.sleep(0.2)
            async with RecordProducer(bench.connection) as other:
                second = Changelog(bench.connection, other, STAGE, PARTITION, KafkaStateStore(None, "test"))
                recovered = await second.open()
                resumed.set()
                with pytest.raises(Fenced):
                    await cut
                assert recovered == Recovered({}, [])
        _, store, recovered = await bench.opened()
        assert recovered == Recovered({}, [])
        assert store.get("q") is None

    run(test)


def test_the_owner_itself_notices_what_a_zombie_wrote(run: Any) -> None:
    """Records in between make the true owner take over anew; what it had committed counts, and it goes on."""

    async def test(bench: Bench) -> None:
        zombie, _, _ = await bench.opened()
        owner, _, _ = await bench.opened()
        with pytest.raises(Fenced):
            await zombie.commit({"q": b"stale"}, {"t": 9}, [])
        with pytest.raises(Fenced):
            await owner.commit({"q": b"true"}, {"t": 2}, [OUTPUT])
        recovered = await owner.open()
        assert recovered == Recovered({"t": 2}, [OUTPUT])
        await owner.commit({"q": b"next"}, {"t": 3}, [])

    run(test)


def test_outputs_larger_than_a_record_are_kept(run: Any) -> None:
    """A batch may cause more bytes than a record holds, and single events near the limit."""

    async def test(bench: Bench) -> None:
        first, _, _ = await bench.opened()
        outputs = [ProducerRecord("orch.questions", f"q{n}", b'"%d' % n + b"\\" * 890_000, (), 7) for n in range(5)]
        await first.commit({}, {"t": 1}, outputs)
        _, _, recovered = await bench.opened()
        assert recovered.unsent == outputs

    run(test)


def test_a_store_of_another_changelog_is_emptied(run: Any, tmp_path: Path) -> None:
    """States of a changelog that was deleted and made anew are forgotten."""

    async def test(bench: Bench) -> None:
        store = KafkaStateStore(tmp_path / "3.db", "test")
        batch = BatchId(999_990, 4)
        store.apply({"q": b"old"}, batch, StorePosition(1_000_000, 999_990, {"t": 7}, batch))
        store.close()
        _, store, recovered = await bench.opened(tmp_path / "3.db")
        assert recovered == Recovered({}, [])
        assert store.get("q") is None

    run(test)


def test_a_damaged_store_is_made_anew(tmp_path: Path) -> None:
    """A local copy is a cache: garbage in its file is thrown away."""
    (tmp_path / "3.db").write_bytes(b"garbage" * 1_000)
    store = KafkaStateStore(tmp_path / "3.db", "test")
    assert store.place.position == 0
    store.close()


async def states_left(connection: Connection) -> list[bytes]:
    """Read the states that compaction would leave in the changelog."""
    from aiokafka import TopicPartition

    consumer = await plain_consumer(connection)
    place = TopicPartition(connection.changelog(STAGE), PARTITION)
    try:
        (end,) = (await consumer.end_offsets([place])).values()
    finally:
        await consumer.stop()
    newest: dict[bytes, bytes | None] = {}
    async for record in fetch(connection, place.topic, PARTITION, 0, end):
        parsed = parse_key(record.key)
        if parsed is not None and parsed.kind is RecordKind.STATE:
            newest[record.key] = record.value
    return [value for value in newest.values() if value is not None]
