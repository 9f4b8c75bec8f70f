"""
The question feed on a log with earlier questions.

The module also tests the feedback that right answers become.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.letters import RecordRejected
from streams.app import question_feed as module
from streams.app.question_feed import QuestionFeed, gold_feedback
from streams.processors.dead_letters import dead_letter
from streams.processors.fold import Rejection
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import moment, policy, question, said
from ..played_log import Played


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Played]:
    """A log in which question `old` was decided: B."""
    played = Played(tmp_path / "orch.db")
    played.put(policy("a"))
    played.ask([question("old")], said(a="B"))
    yield played
    played.close()


def lines(*questions: tuple[str, str]) -> io.BytesIO:
    """Write question lines of these ids and texts, at another time than those of the log."""
    return io.BytesIO(
        b"".join(
            json.dumps(
                {
                    "question_id": question_id,
                    "text": text,
                    "options": [f"option {number}" for number in range(4)],
                    "occurred_at": moment(900),
                }
            ).encode()
            + b"\n"
            for question_id, text in questions
        )
    )


class Asked:
    """An inquiry of a log, with what it appended and how often it reported progress."""

    def __init__(self, log: Played, **given: Any) -> None:
        self.appended: list[Event] = []
        self.steps: list[int] = []
        self.view = EmbeddedReader(log.path)
        self.feed = QuestionFeed(self.view, lambda: 0, self.appended.append, progress=self.steps.append, **given)

    def ids(self, source: io.BytesIO) -> list[str]:
        """Read a file; list the questions that are passed on."""
        return [asked.question_id for asked in self.feed.questions(source)]


def test_what_the_log_knows_is_not_asked(log: Played) -> None:
    """Of known and new questions only the new ones are passed on; the time does not matter."""
    asked = Asked(log)
    assert asked.ids(lines(("old", "What is old?"), ("new", "What?"), ("new", "What?"))) == ["new"]
    assert asked.feed.known == 2
    assert asked.feed.problems == []


def test_another_question_of_a_known_id_is_a_conflict(log: Played) -> None:
    """It is passed on for the log to refuse, told by its line, and noted as foreign where the log held its id."""
    asked = Asked(log)
    source = lines(("old", "Else?"), ("new", "What?"), ("new", "Else?"))
    assert asked.ids(source) == ["old", "new", "new"]
    assert [problem.line for problem in asked.feed.problems] == [1, 3]
    assert asked.feed.foreign == {"old"}


def test_conflict_is_refused_once(log: Played) -> None:
    """What the log refused before is told again and not passed on again."""
    log.put(question("old", text="Else?"))
    asked = Asked(log)
    assert asked.ids(lines(("old", "Else?"))) == []
    assert [problem.line for problem in asked.feed.problems] == [1]


def test_right_answer_is_taught_after_the_decision(log: Played) -> None:
    """Feedback on a decision follows from it, at its time, and the same is given however often it is heard."""
    asked = Asked(log, golds={"old": "B"}, teach=True)
    with EmbeddedReader(log.path) as view:
        (record,) = (record for record in view.about("old") if record.topic == DecisionMade.topic)
    decision = DecisionMade.decode(record.value)
    (feedback,) = asked.feed.hear(decision)
    assert feedback == gold_feedback(decision, "B") == asked.feed.hear(decision)[0]
    assert isinstance(feedback, FeedbackGiven)
    assert (feedback.causes, feedback.occurred_at) == ((decision.event_id,), decision.occurred_at)
    assert asked.steps == [1, 1]


def test_decision_of_before_is_taught(log: Played) -> None:
    """A known question that was decided without feedback gets it now."""
    asked = Asked(log, golds={"old": "C"}, teach=True)
    assert asked.ids(lines(("old", "What is old?"))) == []
    (feedback,) = asked.appended
    assert isinstance(feedback, FeedbackGiven)
    assert feedback.answer == "C"


@pytest.mark.parametrize("given", [{"golds": {"old": "C"}}, {"golds": {"old": None}, "teach": True}])
def test_nothing_is_taught_unasked(given: dict[str, Any], log: Played) -> None:
    """Without the wish to teach, or without a right answer, there is no feedback."""
    asked = Asked(log, **given)
    assert asked.ids(lines(("old", "What is old?"))) == []
    assert asked.appended == []


def test_conflict_with_a_forgotten_line_is_told(log: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the line before is forgotten and not in view, the log's refusal is turned into the line's problem."""
    monkeypatch.setattr(module, "REMEMBERED", 1)
    asked = Asked(log)
    passed = asked.feed.questions(lines(("a", "What?"), ("b", "What?"), ("a", "Else?")))
    first, second, third = passed
    assert asked.feed.problems == []
    refusal = dead_letter(third, 0, 5, Rejection(reason="conflict", detail="another question"))
    assert isinstance(refusal, RecordRejected)
    assert asked.feed.hear(refusal) == ()
    assert [problem.line for problem in asked.feed.problems] == [3]
    assert {first.question_id, second.question_id} == {"a", "b"}
