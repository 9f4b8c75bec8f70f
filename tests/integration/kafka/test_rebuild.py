"""States derived from real topics, beside those of the stages."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdopted
from schemas.quantities import PPB
from schemas.router import RouterEntry
from streams.errors import OperatorError
from streams.processors import LEARN, MERGE, PROCESSORS, RANK, ROUTE, TUNE
from streams.processors.deadlines import deadline_of
from streams.processors.fold import Processor, Tables
from streams.runtimes.kafka.client.producer import ProducerRecord, message_of
from streams.runtimes.kafka.client.topics import administered
from streams.runtimes.kafka.stages.changelog import Rebuilt
from streams.runtimes.kafka.stages.global_tables import KafkaGlobalTables
from streams.runtimes.kafka.stages.rebuild import rebuild
from streams.runtimes.kafka.stages.runner import FOLDING, HostingOptions, running
from streams.runtimes.kafka.stages.state_store import KafkaStateStore
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEADLINES,
    DECISIONS,
    FEEDBACK,
    QUESTIONS,
    ROUTER,
    TOPICS,
    partition_of,
)

from ...worlds import analysis, by_odds, gold, merging, moment, newest, overdue, policy, question
from .stage_bench import PLACE, Bench, Run, run

__all__ = ["run"]

NOBODY = Tables(None, {})
CASCADE = merging("cascade", "a", "b", "c", stages=(1, 1, 1), accept_ppb=PPB, window_ppb=0, merge_agent=False)
ODDS = by_odds("a", "b", "c", odds={"cascade": False})
ASKED = tuple(question(f"q{number}") for number in range(12))
ASKED_KEYS = {one.question_id for one in ASKED}
SILENT = {"q3": "bc", "q4": "c", "q5": "a"}
"""Agents that have nothing to say yet."""


def answers(openers: Iterable[Event], answered: set[tuple[str, str]]) -> Iterator[Event]:
    """Answer for every seat that is open and was not taken."""
    for opener in openers:
        assert isinstance(opener, PanelAssigned | StageOpened)
        for seat in opener.stage.seats:
            if (opener.event_id, seat.agent) in answered or seat.agent in SILENT.get(opener.question_id, ""):
                continue
            answered.add((opener.event_id, seat.agent))
            yield analysis(opener, seat.agent, "AB"[len(opener.question_id) % 2])


async def publish(bench: Bench, *events: Event) -> None:
    """Write events where they belong."""
    await bench.producer.publish([message_of(event) for event in events])


async def live(bench: Bench, state_dir: Path, adopted: PolicyAdopted = CASCADE) -> None:
    """Let all stages work on questions, agents answer them, feedback come, and strangers write; then stop."""
    await publish(bench, adopted, *ASKED, question("q1", text="Something else?"), gold("A", "q0"), gold("B", "q0"))
    wrong = (partition_of(b"q2", 8) + 1) % 8
    await (await bench.producer.send_to(bench.connection.topic(QUESTIONS), wrong, b"", question("q2").encode()))
    await bench.producer.publish([ProducerRecord(topic, "q0", b"{") for topic in (QUESTIONS, ANALYSES, FEEDBACK)])
    answered: set[tuple[str, str]] = set()
    async with running(bench.connection, FOLDING, bench.producer, HostingOptions(state_dir)) as stages:
        while True:
            await stages.settled()
            more = list(answers(await bench.events(ASSIGNMENTS), answered))
            if not more:
                break
            await publish(bench, *more)
        panels = {
            panel.correlation: panel for panel in await bench.events(ASSIGNMENTS) if isinstance(panel, PanelAssigned)
        }
        late = [deadline_of(panels[name], moment(1_000)) for name in ("q4", "q9")]
        await publish(bench, *(gold("A", f"q{number}") for number in range(6)), *late, overdue("q4"))
        await stages.settled()


async def rebuilt(bench: Bench, processor: Processor) -> dict[int, Rebuilt]:
    """Derive the states of all partitions of a stage."""
    tables = KafkaGlobalTables(bench.connection)
    await tables.start()
    try:
        seen = tables.tables if processor.sees_tables else NOBODY
        partitions = range(max(TOPICS[topic].partitions for topic in processor.reads))
        found = await asyncio.gather(*(rebuild(bench.connection, processor, number, seen) for number in partitions))
        return dict(zip(partitions, found, strict=True))
    finally:
        await tables.stop()


def stored(
    bench: Bench, state_dir: Path, processor: Processor, partition: int, keys: Iterable[str]
) -> dict[str, bytes]:
    """Give the states that a stage left in its store."""
    changelog = f"{bench.connection.url}#{bench.connection.changelog(processor.name)}-{partition}"
    store = KafkaStateStore(state_dir / bench.connection.group(processor.name) / f"{partition}.db", changelog)
    try:
        return {key: value for key in keys if (value := store.get(key)) is not None}
    finally:
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize("adopted", [CASCADE, newest(CASCADE), ODDS], ids=["v1", "v2", "odds"])
def test_derived_states_are_those_of_the_stages(run: Run, adopted: PolicyAdopted) -> None:
    """Every state of every stage and partition is the same bytes, to the same offsets, and nothing is left to send."""

    async def test(bench: Bench) -> None:
        state_dir = bench.folder / "states"
        await live(bench, state_dir, adopted)
        lines = {event.key for event in await bench.events(ROUTER) if isinstance(event, RouterEntry)}
        tables = {adopted.policy_id} if adopted is ODDS else set()
        keys = {ROUTE: ASKED_KEYS, MERGE: ASKED_KEYS, LEARN: ASKED_KEYS, RANK: lines, TUNE: tables}
        for processor in PROCESSORS:
            found = await rebuilt(bench, processor)
            assert sorted(key for part in found.values() for key in part.states) == sorted(keys[processor])
            for partition, part in found.items():
                assert part.states == stored(bench, state_dir, processor, partition, keys[processor])
                assert part.outputs == []
            for topic in processor.reads:
                held = Counter(record.partition for record in await bench.records(topic))
                assert {partition: part.offsets[topic] for partition, part in found.items()} == {
                    partition: held[partition] for partition in found
                }

    run(test)


def test_what_no_stage_has_read_follows(run: Run) -> None:
    """Inputs that lie there are derived to their ends, and what follows is to be sent, with what it carries on."""

    async def test(bench: Bench) -> None:
        trace = (("traceparent", b"00-t"),)
        await bench.producer.publish([message_of(policy("a")), message_of(question(), trace)])
        (part,) = [part for part in (await rebuilt(bench, ROUTE)).values() if part.outputs]
        (panel,) = part.outputs
        assert (panel.topic, panel.key) == (ASSIGNMENTS, "q")
        assert dict(panel.headers)["traceparent"] == b"00-t"
        assert orjson.loads(part.states["q"]) == [question().statement_id, question().event_id]
        await bench.producer.publish(part.outputs)
        await publish(bench, *answers(await bench.events(ASSIGNMENTS), set()))
        part = await rebuild(bench.connection, MERGE, PLACE, NOBODY)
        assert [message.topic for message in part.outputs] == [DECISIONS]
        assert part.offsets == {ASSIGNMENTS: 1, ANALYSES: 1, DEADLINES: 0}
        await bench.producer.publish(part.outputs)
        assert (await rebuild(bench.connection, MERGE, PLACE, NOBODY)).outputs == []
        assert (await rebuild(bench.connection, ROUTE, PLACE, NOBODY)).outputs == []

    run(test)


def test_a_topic_without_its_beginning_tells_no_states(run: Run) -> None:
    """What was deleted may have decided anything; whoever is asked to derive states says which topic it is."""

    async def test(bench: Bench) -> None:
        await publish(bench, gold("A", "q"))
        topic = bench.connection.topic(FEEDBACK)
        async with administered(bench.connection) as admin:
            await admin.delete_records({TopicPartition(topic, PLACE): RecordsToDelete(1)})
        with pytest.raises(OperatorError, match="begins at offset 1"):
            await rebuild(bench.connection, LEARN, PLACE, NOBODY)

    run(test)


@pytest.mark.slow
def test_a_changelog_that_lost_its_beginning_is_refused_and_rebuilt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage says what helps; with it, nobody gets a second panel or decision, and open questions are decided."""

    async def test(bench: Bench) -> None:
        await live(bench, bench.folder / "states")
        before = {event.event_id for topic in (ASSIGNMENTS, DECISIONS) for event in await bench.events(topic)}
        async with administered(bench.connection) as admin:
            for processor in PROCESSORS:
                topic = bench.connection.changelog(processor.name)
                partitions = range(max(TOPICS[name].partitions for name in processor.reads))
                places = [TopicPartition(topic, number) for number in partitions]
                # Only of such a topic does a broker delete the beginning.
                await admin.alter_configs(
                    [ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": "delete"})]
                )
                await admin.delete_records({place: RecordsToDelete(2) for place in places})
        async with running(bench.connection, ["merge"], bench.producer, HostingOptions()) as stages:
            with pytest.raises(OperatorError, match="no such fence") as refused:
                await asyncio.wait_for(stages.failed(), 30)
        assert "--rebuild" in refused.value.remedy
        monkeypatch.setattr(f"{__name__}.SILENT", {})
        async with running(bench.connection, FOLDING, bench.producer, HostingOptions(rebuild=True)) as stages:
            await publish(bench, *ASKED)
            await stages.settled()
            answered: set[tuple[str, str]] = set()
            while more := list(answers(await bench.events(ASSIGNMENTS), answered)):
                await publish(bench, *more)
                await stages.settled()
        after = [event for topic in (ASSIGNMENTS, DECISIONS) for event in await bench.events(topic)]
        assert before <= {event.event_id for event in after}
        for kind in (PanelAssigned, DecisionMade):
            made = {event.event_id: event.key for event in after if isinstance(event, kind)}
            assert sorted(made.values()) == sorted(ASKED_KEYS)

    run(test)
