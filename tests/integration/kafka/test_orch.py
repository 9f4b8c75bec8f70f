"""A log on Kafka as an object for programs."""

import asyncio
import uuid
from pathlib import Path

import pytest

from infra.broker import Broker
from streams import AsyncOrch
from streams.app import kafka_session
from streams.app.consume import Following, Waiter, consume
from streams.app.kafka_worker import STAGES, WorkerSpec, at_work
from streams.app.policies import adopt_policy
from streams.app.selection import Selection, TopicPlace
from streams.app.workspace import Workspace
from streams.errors import ConflictError, NoFeedbackError, PendingError, UsageError
from streams.instruments.trace_context import traceparent_of
from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.topics import create_topics
from streams.topology import DECISIONS, QUESTIONS

AGENTS = {"agents": [{"kind": "simulated", "name": name, "skill_ppb": 800_000_000} for name in ("ann", "bob", "cat")]}


def test_program_asks_on_kafka(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers decide what a program asks: in parallel, once for each id; readers go on from a place, or as a group."""
    monkeypatch.setattr(kafka_session, "LOOK_BACK_S", 0.3)
    url = f"kafka://{broker.bootstrap}/{uuid.uuid4().hex[:12]}"
    connection, work = parse_connection(url.removeprefix("kafka://"), {}), Workspace(url, AGENTS)

    async def main() -> None:
        await create_topics(connection)
        async with AsyncOrch(url, config=AGENTS) as orch:
            with pytest.raises(UsageError, match="holds no policy"):
                await orch.open()
            await asyncio.to_thread(adopt_policy, work)
            with pytest.raises(PendingError):
                # No worker runs yet.
                await orch.ask("Early?", ["a", "b"], question_id="early", wait_s=0.2)
            news = await orch.follow()
            async with at_work(WorkerSpec(connection, STAGES, grace_s=0)):
                found = await asyncio.gather(*(orch.ask(f"Question {n}?", ["a", "b"]) for n in range(8)))
                early = await orch.ask("Early?", ["a", "b"], question_id="early")
                assert await orch.ask("Question 0?", ["a", "b"]) == found[0]
                with pytest.raises(ConflictError):
                    await orch.ask("Other?", ["a", "b"], question_id="early")
                placed = [placed for _ in range(9) if (placed := await news.next(30)) is not None]
                assert {each.decision.event_id for each in placed} == {each.event_id for each in (*found, early)}
                behind = await orch.follow(after=placed[3].place)
                later = [each.decision for _ in range(5) if (each := await behind.next(30)) is not None]
                assert {each.event_id for each in later} == {each.decision.event_id for each in placed[4:]}
        async with AsyncOrch(url, config=AGENTS) as orch:
            # Another object, which has seen none of it, and no worker.
            assert await orch.ask("Early?", ["a", "b"], question_id="early") == early
            assert await orch.decision(found[3].question_id, wait_s=None) == found[3]
            with pytest.raises(ConflictError, match="'early' stands for another question"):
                await orch.ask("Other?", ["a", "b"], question_id="early")
            with pytest.raises(UsageError, match="no question 'nosuch'"):
                await orch.decision("nosuch", wait_s=None)

    asyncio.run(main())
    _groups(work)


def test_feedback_is_taken_back_on_kafka(broker: Broker) -> None:
    """What was published is found by 12 digits at once, and what was never said is told."""
    url = f"kafka://{broker.bootstrap}/{uuid.uuid4().hex[:12]}"

    async def main() -> None:
        await create_topics(parse_connection(url.removeprefix("kafka://"), {}))
        await asyncio.to_thread(adopt_policy, Workspace(url, AGENTS))
        async with AsyncOrch(url, config=AGENTS) as orch:
            await orch.submit("Which?", ["a", "b"], question_id="q")
            with pytest.raises(NoFeedbackError, match="nothing was said of question 'q'"):
                await orch.retract("q", "0" * 64)
            given = await orch.feedback("q", answer="A")
            taken_back = await orch.retract("q", given.event_id[:12])
            assert taken_back.feedback_id == given.event_id
            assert await orch.retract("q", given.event_id) == taken_back

    asyncio.run(main())


def test_trace_of_the_caller_is_carried_on_kafka(broker: Broker) -> None:
    """The question's record has the caller's `traceparent`, and so has what workers derive from it."""
    url = f"kafka://{broker.bootstrap}/{uuid.uuid4().hex[:12]}"
    connection, work = parse_connection(url.removeprefix("kafka://"), {}), Workspace(url, AGENTS)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    async def main() -> None:
        await create_topics(connection)
        await asyncio.to_thread(adopt_policy, work)
        async with AsyncOrch(url, config=AGENTS) as orch, at_work(WorkerSpec(connection, STAGES, grace_s=0)):
            await orch.ask("Which?", ["a", "b"], question_id="q", traceparent=trace)
            await orch.ask("Which?", ["a", "b"], question_id="r", traceparent="of another form")

    asyncio.run(main())
    with work.open_reader(topics=(QUESTIONS, DECISIONS)) as reader:
        carried = {
            (record.topic, record.key): traceparent_of(record.headers)
            for record in reader.records((QUESTIONS, DECISIONS))
        }
    assert carried == {
        (QUESTIONS, "q"): trace.encode(),
        (DECISIONS, "q"): trace.encode(),
        (QUESTIONS, "r"): None,
        (DECISIONS, "r"): None,
    }


def _groups(work: Workspace) -> None:
    """What one member of a group has taken, the next one does not get; what it has not taken comes again."""

    def take(most: int, *, abandoned: bool = False) -> list[str]:
        waiter = Waiter()
        events = consume(work, DECISIONS, how=Following(group=f"readers-{work.log.target[-12:]}", waiter=waiter))
        taken = []
        for found in events:
            taken.append(found.record.key)
            if len(taken) == most:
                waiter.abandoned = abandoned
                break
        events.close()
        return taken

    first, second = take(3), take(1, abandoned=True)
    rest = take(100)
    assert second[0] in rest
    assert len(first) + len(rest) == len({*first, *rest}) == 9
    assert take(1) == []
    with pytest.raises(UsageError, match="that of a stage"):
        list(consume(work, DECISIONS, how=Following(group=f"{work.log.target.partition('/')[2]}.orch-merge")))
    with pytest.raises(UsageError, match="no partition 8"):
        list(consume(work, DECISIONS, Selection(), Following(TopicPlace.parse("8@1"))))
    with pytest.raises(UsageError, match="no place of a log on Kafka"):
        list(consume(work, DECISIONS, Selection(), Following(TopicPlace.parse("12"))))
