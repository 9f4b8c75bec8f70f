"""Questions, decisions and feedback over HTTP."""

import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from schemas.decisions import DecisionMade
from schemas.event import MAX_EVENT_BYTES
from streams import Orch
from streams.app.export import export
from streams.app.workspace import Workspace
from streams.errors import OperatorError
from streams.serve import service

from .server_in_thread import AGENTS, ServerInThread, served, slow


def test_question_gets_its_decision(server: ServerInThread) -> None:
    """A program with the standard library alone asks, and reads the event's bytes where the response says."""
    reply = server.ask("gas", "Which gas do plants take in?")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    decision = DecisionMade.decode(reply.text)
    assert (decision.question_id, decision.status) == ("gas", "decided")
    assert server.get(reply.headers["location"]).text == reply.text == decision.encode()


def test_question_again_gets_the_same_decision(server: ServerInThread) -> None:
    """A client that does not know whether its question arrived sends it again, any number of times at once."""
    replies: list[bytes] = []
    threads = [threading.Thread(target=lambda: replies.append(server.ask("again").text)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 8
    assert {*replies, server.ask("again").text} == {replies[0]}
    page = server.get("/v1/decisions?limit=500").body["decisions"]
    assert [each["decision"]["question_id"] for each in page].count("again") == 1


def test_other_question_under_the_same_id_is_a_conflict(server: ServerInThread) -> None:
    """The first question stands; the other one gets status 409 and the remedy."""
    assert server.ask("taken").status == 200
    reply = server.ask("taken", "Another?")
    assert (reply.status, reply.headers["content-type"]) == (409, "application/problem+json")
    assert reply.body == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "the id 'taken' stands for another question",
        "remedy": "Choose another id",
        "question_id": "taken",
    }


def test_question_without_an_id_gets_one_of_its_content(server: ServerInThread) -> None:
    """The same question without an id is the same question, as for `orch ask`."""
    question = {"text": "What is 17 times 23?", "answer_type": "number", "subject": "arithmetic"}
    first, second = (server.post("/v1/questions", question) for _ in range(2))
    assert first.text == second.text
    assert first.body["question_id"].startswith("ask-")


@pytest.mark.parametrize("question_id", ["a/b", "50 %", "q?x=1#y", "größe", "+"])
def test_any_id_has_an_address(server: ServerInThread, question_id: str) -> None:
    """Ids are quoted in addresses, whatever characters they hold."""
    reply = server.ask(question_id)
    assert reply.headers["location"] == f"/v1/decisions/{quote(question_id, safe='')}"
    assert server.get(reply.headers["location"]).body["question_id"] == question_id


def test_slow_question_is_accepted_and_waited_for(log: str) -> None:
    """After the wait the client gets status 202 and an address; there it reads, or waits for, the decision."""
    with served(log, slow(700)) as server:
        reply = server.ask("q", wait=0)
        assert (reply.status, reply.headers["location"]) == (202, "/v1/decisions/q")
        assert reply.body == {"question_id": "q", "status": "open", "decision": "/v1/decisions/q"}
        assert server.get("/v1/decisions/q").status == 202
        assert server.get("/v1/explain/q").body["state"] in ("unassigned", "waiting")
        decided = server.get("/v1/decisions/q?wait=30")
        assert (decided.status, decided.body["question_id"]) == (200, "q")


def test_client_that_leaves_is_waited_for_no_more(log: str) -> None:
    """Its question stays open, and costs no memory of the server."""
    with served(log, slow(600_000)) as server:
        assert server.running is not None
        connection = server.connection()
        connection.request(
            "POST",
            "/v1/questions?wait=300",
            '{"text": "?", "answer_type": "number"}',
            {"Content-Type": "application/json"},
        )
        _until(server, waiting=1)
        connection.close()
        _until(server, waiting=0)


def _until(server: ServerInThread, *, waiting: int) -> None:
    assert server.running is not None
    began = time.monotonic()
    while server.running.service.waiting != waiting:
        assert time.monotonic() - began < 20
        time.sleep(0.005)


def test_too_many_waiting_callers_are_refused(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes then is told to come again, with the header that clients heed; others are not held up."""
    monkeypatch.setattr(service, "MOST_WAITING", 1)
    with served(log, slow(600_000)) as server:
        held = server.connection()
        held.request(
            "POST",
            "/v1/questions?wait=300",
            '{"text": "?", "answer_type": "number"}',
            {"Content-Type": "application/json"},
        )
        _until(server, waiting=1)
        reply = server.ask("q", wait=1)
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert server.get("/readyz").status == 200
        held.close()


def test_decisions_come_in_pages(log: str) -> None:
    """Each page names the next one until the log ends, and the place from which events go on."""
    with Orch(log, config=AGENTS) as orch:
        for number in range(7):
            orch.ask("Which?", ["x", "y"], question_id=f"q{number}", subject="even" if number % 2 == 0 else None)
    with served(log) as server:
        found, path = [], "/v1/decisions?limit=3&status=decided"
        while path:
            page = server.get(path).body
            found += [each["decision"]["question_id"] for each in page["decisions"]]
            path = page["next"]
        assert found == [f"q{number}" for number in range(7)]
        assert server.get(f"/v1/decisions?after={page['place']}").body == {
            "decisions": [],
            "place": page["place"],
            "next": None,
        }
        assert server.get("/v1/decisions?status=undecided").body["decisions"] == []
        even = server.get("/v1/decisions?subject=even").body["decisions"]
        assert [each["decision"]["question_id"] for each in even] == ["q0", "q2", "q4", "q6"]


def test_explanation_is_that_of_the_command(server: ServerInThread) -> None:
    """It holds what `orch --format json explain` prints."""
    server.ask("why")
    assert server.running is not None
    with Orch(server.running.service.work.log_url) as orch:
        assert server.get("/v1/explain/why").body == orch.explain("why")


def test_feedback_teaches(server: ServerInThread) -> None:
    """The right answer is written as an event, and the router learns from it."""
    server.ask("told")
    reply = server.post("/v1/feedback", {"question_id": "told", "answer": "y", "source": "gold", "author": "mara"})
    assert (reply.status, reply.body["answer"], reply.body["kind"]) == (201, "B", "feedback.given.v1")
    lessons = server.get("/v1/explain/told").body["lessons"]
    assert "feedback" in {lesson["cause"] for lesson in lessons}


def test_feedback_is_taken_back(server: ServerInThread) -> None:
    """A retraction is feedback of another kind; sent again it is the same event, and another statement may follow."""
    server.ask("mistaken")
    given = server.post("/v1/feedback", {"kind": "feedback.given.v1", "question_id": "mistaken", "answer": "A"}).body
    retraction = retracting("mistaken", given["event_id"])
    first, second = (server.post("/v1/feedback", retraction) for _ in range(2))
    assert (first.status, first.body["feedback_id"]) == (201, given["event_id"])
    assert (second.status, second.text) == (201, first.text)
    lessons = server.get("/v1/explain/mistaken").body["lessons"]
    assert [lesson["retracts"] for lesson in lessons if lesson["cause"] == "retraction"] == [given["event_id"]]
    assert server.post("/v1/feedback", {"question_id": "mistaken", "answer": "B"}).status == 201


def retracting(question_id: str, feedback_id: str) -> dict[str, str]:
    """Give the body that takes feedback back."""
    return {"kind": "feedback.retracted.v1", "question_id": question_id, "feedback_id": feedback_id}


def test_what_cannot_be_taken_back_is_told(server: ServerInThread) -> None:
    """An unknown question, one of which nothing was said, and another statement: 404 with what stands there."""
    server.ask("unsaid")
    server.ask("said")
    said = server.post("/v1/feedback", {"question_id": "said", "verdict": "right"}).body["event_id"]
    for question_id, feedback_id, detail, remedy in (
        ("no such", said, "the log holds no question 'no such'", "check the id of the question"),
        ("unsaid", said, "nothing was said of question 'unsaid'", "There is nothing to take back"),
        ("said", "0" * 64, f"no feedback on 'said' has the id {'0' * 64}", f"What stands: {said}"),
    ):
        reply = server.post("/v1/feedback", retracting(question_id, feedback_id))
        assert (reply.status, reply.body["detail"]) == (404, detail)
        assert remedy in reply.body["remedy"]
        assert reply.body["question_id"] == question_id


@pytest.mark.parametrize(
    ("path", "value", "status", "detail"),
    [
        ("questions", {"text": "?", "options": ["x"]}, 422, "options: 1 given, a choice needs 2 to 26"),
        ("questions", {"text": "?", "options": "xy"}, 422, "options"),
        ("questions", {"text": "?", "options": ["x", "y"], "gold": "A"}, 422, "gold: unknown field; publish it"),
        ("questions", {"options": ["x", "y"]}, 422, "text: Field required"),
        ("questions", {"text": "?", "options": ["x", "y"], "subject": "*"}, 422, "all subjects"),
        ("questions", [1], 400, "a JSON list, where an object belongs"),
        ("questions?wait=301", {"text": "?", "options": ["x", "y"]}, 422, "wait='301' is no wait"),
        ("questions?wait=-1", {"text": "?", "options": ["x", "y"]}, 422, "is no wait"),
        ("feedback", {"question_id": "no such", "answer": "A", "verdict": "right"}, 422, "verdict"),
        ("feedback", {"question_id": "no such", "verdict": "maybe"}, 422, "verdict"),
        ("feedback", {"kind": "feedback.retracted", "question_id": "q"}, 422, "is no kind of feedback"),
        ("feedback", {"kind": "feedback.retracted.v1", "question_id": "q"}, 422, "feedback_id: Field required"),
        ("feedback", {**retracting("q", "0" * 64), "answer": "A"}, 422, "answer"),
        ("feedback", retracting("q", "this one"), 422, "feedback_id"),
    ],
)
def test_wrong_requests_are_told_their_fault(
    server: ServerInThread, path: str, value: object, status: int, detail: str
) -> None:
    """The field, what is wrong with it, and what may stand there."""
    reply = server.post(f"/v1/{path}", value)
    assert (reply.status, reply.body["status"]) == (status, status)
    assert detail in reply.body["detail"]
    assert reply.body["remedy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/decisions/no%20such", 404),
        ("/v1/decisions/no%20such?wait=1", 404),
        ("/v1/explain/no%20such", 404),
        ("/v1/decisions?after=x", 422),
        ("/v1/decisions?after=99999999999999999999999999", 422),
        ("/v1/decisions?limit=0", 422),
        ("/v1/decisions?status=open", 422),
        ("/v1/events?status=open", 422),
        ("/v1/events?after=x", 422),
        ("/v1/nosuch", 404),
        ("/metrics", 404),
    ],
)
def test_wrong_reads_are_told_their_fault(server: ServerInThread, path: str, status: int) -> None:
    """Unknown ids and values are problems with a remedy, never failures."""
    reply = server.get(path)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.body["remedy"]


def test_request_must_be_marked_as_json(server: ServerInThread) -> None:
    """A form of another site cannot be sent as JSON without asking, so it does not get through."""
    reply = server.send("POST", "/v1/questions", b'{"text": "?"}', {"Content-Type": "text/plain"})
    assert (reply.status, reply.body["remedy"]) == (415, "Send Content-Type: application/json")


@pytest.mark.parametrize("chunked", [False, True])
def test_request_has_a_limit(server: ServerInThread, chunked: bool) -> None:
    """More bytes than an event may have are refused as they come, with or without a stated length."""
    part = b'{"text": "' + b"x" * MAX_EVENT_BYTES + b'"}'
    connection = server.connection()
    body = iter([part[:500_000], part[500_000:]]) if chunked else part
    connection.request("POST", "/v1/questions", body, {"Content-Type": "application/json"}, encode_chunked=chunked)
    assert connection.getresponse().status == 413
    connection.close()


def test_archive_is_read_and_takes_nothing(tmp_path: Path, log: str) -> None:
    """Decisions, explanations and events of an exported log are served; what would write is refused with a remedy."""
    with Orch(log, config=AGENTS) as orch:
        decision = orch.ask("Which?", ["x", "y"], question_id="q")
    export(Workspace(log), tmp_path / "archive")
    with served(f"parquet:{tmp_path / 'archive'}") as server:
        assert server.get("/v1/decisions/q?wait=5").text == decision.encode()
        assert len(server.get("/v1/decisions").body["decisions"]) == 1
        assert server.get("/v1/explain/q").body["state"] == "decided"
        with server.events("/v1/events?after=0") as events:
            assert events.ids(1) == ["q"]
        told = ({"question_id": "q", "answer": "A"}, retracting("q", "0" * 64))
        for reply in (server.ask("r"), *(server.post("/v1/feedback", body) for body in told)):
            assert (reply.status, reply.headers["allow"]) == (405, "")
            assert "orch log start --from" in reply.body["remedy"]


def test_second_writer_is_told_the_address(server: ServerInThread) -> None:
    """Whoever else would write to the file is told where to ask, and may read."""
    assert server.running is not None
    url = server.running.service.work.log_url
    with Orch(url, config=AGENTS) as orch, pytest.raises(OperatorError) as caught:
        orch.ask("Which?", ["x", "y"])
    assert f"which serves it at {server.url}" in caught.value.message
    assert f"POST {server.url}/v1/questions" in caught.value.remedy
