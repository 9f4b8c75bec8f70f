"""Undecided questions published again, where workers answer."""

from pathlib import Path
from typing import Any

import pytest

from schemas.event import Event
from streams.app import retry
from streams.app.retry import ask_again
from streams.app.workspace import Workspace
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import UNREADABLE, gold, policy, question, said
from ..played_log import Played


class Published:
    """A writer that folds nothing, as that of a log on Kafka."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.committed = 0

    def append(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    def commit(self) -> None:
        """Count the events so far as durable."""
        self.committed = len(self.events)

    def folding(self) -> None:
        """Say that stages fold elsewhere."""

    def __enter__(self) -> "Published":
        return self

    def __exit__(self, *failure: object) -> None: ...


def test_question_and_right_answer_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No agent is called: the new question goes to the log, then the right answer as feedback that comes first."""
    played = Played(tmp_path / "orch.db")
    played.put(policy("a"))
    played.ask([question("q"), question("r")], said(a=UNREADABLE))
    played.put(gold("B", "q"))
    work, log = Workspace(f"sqlite:///{tmp_path / 'orch.db'}"), Published()
    monkeypatch.setattr(Workspace, "open_writer", lambda self, topics, **given: log)
    with EmbeddedReader(played.path) as reader:
        undecided = [record.key for record in reader.records((retry.DECISIONS,))]
    found = ask_again(work)
    played.close()
    assert undecided == ["q", "r"]
    assert (found.asked, found.with_gold, found.decided) == ({"q": "q~2", "r": "r~2"}, 1, None)
    assert log.committed == 3
    told: list[tuple[Any, ...]] = [(event.kind, event.key, getattr(event, "answer", None)) for event in log.events]
    assert told == [
        ("question.asked.v1", "q~2", None),
        ("feedback.given.v1", "q~2", "B"),
        ("question.asked.v1", "r~2", None),
    ]
