"""A log on Kafka over HTTP."""

import asyncio
import uuid

import pytest

from infra.broker import Broker
from streams.app import kafka_session
from streams.app.kafka_worker import STAGES, WorkerSpec, at_work
from streams.app.policies import adopt_policy
from streams.app.workspace import Workspace
from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.topics import create_topics

from ..serve.server_in_thread import AGENTS, served


def test_server_publishes_and_waits_for_the_workers(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each id gets one decision, also from another server; conflicts are told; streams go on from a place."""
    monkeypatch.setattr(kafka_session, "LOOK_BACK_S", 0.3)
    url = f"kafka://{broker.bootstrap}/{uuid.uuid4().hex[:12]}"
    connection, work = parse_connection(url.removeprefix("kafka://"), {}), Workspace(url, AGENTS)

    async def main() -> None:
        await create_topics(connection)
        await asyncio.to_thread(adopt_policy, work)
        async with at_work(WorkerSpec(connection, STAGES, grace_s=0)):
            await asyncio.to_thread(_talk, url)

    asyncio.run(main())


def _talk(url: str) -> None:
    with served(url) as server:
        assert server.get("/readyz").body["ready"]
        with server.events() as events:
            first = server.ask("q1")
            assert first.status == 200
            assert events.ids(1) == ["q1"]
            place = events.last_id
        assert server.ask("q1").text == first.text
        assert server.ask("q1", "Another?").status == 409
        assert server.ask("q2").status == 200
        assert server.post("/v1/feedback", {"question_id": "q1", "answer": "x"}).status == 201
        page = server.get("/v1/decisions?limit=1").body
        rest = server.get(page["next"]).body
        found = [each["decision"]["question_id"] for each in (*page["decisions"], *rest["decisions"])]
        assert (sorted(found), rest["next"]) == (["q1", "q2"], None)
        assert server.get("/v1/explain/q1").body["state"] == "decided"
    with served(url) as server, server.events(**{"Last-Event-ID": place}) as events:
        assert events.ids(1) == ["q2"]
        assert server.ask("q1").text == first.text
        assert server.get("/v1/decisions/q1").text == first.text
        assert server.get("/v1/events?after=12").status == 422
