"""`orch run`: questions, feedback and refusals."""

import pytest

from ...e2e.command import Place, ids, outputs, prepare, question, run
from ...e2e.conftest import RECORDED


def test_agents_are_the_models_in_code_point_order(recorded: Place) -> None:
    """Each model found is an agent of its name, whatever the order of the file."""
    (policy,) = recorded.events("policies")
    assert [agent["name"] for agent in policy["agents"]] == ["ace", "cat", "gpt-4o-mini"]
    assert {agent["kind"] for agent in policy["agents"]} == {"recorded"}
    assert policy["occurred_at"] == "2026-03-01T10:00:00.000Z"


def test_text_summary_is_for_people(recorded: Place) -> None:
    """Without --format, the summary is a table that says the same."""
    done = recorded.orch("run", "questions.jsonl", "--outputs", "outputs.jsonl", "--feedback", "gold")
    assert done.code == 0
    assert f"{RECORDED} asked before" in done.out
    assert "0 different" in done.out
    assert "confidence" not in done.out
    assert all(line == line.rstrip() for line in done.out.splitlines())


def test_gold_is_in_no_event_but_feedback(place: Place) -> None:
    """The right answer reaches neither the question's event nor an agent."""
    prepare(place, 6)
    place.write("questions.jsonl", [question(n, options=["x1", "x2", "x3"], gold="x3") for n in range(6)])
    assert run(place, "--feedback", "gold").code == 0
    assert all("gold" not in event for event in place.events("questions"))
    feedback = place.events("feedback")
    assert [(event["source"], event["answer"]) for event in feedback] == [("gold", "C")] * 6
    decisions = {event["event_id"]: event for event in place.events("decisions")}
    assert all(event["occurred_at"] == decisions[event["causes"][0]]["occurred_at"] for event in feedback)


def test_running_again_changes_nothing(recorded: Place) -> None:
    """What is decided is not asked again, and taught once."""
    before = ids(recorded)
    assert run(recorded, "--feedback", "gold").object["already_asked"] == RECORDED
    assert ids(recorded) == before


def test_questions_without_times_are_asked_once(place: Place) -> None:
    """A question of the same id and content is known by these, though it was asked at another time."""
    place.write("questions.jsonl", [question(number, occurred_at=None) for number in range(5)])
    place.write("outputs.jsonl", outputs(5))
    assert run(place).code == 0
    before = ids(place)
    again = run(place).object
    assert (again["already_asked"], again["questions"], again["decided"]) == (5, 5, 5)
    assert ids(place) == before


def test_feedback_that_is_missing_is_given_later(place: Place) -> None:
    """Feedback on decisions of an earlier run is given by a later one, and once."""
    prepare(place, 8)
    assert run(place).code == 0
    assert place.events("feedback") == []
    for _ in range(2):
        assert run(place, "--feedback", "gold").code == 0
        assert len(place.events("feedback")) == 8


def test_conflicts_are_told_by_line(place: Place) -> None:
    """Another question under a known id is refused with its line, and kept in the dead letters, once."""
    prepare(place, 4)
    place.write("questions.jsonl", [question(0), question(1), question(0, text="Something else?")])
    done = run(place)
    assert done.code == 2
    assert "questions.jsonl:3: question_id 'q0' already stands for another question" in done.err
    place.write("questions.jsonl", [question(2), question(1, text="Something else?"), question(0)])
    for asked_before in (1, 2):
        done = run(place)
        assert done.code == 2
        assert done.err.count("questions.jsonl:") == 1
        assert "questions.jsonl:2: question_id 'q1'" in done.err
        assert done.object["already_asked"] == asked_before
        assert done.object["questions"] == 2
        assert [(e["reason"], e["record_key"]) for e in place.events("dead-letters")] == [
            ("conflict", "q0"),
            ("conflict", "q1"),
        ]


def test_repeated_lines_are_one_question(place: Place) -> None:
    """The same line twice is no conflict and asks once."""
    prepare(place, 3)
    place.write("questions.jsonl", [question(0), question(0), question(1), question(0)])
    done = run(place)
    assert (done.code, done.object["questions"], done.object["already_asked"]) == (0, 2, 2)
    assert len(place.events("questions")) == 2


def test_backlog_is_finished_without_a_file(place: Place) -> None:
    """Without a file, what was produced before is decided, and the summary is about the whole log."""
    prepare(place, 5)
    assert place.orch("produce", "questions.jsonl").code == 0
    done = place.orch("--format", "json", "run", "--outputs", "outputs.jsonl")
    assert done.code == 0, done.err
    assert (done.object["questions"], done.object["decided"], done.object["accuracy"]) == (5, 5, None)


def test_no_readable_answer_is_undecided(place: Place) -> None:
    """A question nobody answers is an explicit `undecided`, which is not right."""
    prepare(place, 2)
    place.write("outputs.jsonl", [{**line, "text": "Who knows."} for line in outputs(2)])
    found = run(place).object
    assert (found["decided"], found["undecided"], found["accuracy"]) == (0, 2, 0.0)
    assert {event["status"] for event in place.events("decisions")} == {"undecided"}


def test_changed_policy_is_adopted_once(recorded: Place) -> None:
    """Another preset is another policy; the same one again is not."""
    for _ in range(2):
        assert run(recorded, "--preset", "reference", "--again", "other").code == 0
    assert [event["policy_id"] for event in recorded.events("policies")] == ["default", "reference"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "missing.jsonl", "--outputs", "outputs.jsonl"), 2, "missing.jsonl: there is no such file"),
        (("run", "questions.jsonl", "--outputs", "missing.jsonl"), 2, "missing.jsonl: there is no such file"),
        (("run", "questions.jsonl"), 2, "orch init"),
        (("run", ".", "--outputs", "outputs.jsonl"), 2, "directory"),
        (("run", "questions.jsonl", "--outputs", "questions.jsonl"), 2, "no output could be read"),
        (("run", "--feedback", "gold"), 2, "QUESTIONS.jsonl"),
        (("run", "questions.jsonl", "--window", "0"), 2, "--window"),
        (("run", "questions.jsonl", "--preset", "best"), 2, "--preset"),
        (("--log", "sqlite:orch.db", "run", "questions.jsonl"), 2, "sqlite:///orch.db"),
        (("--log", "sqlite:///no/such/dir.db", "run", "questions.jsonl", "--outputs", "outputs.jsonl"), 3, "mkdir"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], code: int, words: str, place: Place) -> None:
    """A mistake in the command gives its exit code, one message, no traceback, and leaves no log behind."""
    prepare(place, 1)
    done = place.orch(*arguments)
    assert done.code == code
    assert words in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not (place.path / "orch.db").exists()
