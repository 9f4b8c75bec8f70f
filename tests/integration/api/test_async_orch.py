"""A log as an object for event loops."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams import AsyncOrch
from streams.api import subscription
from streams.app.consume import Consumed, consume
from streams.errors import ConflictError, OperatorError, PendingError, UsageError

from ...limits import LIMIT_S


def test_questions_are_asked_in_parallel(folder: Path) -> None:
    """Forty calls of 0.4 s each take no 16 s; one that is cancelled keeps its decision."""

    config = {"agents": [{"kind": "simulated", "name": "slow", "waits": True, "latency_ms": 400}]}

    async def main() -> None:
        async with AsyncOrch(config=config) as orch:
            await orch.open()
            cancelled = asyncio.create_task(orch.ask("Cancelled?", number=True, question_id="c"))
            began = asyncio.get_running_loop().time()
            running = asyncio.gather(*(orch.ask(f"How many {n}?", number=True, wait_s=60) for n in range(40)))
            await orch.submit("Else?", number=True)
            cancelled.cancel()
            assert len({each.question_id for each in await running}) == 40
            assert asyncio.get_running_loop().time() - began < 16, "one after the other takes 16 s"
            assert (await orch.decision("c", wait_s=None)).question_id == "c"
            with pytest.raises(PendingError):
                await orch.ask("Late?", number=True, wait_s=0.05)

    asyncio.run(main())


def test_subscription_begins_at_the_end_of_the_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another subscription has read nothing yet: what was decided before is left out all the same."""
    reading = threading.Event()

    def consume_late(*given: Any, **how: Any) -> Iterator[Consumed]:
        for found in consume(*given, **how):
            assert reading.wait(LIMIT_S)
            yield found

    monkeypatch.setattr(subscription, "consume", consume_late)

    async def main() -> None:
        async with AsyncOrch() as orch:
            await orch.ask("First?", ["a", "b"], question_id="q1")
            early = await orch.follow()
            await orch.ask("Second?", ["a", "b"], question_id="q2")
            late = await orch.follow()
            await orch.ask("Third?", ["a", "b"], question_id="q3")
            reading.set()
            assert [(await anext(early)).decision.question_id for _ in range(2)] == ["q2", "q3"]
            assert (await anext(late)).decision.question_id == "q3"

    asyncio.run(main())


def test_reader_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each subscription gets every decision once, in order: new ones, from a place on, and far behind."""
    monkeypatch.setattr(subscription, "KEPT", 8)
    monkeypatch.setattr(subscription, "CHUNK", 3)

    async def main() -> None:
        async with AsyncOrch() as orch:
            with pytest.raises(OperatorError, match="there is no such log"):
                await orch.follow()
        async with AsyncOrch() as orch:
            await orch.ask("First?", ["a", "b"])
            news, slow = await orch.follow(), await orch.follow(after="0")
            await asyncio.gather(*(orch.ask(f"Question {number}?", ["a", "b"]) for number in range(30)))
            found = []
            while len(found) < 30 and (placed := await news.next(120)) is not None:
                found.append(placed)
            assert len({placed.decision.question_id for placed in found}) == 30
            assert await news.next(0) is None
            behind = [await anext(slow) for _ in range(31)]
            assert behind[1:] == found
            together = await orch.follow(after="0")
            assert [await anext(together), *together.ready(8)] == behind[:3], "a chunk has three"
            assert (together.ready(8), together.place) == ([], behind[2].place)
            assert await anext(together) == behind[3]
            later = await orch.follow(after=found[9].place, where={"status": "decided"})
            assert [await anext(later) for _ in range(20)] == found[10:]
            waiting = asyncio.create_task(anext(later))
            await asyncio.sleep(0)
            waiting.cancel()
            last = await orch.ask("Last?", ["a", "b"])
            assert (await anext(later)).decision == last
            held = asyncio.create_task(anext(later))
            await asyncio.sleep(0)
        with pytest.raises(UsageError, match="was closed"):
            await held

    asyncio.run(main())


def test_names_and_errors_are_those_of_orch(folder: Path) -> None:
    """Run, feedback, explain, replay, router and decisions give what `Orch` gives; conflicts are told."""

    async def main() -> None:
        async with AsyncOrch() as orch:
            rows = [{"question_id": f"q{number}", "text": "w", "options": ["x", "y"]} for number in range(3)]
            assert (await orch.run(rows)).summary.decided == 3
            given = await orch.feedback("q1", verdict="right")
            await orch.retract("q1", given.event_id)
            assert (await orch.explain("q1"))["question_id"] == "q1"
            assert (await orch.replay()).different == 0
            assert (await orch.router(scope="*"))[0]["scope"] == "*"
            assert (await orch.policy()).policy_id == "first"
            assert [each.question_id async for each in orch.decisions()] == ["q0", "q1", "q2"]
            asked = await orch.submit("w", ["x", "y"], question_id="s")
            assert (await orch.decision(asked.question_id, wait_s=None)).question_id == "s"
            conflicts = await asyncio.gather(
                orch.ask("one?", ["x", "y"], question_id="t"),
                orch.ask("two?", ["x", "y"], question_id="t"),
                return_exceptions=True,
            )
            assert sum(isinstance(each, ConflictError) for each in conflicts) == 1

    asyncio.run(main())
