"""`orch run` without feedback: the rule and its worth."""

import pytest

from .command import Place, output, outputs, prepare, question, run

AGREEMENT = b'[odds]\nlearn_from = "agreement"\n'


def test_cascade_without_lessons_is_told(place: Place) -> None:
    """The summary says that odds had no lesson, what its stages measured, and that the file could teach."""
    prepare(place, 12)
    shown = place.orch("run", "questions.jsonl", "--outputs", "outputs.jsonl")
    assert shown.code == 0, shown.err
    assert "rule        cascade.v1 12\n" in shown.out
    assert "no lesson yet" in shown.out
    assert "a plain vote of all eight 69.2 %" in shown.out
    assert "`--feedback gold`" in shown.out
    found = place.orch("--format", "json", "run", "questions.jsonl", "--outputs", "outputs.jsonl").object
    assert (found["rules"], found["with_feedback"]) == ({"cascade.v1": 12}, 0)
    assert len(found["notes"]) == 3
    assert all(note in shown.out for note in found["notes"])


def test_feedback_ends_the_notes(place: Place) -> None:
    """With feedback nothing is said, whoever gave it; once it is retracted, the notes are there again."""
    prepare(place, 12)
    found = run(place, "--feedback", "gold").object
    assert (found["with_feedback"], found["notes"]) == (12, [])
    assert sum(found["rules"].values()) == 12
    place.write("one.jsonl", [{"question_id": "q1", "source": "human", "verdict": "right"}])
    asked = ("--log", "other.db", "run", "questions.jsonl", "--outputs", "outputs.jsonl")
    assert place.orch(*asked).code == 0
    assert place.orch("--log", "other.db", "feedback", "one.jsonl").code == 0
    again = ("--log", "other.db", "--format", "json", "run", "--outputs", "outputs.jsonl")
    assert place.orch(*again).object["notes"] == []
    (given,) = place.events("feedback", "other.db")
    place.write(
        "back.jsonl", [{"kind": "feedback.retracted.v1", "question_id": "q1", "feedback_id": given["event_id"]}]
    )
    back = place.orch("--log", "other.db", "feedback", "back.jsonl")
    assert back.code == 0, back.err
    assert len(place.orch(*again).object["notes"]) == 3


def test_questions_without_gold_name_another_way(place: Place) -> None:
    """Where the file has no right answers, the note names `orch feedback`."""
    place.write("questions.jsonl", [question(number, gold=None) for number in range(5)])
    place.write("outputs.jsonl", outputs(5))
    *_, better = run(place).object["notes"]
    assert "`orch feedback`" in better
    assert "--feedback gold" not in better


def test_agreement_is_told_with_the_vote_for_numbers(place: Place) -> None:
    """Learning from agreement is said, with the numbers that a plain vote decided, and its measured worth."""
    (place.path / "orch.toml").write_bytes(AGREEMENT)
    numbers = [
        {**question(number, answer_type="number", gold="7"), "options": [], "question_id": f"n{number}"}
        for number in range(2)
    ]
    place.write("questions.jsonl", [*(question(number) for number in range(6)), *numbers])
    said = [
        {**output(n, model, "A"), "question_id": f"n{n}", "text": "So it is 7."}
        for n in range(2)
        for model in ("ace", "cat")
    ]
    place.write("outputs.jsonl", [*outputs(6), *said])
    found = run(place).object
    assert found["rules"] == {"odds.v1": 6, "vote.v1": 2}
    what, worth, better = found["notes"]
    assert "from the agents' agreement alone; 2 for numbers were decided by plain vote" in what
    assert "70.9 %" in worth
    assert "agreement" not in better


def test_weights_of_earlier_feedback_are_told(place: Place) -> None:
    """Questions without feedback that odds decides say whose weights these are."""
    prepare(place, 40)
    assert run(place, "--feedback", "gold").code == 0
    place.write("questions.jsonl", [question(number) for number in range(40, 44)])
    place.write("outputs.jsonl", outputs(44))
    found = run(place).object
    assert found["rules"] == {"odds.v1": 4}
    assert "earlier feedback taught" in found["notes"][1]


@pytest.mark.parametrize(
    ("rule", "told"), [("vote", "a plain vote of all eight"), ("weighted", "all agents weigh the same")]
)
def test_other_rules_are_told(place: Place, rule: str, told: str) -> None:
    """Each rule without feedback has its measured worth."""
    (place.path / "orch.toml").write_text(f'[merge]\nrule = "{rule}"\n')
    prepare(place, 6)
    found = run(place).object
    assert found["rules"] == {f"{rule}.v1": 6}
    assert told in found["notes"][1]
