"""The cache of loaded states, its bound and its estimate."""

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json
from streams.log import Record
from streams.processors import LEARN, MERGE, RANK, ROUTE
from streams.processors.fold import Processor, Tables
from streams.runtimes.kafka.stages.changelog_records import BatchId
from streams.runtimes.kafka.stages.input_marks import Folded
from streams.runtimes.kafka.stages.partition_task import PartitionTask
from streams.runtimes.kafka.stages.state_store import KafkaStateStore, StorePosition
from streams.runtimes.state_cache import StateCache, loaded_bytes

from ...worlds import World, analysis, decide, gold, policy, question, said
from .stage_bench import at

COPIES = 100
TEXTS = ("x", "x" * 10_000, "é" * 10_000, "本" * 10_000, "x" * 10_000 + "😀")


def dumped(processor: Processor, *events: Any) -> Iterator[bytes]:
    """Give the states that events lead to, as they are stored."""
    states: dict[str, Any] = {}
    for event in events:
        for key in processor.keys(event):
            states[key] = processor.fold(states.get(key), event, key, Tables(policy("a"), {})).state
    return (canonical_json(processor.dump(state)) for state in states.values())


def open_question(text: str) -> list[Any]:
    """Give the panel of eight and seven long analyses."""
    world = World(policy(*"abcdefgh", routing={"panel_size": 8}))
    world.put(question())
    return [world.assignment(), *(analysis(world.assignment(), agent, text=text) for agent in "abcdefg")]


LEARNED = decide(policy("a"), said(a="A"))
LEARNED.put(gold("A"))


@pytest.mark.parametrize(
    ("processor", "events"),
    [
        *(
            (MERGE, open_question(text))
            for text in ("x", "x" * 10_000, "é" * 10_000, "本" * 10_000, "x" * 10_000 + "😀")
        ),
        (ROUTE, [question()]),
        (LEARN, [event for event in LEARNED.log if event.topic in LEARN.reads]),
        (RANK, [event for event in LEARNED.log if event.topic in RANK.reads]),
    ],
    ids=["merge", "merge, texts", "merge, Latin", "merge, Chinese", "merge, an emoji", "route", "learn", "rank"],
)
def test_the_estimate_is_near_what_a_state_takes(processor: Processor, events: list[Any]) -> None:
    """Within a third, whatever the text; what the cache itself takes for an entry is in the estimate alone."""
    for stored in dumped(processor, *events):
        gc.collect()
        tracemalloc.start()
        kept = [processor.load(orjson.loads(stored)) for _ in range(COPIES)]
        taken = tracemalloc.get_traced_memory()[0] / len(kept)
        tracemalloc.stop()
        assert taken * 2 / 3 < loaded_bytes(stored) < taken * 4 / 3 + 250


def sizes_of(model: dict[tuple[int, str], int]) -> dict[tuple[int, str], int]:
    """Give the estimates of states of these lengths."""
    return {place: loaded_bytes(b"x" * length) for place, length in model.items()}


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abcdefgh"), st.integers(0, 400)), max_size=60))
def test_the_bound_holds_for_all_shares_together(puts: list[tuple[int, str, int]]) -> None:
    """What was used last stays as far as there is room, each share has keys of its own, and the sum is right."""
    cache = StateCache(most_bytes=2_000)
    shares = [cache.share() for _ in range(3)]
    model: dict[tuple[int, str], int] = {}
    for share, key, length in puts:
        stored = b"x" * length
        shares[share].put(key, (share, length), stored)
        model.pop((share, key), None)
        model[share, key] = length
        while sum(sizes_of(model).values()) > 2_000:
            del model[next(iter(model))]
    sizes = sizes_of(model)
    assert (len(cache), cache.used_bytes) == (len(sizes), sum(sizes.values()))
    for share, key, length in puts:
        found = shares[share].get(key)
        assert found == (((share, model[share, key]),) if (share, key) in model else None), length
    shares[0].clear()
    assert len(cache) == sum(share != 0 for share, _ in sizes)


def test_a_state_that_is_none_is_cached_too() -> None:
    """A decided question is stored as null."""
    share = StateCache().share()
    assert share.get("q") is None
    share.put("q", None, b"null")
    assert share.get("q") == (None,)


class CommittedAtOnce:
    """Stands in for a changelog: a batch counts at once, and its states go to the store."""

    def __init__(self, store: KafkaStateStore) -> None:
        self._store = store

    def require(self) -> None:
        """It is owned."""

    async def commit(self, changes: Any, offsets: Any, outputs: Any, marks: Any) -> None:
        """Write a batch."""
        self._store.apply(changes, BatchId(0, 1), StorePosition(offsets=offsets, batch=BatchId(0, 1)))


class Nobody:
    """Stands in for a producer."""

    async def publish(self, messages: Any) -> None:
        """Send nothing."""


@pytest.mark.parametrize("most_bytes", [1, 100_000_000])
def test_folding_does_not_depend_on_the_cache(most_bytes: int) -> None:
    """Without any room for states the same outputs follow, also where a batch folds one state several times."""

    world = decide(policy("a", "b"), said(a="A", b="A"))
    events = [world.assignment(), analysis(world.assignment(), "a"), analysis(world.assignment(), "b")]
    store = KafkaStateStore(None, "test")
    cache = StateCache(most_bytes)
    task = PartitionTask(MERGE, 0, CommittedAtOnce(store), store, Folded({}, {}), Tables(None, {}), None)  # type: ignore[arg-type]
    task.cache = cache.share()
    outputs: list[str] = []
    fold = task.fold

    def noted(records: Any) -> Any:
        folded = fold(records)
        outputs.extend(message.topic for message in folded[2])
        return folded

    task.fold = noted  # type: ignore[method-assign]
    records: list[Record] = []
    for event in events:
        offset = sum(record.topic == event.topic for record in records)
        records.append(at(event, offset))

    async def run() -> None:
        await task.process(records[:2], Nobody())  # type: ignore[arg-type]
        await task.process(records[2:], Nobody())  # type: ignore[arg-type]

    asyncio.run(run())
    store.close()
    assert outputs == ["orch.decisions"]
    assert len(cache) == (most_bytes > 1)
