"""Decisions as server-sent events: resumption, slow clients, heartbeats."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.decisions import DecisionMade
from streams import Orch
from streams.api import subscription
from streams.serve import event_stream
from streams.serve import server as server_module

from ...limits import LIMIT_S
from .server_in_thread import AGENTS, ServerInThread, served


def asked(server: ServerInThread, first: int, last: int) -> list[str]:
    """Ask questions one after the other, and give their ids."""
    ids = [f"q{number}" for number in range(first, last)]
    for question_id in ids:
        assert server.ask(question_id).status == 200
    return ids


def test_client_goes_on_where_it_was(log: str) -> None:
    """After a break it sends the last id, and gets what it missed and all that follows, each decision once."""
    with served(log) as server:
        with server.events() as events:
            first = asked(server, 0, 3)
            assert events.ids(2) == first[:2]
            last = events.last_id
        missed = asked(server, 3, 5)
        with server.events(**{"Last-Event-ID": last}) as events:
            assert events.ids(3) == [first[2], *missed]
            later = asked(server, 5, 6)
            assert events.ids(1) == later
        with server.events("/v1/events?after=0") as events:
            assert events.ids(6) == [*first, *missed, *later]


def test_client_without_a_decision_yet_has_a_place(log: str) -> None:
    """The stream begins with the place, so a client that loses its connection before the first decision misses none."""
    with served(log) as server:
        asked(server, 0, 1)
        with server.events() as events:
            place = events.last_id
        missed = asked(server, 1, 2)
        with server.events(**{"Last-Event-ID": place}) as events:
            assert events.ids(1) == missed


def test_place_outlives_the_server(log: str) -> None:
    """Places are those of the log: another server of it goes on from them."""
    with served(log) as server, server.events("/v1/events?after=0") as events:
        asked(server, 0, 3)
        assert events.ids(1) == ["q0"]
        place = events.last_id
    with served(log) as server, server.events(**{"Last-Event-ID": place}) as events:
        assert events.ids(2) == ["q1", "q2"]


def test_events_are_the_decisions_of_the_log(server: ServerInThread) -> None:
    """Data of an event is the decision in canonical JSON, as the other routes give it."""
    with server.events() as events:
        asked(server, 100, 101)
        data = events.next()
    assert data == server.get("/v1/decisions/q100").body


def test_only_decisions_of_a_status(server: ServerInThread) -> None:
    """Those of another status are passed over."""
    asked(server, 200, 202)
    place = server.get("/v1/decisions?limit=500").body["place"]
    asked(server, 202, 203)
    with server.events(f"/v1/events?after={place}&status=decided") as events:
        assert events.ids(1) == ["q202"]
    with server.events(f"/v1/events?after={place}&status=undecided") as events:
        asked(server, 203, 204)
        assert events.last_id == place


def test_silence_is_broken_by_a_sign_of_life(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment comes while there is no decision, so proxies and clients know that the stream stands."""
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.01)
    with served(log) as server, server.events() as events:
        while len(events.comments) < 3:
            events._read()
        assert set(events.comments) == {" heartbeat"}


@pytest.fixture
def narrow_server(log: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerInThread]:
    """Give a server that keeps few decisions, and little for each client, in memory."""
    monkeypatch.setattr(subscription, "KEPT", 16)
    monkeypatch.setattr(subscription, "CHUNK", 8)
    monkeypatch.setattr(server_module, "SEND_BUFFER_BYTES", 4_096)
    with Orch(log, config=AGENTS) as orch:
        for number in range(150):
            orch.submit("?", ["x" * 900, "y" * 900], question_id=f"q{number:03}")
    with served(log) as running:
        yield running


def test_slow_client_costs_no_memory_and_misses_nothing(narrow_server: ServerInThread) -> None:
    """A client that reads more slowly than decisions come is counted and told, and gets all of them from the log."""
    assert narrow_server.running is not None
    streams = narrow_server.running.service.streams
    with narrow_server.events(narrow=True) as events:
        expected = asked(narrow_server, 200, 320)
        assert events.ids(120) == expected
        assert any("read too slowly" in comment for comment in events.comments)
    assert streams.behind == 1


def test_client_that_reads_nothing_is_dropped(narrow_server: ServerInThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without progress its stream ends, and is counted; others go on."""
    monkeypatch.setattr(event_stream, "STALLED_S", 0.2)
    assert narrow_server.running is not None
    streams = narrow_server.running.service.streams
    with narrow_server.events("/v1/events?after=0", narrow=True):
        began = time.monotonic()
        while not streams.stalled:
            assert time.monotonic() - began < LIMIT_S
            time.sleep(0.01)
        assert narrow_server.get("/readyz").status == 200
        while streams.open:
            assert time.monotonic() - began < LIMIT_S
            time.sleep(0.01)


def test_stream_names_no_method_but_get(server: ServerInThread) -> None:
    """A request for the head alone ends at once."""
    reply = server.send("HEAD", "/v1/events")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def test_event_text_has_one_line_of_data(log: str, tmp_path: Path) -> None:
    """Canonical JSON escapes line breaks, so no answer of a model can forge an event."""
    config = {"agents": AGENTS["agents"]}
    with Orch(log, config=config) as orch:
        decision = orch.ask("?", ["x\n\nevent: decision\ndata: forged", "y"], question_id="q")
    assert isinstance(decision, DecisionMade)
    with served(log) as server, server.events("/v1/events?after=0") as events:
        assert events.next()["options"] == ["x event: decision data: forged", "y"]
