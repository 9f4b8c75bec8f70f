"""`orch retry`, and the way to it from undecided questions."""

from ...e2e.command import Place, outputs, prepare, question, run

COUNT = 6
SILENT = ("q1", "q4")


def undecided(place: Place, *arguments: str) -> None:
    """Run questions of which two have no readable answer."""
    prepare(place, COUNT)
    said = [{**line, "text": "Who knows."} if line["question_id"] in SILENT else line for line in outputs(COUNT)]
    place.write("silent.jsonl", said)
    done = place.orch("run", "questions.jsonl", "--outputs", "silent.jsonl", *arguments)
    assert done.code == 0, done.err
    assert "4, 2 undecided: q1, q4" in done.out
    assert "consume decisions --status undecided" in done.err
    assert "orch retry" in done.err


def test_undecided_are_named_and_asked_again(place: Place) -> None:
    """The summary names them, `consume` shows them, and `retry` asks them under new ids, with their right answers."""
    undecided(place, "--feedback", "gold")
    shown = place.orch("consume", "decisions", "--status", "undecided").lines
    assert [event["question_id"] for event in shown] == list(SILENT)
    assert len(place.orch("consume", "decisions", "--status", "decided", "--max", "3").lines) == 3
    found = place.orch("--format", "json", "retry", "--outputs", "outputs.jsonl").object
    assert found["asked"] == {"q1": "q1~2", "q4": "q4~2"}
    assert (found["decided"], found["undecided"], found["with_gold"]) == (2, 0, 2)
    asked = {event["question_id"]: event for event in place.events("questions")}
    assert asked["q1~2"]["text"] == asked["q1"]["text"]
    assert asked["q1~2"]["causes"] == [shown[0]["event_id"]]
    taught = {event["question_id"]: event["answer"] for event in place.events("feedback")}
    assert (taught["q1~2"], taught["q4~2"]) == ("B", "B")
    assert place.orch("replay").code == 0
    assert "No undecided questions" in place.orch("retry").out


def test_attempts_are_counted(place: Place) -> None:
    """What stays undecided is asked a third time under the next number; an id may be named by any of its attempts."""
    undecided(place)
    done = place.orch("retry", "q4", "--outputs", "silent.jsonl")
    assert done.code == 0, done.err
    assert "1: q4 as q4~2" in done.out
    assert "0, 1 undecided once more: q4~2" in done.out
    assert "0 right answers went along" in done.out
    found = place.orch("--format", "json", "retry", "q4", "--outputs", "outputs.jsonl").object
    assert (found["asked"], found["decided"]) == ({"q4~2": "q4~3"}, 1)
    found = place.orch("--format", "json", "retry", "--outputs", "outputs.jsonl").object
    assert found["asked"] == {"q1": "q1~2"}
    assert run(place, "--again", "x").code == 0
    assert place.orch("--format", "json", "retry").object["asked"] == {}


def test_what_is_not_undecided_is_not_asked_again(place: Place) -> None:
    """A decided, an open and an unknown question are refused by name, and nothing is asked."""
    undecided(place)
    place.write("more.jsonl", [question(90)])
    assert place.orch("produce", "more.jsonl").code == 0
    assert place.orch("retry", "q1", "--outputs", "outputs.jsonl").code == 0
    asked = len(place.events("questions"))
    for question_id, words in (
        ("q0", "question 'q0' is decided"),
        ("q1", "question 'q1' (asked again as 'q1~2') is decided"),
        ("none", "no question 'none' in this log"),
    ):
        done = place.orch("retry", "q4", question_id, "--outputs", "outputs.jsonl")
        assert done.code == 2
        assert words in done.err
    assert len(place.events("questions")) == asked


def test_status_is_of_decisions(recorded: Place) -> None:
    """Another topic has no such status."""
    done = recorded.orch("consume", "feedback", "--status", "undecided")
    assert done.code == 2
    assert "status is for decisions" in done.err


def test_ids_that_look_like_attempts_are_questions_of_their_own(place: Place) -> None:
    """A producer's own `q1~2` is no attempt at `q1`: both are asked again, under ids that are free."""
    names = ("q1", "q1~2", "q1~9")
    place.write("questions.jsonl", [{**question(1), "question_id": name, "text": name} for name in names])
    said = [{"question_id": name, "model": "m", "text": "Who knows."} for name in names]
    place.write("outputs.jsonl", said)
    assert run(place).object["undecided"] == 3
    found = place.orch("--format", "json", "retry", "--outputs", "outputs.jsonl").object
    assert found["asked"] == {"q1": "q1~3", "q1~2": "q1~2~2", "q1~9": "q1~9~2"}
    found = place.orch("--format", "json", "retry", "q1", "--outputs", "outputs.jsonl").object
    assert found["asked"] == {"q1~3": "q1~4"}
