"""Events named by the first 12 digits of their ids."""

import json

import pytest

from streams.app.explain import explain_question
from streams.app.workspace import Workspace
from streams.audit.event_ids import find_event, may_be_id
from streams.errors import UsageError
from streams.log import LogReader, Record
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import FEEDBACK

from ...e2e.command import Place


def a_record(event_id: str) -> Record:
    """Give a record whose event has an id."""
    return Record(FEEDBACK, 0, 0, 0, "q", json.dumps({"event_id": event_id}, separators=(",", ":")).encode())


def test_twelve_digits_name_an_event() -> None:
    """Fewer digits, capitals and other words are no id; a whole id is one."""
    assert may_be_id("0123456789ab")
    assert may_be_id("ab" * 32)
    for other in ("0123456789a", "0123456789AB", "0123456789ag", "ab" * 33, "q1", ""):
        assert not may_be_id(other)


def test_digits_of_several_events_are_refused() -> None:
    """Where several ids begin alike, all are named; the same event twice is one."""
    one, other = "0123456789ab" + "0" * 52, "0123456789ab" + "1" * 52
    assert find_event([a_record(one), a_record(one)], one[:12], among="x") == a_record(one)
    assert find_event([a_record(one), a_record(other)], one[:53], among="x") == a_record(one)
    assert find_event([a_record(one)], "f" * 12, among="x") is None
    with pytest.raises(UsageError, match="beginning of 2 ids of x") as caught:
        find_event([a_record(one), a_record(other)], one[:12], among="x")
    assert one in caught.value.remedy
    assert other in caught.value.remedy


def test_explain_takes_any_id_that_it_shows(recorded: Place) -> None:
    """Every id in the text of `explain`, and the whole of one, leads back to the same question."""
    explained = recorded.orch("explain", "q1")
    shown = {word for word in explained.out.split() if may_be_id(word)}
    assert len(shown) > 5
    refused = set()
    for given in (*shown, recorded.events("decisions")[0]["event_id"]):
        done = recorded.orch("explain", given)
        if done.code == 2:
            refused.add(done.err)
        else:
            assert f"{given} is an event about q" in done.err
    (policy,) = refused
    assert "an event of orch.policies, and about no question" in policy
    shown_by = policy.split("`orch ")[1].split("`")[0]
    assert recorded.orch(*shown_by.split()).code == 0


def test_explain_prefers_the_question(place: Place) -> None:
    """A question whose id looks like an event's is itself; no event needs to be looked for."""
    place.write("q.jsonl", [{"question_id": "0123456789ab", "text": "?", "options": ["a", "b"]}])
    assert place.orch("produce", "q.jsonl").code == 0
    done = place.orch("explain", "0123456789ab")
    assert done.code == 0
    assert "is an event" not in done.err


class Partitioned(Workspace):
    """A workspace whose reader of one question holds nothing else, as one of a Kafka log holds one partition."""

    def open_reader(self, *, about: str | None = None, topics: tuple[str, ...] = ()) -> LogReader:  # type: ignore[override]
        return super().open_reader() if about is None else Workspace("none.db").open_reader()


def test_unknown_question_is_compared_with_the_whole_log(recorded: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the question's partition was read, the log is not called empty: close ids come from all of it."""
    monkeypatch.chdir(recorded.path)
    EmbeddedWriter(recorded.path / "none.db", clock=lambda: 0).close()
    with pytest.raises(UsageError, match=r"no question 'q77'\. Close to it: q7"):
        explain_question(Partitioned("orch.db"), "q77")
    with pytest.raises(UsageError, match="holds no questions at all"):
        explain_question(Workspace("none.db"), "q77")
    decision = recorded.events("decisions")[0]
    found = explain_question(Partitioned("orch.db"), decision["event_id"][:12])
    assert found["question_id"] == decision["question_id"]


def test_feedback_is_taken_back_by_the_id_of_its_repetition(recorded: Place) -> None:
    """The same statement at another time has an id of its own; a retraction that names it takes the statement back."""
    said = {"question_id": "q1", "source": "human", "author": "eve", "verdict": "right"}
    recorded.write("said.jsonl", [{**said, "occurred_at": f"2026-03-0{day}T00:00:00Z"} for day in (1, 2)])
    assert recorded.orch("feedback", "said.jsonl").code == 0
    first, again = (event for event in recorded.events("feedback") if event.get("author") == "eve")
    line = {"kind": "feedback.retracted.v1", "question_id": "q1", "feedback_id": again["event_id"]}
    recorded.write("back.jsonl", [line])
    assert recorded.orch("feedback", "back.jsonl").code == 0
    (retracted,) = (event for event in recorded.events("feedback") if event["kind"] == "feedback.retracted.v1")
    assert retracted["feedback_id"] == first["event_id"]
    assert recorded.orch("replay").code == 0


def test_feedback_is_taken_back_by_the_digits_shown(recorded: Place) -> None:
    """A retraction may give 12 digits; its event holds the whole id. Unknown digits are a problem of that line."""
    given = next(event for event in recorded.events("feedback") if event["question_id"] == "q1")
    line = {"kind": "feedback.retracted.v1", "question_id": "q1", "feedback_id": given["event_id"][:12]}
    recorded.write("back.jsonl", [line, {**line, "feedback_id": "f" * 12}, {**line, "question_id": "q2"}])
    done = recorded.orch("feedback", "back.jsonl")
    assert done.code == 2
    assert f"back.jsonl:2: feedback_id: no feedback on 'q1' has an id that begins with {'f' * 12}" in done.err
    assert "back.jsonl:3: feedback_id: no feedback on 'q2'" in done.err
    (retracted,) = (event for event in recorded.events("feedback") if event["kind"] == "feedback.retracted.v1")
    assert retracted["feedback_id"] == given["event_id"]
    assert "of feedback" in recorded.orch("explain", "q1").out


def test_policy_is_shown_by_name_or_digits(recorded: Place) -> None:
    """An earlier policy is found by its name and by its id; `show` alone gives the one in force."""
    in_force = recorded.orch("policy").out
    event = json.loads(in_force)
    for given in (event["policy_id"], event["event_id"], event["event_id"][:12]):
        assert recorded.orch("policy", "show", given).out == in_force
    unknown = recorded.orch("policy", "show", "f" * 12)
    assert unknown.code == 2
    assert event["policy_id"] in unknown.err
    assert recorded.orch("policy", "adopt", "other").code == 2
