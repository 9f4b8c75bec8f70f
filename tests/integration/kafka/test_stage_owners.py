"""
Repeats, crashes and rival owners of a stage's partition.

Nothing is lost, nothing is decided twice.
"""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.registry import decode
from streams.errors import InvariantError, OperatorError, UnreachableError
from streams.processors import LEARN, MERGE, RANK, ROUTE
from streams.runtimes.kafka.client import fetch as fetch_module
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.stages import stage as stage_module
from streams.runtimes.kafka.stages.losses import require_inputs
from streams.runtimes.kafka.stages.stage import KafkaStage
from streams.topology import (
    ASSIGNMENTS,
    DEADLINES,
    DECISIONS,
    OBSERVATIONS,
    QUESTIONS,
    ROUTER,
)

from ...worlds import analysis, decide, overdue, policy, question, said
from .stage_bench import PLACE, Bench, Run, at, run

__all__ = ["run"]


def test_a_record_that_comes_again_changes_nothing(run: Run) -> None:
    """It is recognised by its offset, also by the next owner."""

    async def test(bench: Bench) -> None:
        world = decide(policy("a"), said(a="A"))
        panel, reply = world.assignment(), analysis(world.assignment(), "a")
        stage = await bench.stage(MERGE, PLACE)
        batch = [at(panel), at(reply)]
        await stage.take(batch)
        await stage.take(batch)
        await stage.close()
        again = await bench.stage(MERGE, PLACE)
        await again.take(batch)
        assert len(await bench.records(DECISIONS)) == 1

    run(test)


def test_a_crash_between_changelog_and_outputs_loses_nothing(run: Run) -> None:
    """What was committed and not sent is sent by the next owner, byte for byte, before it takes anything."""

    async def test(bench: Bench) -> None:
        world = decide(policy("a"), said(a="A"))
        async with RecordProducer(bench.connection) as dying:

            async def dead(messages: Any) -> None:
                raise RuntimeError("killed")

            dying.publish = dead  # type: ignore[method-assign]
            stage = KafkaStage(MERGE, bench.connection, dying, None, None)
            dying.publish = RecordProducer.publish.__get__(dying)  # type: ignore[method-assign]
            stage.hold([PLACE])
            await asyncio.gather(*stage._partition_tasks.values())
            dying.publish = dead  # type: ignore[method-assign]
            with pytest.raises(RuntimeError, match="killed"):
                await stage.take([at(world.assignment()), at(analysis(world.assignment(), "a"))])
            await bench.crash(stage)
        assert await bench.records(DECISIONS) == []
        after = await bench.stage(MERGE, PLACE)
        await asyncio.gather(*after._partition_tasks.values())
        (decision,) = await bench.records(DECISIONS)
        assert decision.value == world.decision().encode()

    run(test)


def test_a_crash_after_the_outputs_repeats_them_byte_for_byte(run: Run) -> None:
    """The next owner cannot know that they were sent; the repeats are the same."""

    async def test(bench: Bench) -> None:
        world = decide(policy("a"), said(a="A"))
        stage = await bench.stage(MERGE, PLACE)
        await stage.take([at(world.assignment()), at(analysis(world.assignment(), "a"))])
        await bench.crash(stage)
        after = await bench.stage(MERGE, PLACE)
        await asyncio.gather(*after._partition_tasks.values())
        values = [record.value for record in await bench.records(DECISIONS)]
        assert values == [world.decision().encode()] * 2

    run(test)


def test_a_stopped_owner_that_comes_back_decides_nothing(run: Run) -> None:
    """
    Two owners see a question's end differently; only the one that holds the changelog decides.

    The old one had read the deadline before the last analysis, the new one reads them the other way round.
    """

    async def test(bench: Bench) -> None:
        world = decide(policy("a", "b"), said(a="A"))
        panel = world.assignment()
        late, deadline = analysis(panel, "b", "B"), overdue()
        old = await bench.stage(MERGE, PLACE)
        await old.take([at(panel), at(analysis(panel, "a"))])
        new = await bench.stage(MERGE, PLACE)
        await asyncio.gather(*new._partition_tasks.values())
        await new.take([at(late, 1), at(deadline)])
        stopped = asyncio.create_task(old.take([at(deadline)]))
        await asyncio.sleep(0.02)
        # The group tells it that the partition is another's.
        old.hold([])
        await asyncio.wait_for(stopped, 10)
        await new.take([at(question("other"), topic=DEADLINES, value=overdue("other").encode(), offset=1)])
        decided = {record.value for record in await bench.records(DECISIONS)}
        assert [decode(DECISIONS, value, 0).reason for value in decided] == ["panel complete"]  # type: ignore[attr-defined]

    run(test)


def test_an_observation_twice_counts_once_after_a_restart(run: Run) -> None:
    """`rank` recognises what an earlier owner has folded, though its state does not tell."""

    async def test(bench: Bench) -> None:
        world = decide(policy("a"), said(a="A"))
        observed = [event for event in world.log if event.topic == OBSERVATIONS]
        await bench.producer.publish(message_of(event) for event in observed)
        records = await bench.records(OBSERVATIONS)
        stage = await bench.stage(RANK, *range(4))
        await stage.take(records)
        await stage.close()
        again = await bench.stage(RANK, *range(4))
        await again.take([record._replace(offset=record.offset + len(records)) for record in records])
        assert len(await bench.records(ROUTER)) == len(observed)

    run(test)


def test_what_a_processor_raises_stops_the_stage(run: Run) -> None:
    """Nothing is committed past it, and the next owner folds it."""

    async def test(bench: Bench) -> None:
        def raising(state: Any, event: Event, key: str, tables: Any) -> Any:
            raise ZeroDivisionError("a bug")

        world = decide(policy("a"), said(a="A"))
        batch = [at(world.decision())]
        broken = await bench.stage(replace(LEARN, fold=raising), PLACE)
        with pytest.raises(InvariantError, match=r"orch\.decisions/\d/0: ZeroDivisionError: a bug"):
            await broken.take(batch)
        await bench.crash(broken)
        repaired = await bench.stage(LEARN, PLACE)
        await repaired.take(batch)
        assert len(await bench.events(OBSERVATIONS)) == 1

    run(test)


def test_a_panel_knows_no_less_than_the_one_before(run: Run) -> None:
    """A new owner reads the router table to its end before it assigns anything."""

    async def test(bench: Bench) -> None:
        world = decide(policy("a"), said(a="A"))
        entries = [event for event in world.log if event.topic == ROUTER]
        await bench.producer.publish([message_of(policy("a"))])
        stage = await bench.stage(ROUTE, PLACE)
        await bench.producer.publish(message_of(entry) for entry in entries)
        stage.hold([])
        stage.hold([PLACE])
        await stage.take([at(question())])
        (panel,) = await bench.events(ASSIGNMENTS)
        assert isinstance(panel, PanelAssigned)
        assert panel.candidates[0].sequences == (1,)

    run(test)


def test_partitions_that_are_not_held_are_left_alone(run: Run) -> None:
    """Their records are somebody else's."""

    async def test(bench: Bench) -> None:
        await bench.producer.publish([message_of(policy("a"))])
        stage = await bench.stage(ROUTE, (PLACE + 1) % 8)
        await stage.take([at(question())])
        assert await bench.events(ASSIGNMENTS) == []

    run(test)


def test_a_topic_that_ends_before_what_was_folded_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its new records would be taken for old ones, and never be folded."""
    monkeypatch.setattr(stage_module, "require_inputs", require_inputs)

    async def test(bench: Bench) -> None:
        world = decide(policy("a"), said(a="A"))
        stage = await bench.stage(LEARN, PLACE)
        await stage.take([at(world.decision(), 0), at(world.decision(), 1)])
        await stage.close()
        failures: list[Exception] = []
        again = await bench.stage(LEARN, PLACE)
        again.on_failure = failures.append
        with pytest.raises(OperatorError, match="folded up to 2"):
            await again.take([at(world.decision(), 0)])
        assert len(failures) == 1
        await bench.crash(again)

    run(test)


def test_brokers_that_are_away_during_a_takeover_are_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage is the watch's to end (`outage.py`): the stage tries again, and its records count once."""
    monkeypatch.setattr(stage_module, "require_inputs", require_inputs)
    monkeypatch.setattr(fetch_module, "_AGAIN_S", 0.01)
    connects, tried = fetch_module.plain_consumer, 0

    async def away(*given: Any, **how: Any) -> Any:
        nonlocal tried
        tried += 1
        if tried % 3:
            raise UnreachableError("no broker answers")
        return await connects(*given, **how)

    async def test(bench: Bench) -> None:
        await bench.producer.publish(map(message_of, (policy("a"), question("q"))))
        records = await bench.records(QUESTIONS)
        monkeypatch.setattr(fetch_module, "plain_consumer", away)
        with capture_logs() as lines:
            for _ in range(2):
                stage = await bench.stage(ROUTE, PLACE)
                assert await stage.take(records) == {PLACE}
                await stage.close()
        assert len(await bench.events(ASSIGNMENTS)) == 1
        assert tried >= 6
        assert {line["event"] for line in lines if line["log_level"] == "warning"} == {"read_put_off"}

    run(test)


def test_what_an_engine_leaves_out_is_read_from_the_topic(run: Run) -> None:
    """Committed offsets are a hint: a record that was skipped is folded before the next one."""

    async def test(bench: Bench) -> None:
        await bench.producer.publish([message_of(policy("a"))])
        asked = [question("q"), *(question(f"q{n}") for n in range(30))]
        there = [event for event in asked if at(event).partition == PLACE]
        await bench.producer.publish(message_of(event) for event in there)
        records = await bench.records(QUESTIONS)
        stage = await bench.stage(ROUTE, PLACE)
        assert await stage.take(records[-1:]) == {PLACE}
        assert {event.correlation for event in await bench.events(ASSIGNMENTS)} == {event.key for event in there}

    run(test)
