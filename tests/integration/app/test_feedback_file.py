"""Feedback files, checked against the questions they are about."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.quantities import instant_of_ms
from streams.app.feedback_file import FeedbackLine, read_feedback
from streams.jsonlines import LineProblem
from streams.log import LogReader
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import moment, policy, question
from ..played_log import Played

NOW = 1_700_000_000_000


@pytest.fixture
def view(tmp_path: Path) -> Iterator[LogReader]:
    """A log that holds a choice `q` and a number `n`."""
    log = Played(tmp_path / "orch.db")
    log.put(policy("a"), question("q"), question("n", options=0))
    with EmbeddedReader(log.path) as reader:
        yield reader
    log.close()


def read(view: LogReader, *lines: dict[str, Any]) -> tuple[list[FeedbackLine], list[LineProblem]]:
    """Read a file of these lines."""
    problems: list[LineProblem] = []
    source = io.BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    return list(read_feedback(source, problems, view, lambda: NOW)), problems


@pytest.mark.parametrize(
    ("question_id", "answer", "normal"), [("q", "option 2", "C"), ("q", "c", "C"), ("n", "1,800", "1800")]
)
def test_answer_is_written_as_decisions_write_it(question_id: str, answer: str, normal: str, view: LogReader) -> None:
    """The text of an option becomes its letter, a number its plain form."""
    ((_, event, awaited),), _ = read(view, {"question_id": question_id, "source": "gold", "answer": answer})
    assert isinstance(event, FeedbackGiven)
    assert (event.answer, awaited) == (normal, False)
    assert event.occurred_at == instant_of_ms(NOW)


def test_feedback_may_come_first(view: LogReader) -> None:
    """About a question that is not there yet, it is taken as it is, and said to be awaited."""
    (taken,), problems = read(
        view, {"question_id": "later", "source": "gold", "answer": "anything", "occurred_at": moment(5)}
    )
    assert taken.awaited is True
    assert taken.event.occurred_at == moment(5)
    assert problems == []


def test_feedback_can_be_taken_back(view: LogReader) -> None:
    """A line of that kind retracts."""
    line = {"kind": "feedback.retracted.v1", "question_id": "q", "feedback_id": "0" * 64}
    (taken,), _ = read(view, line)
    assert isinstance(taken.event, FeedbackRetracted)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"answer": "E"}, "answer: 'E' is neither a letter from A to D nor the text of one option"),
        ({"answer": "B", "verdict": "right"}, "answer"),
        ({}, "answer"),
        ({"verdict": "maybe"}, "verdict: Input should be 'right' or 'wrong', not 'maybe'"),
        ({"verdict": "right", "source": "rumour"}, "not 'rumour'"),
        ({"verdict": "right", "question_id": 7}, "question_id: Input should be a valid string, not 7"),
        ({"verdict": "right", "mood": "good"}, "mood: unknown field"),
    ],
)
def test_line_that_cannot_be_used_says_why(fields: dict[str, Any], words: str, view: LogReader) -> None:
    """An answer the question does not offer, both or neither of answer and verdict, or a wrong value is a problem."""
    taken, (problem,) = read(view, {"question_id": "q", "source": "human", **fields})
    assert taken == []
    assert words in problem.reason
