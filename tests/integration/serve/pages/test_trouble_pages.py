"""Undecided questions and dead letters, tried again from their pages."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.letters import RecordRejected
from schemas.registry import build
from streams.app.workspace import Workspace
from streams.serve.pages.catalog import page_routes
from streams.serve.pages.figures.noted import Noted, UndecidedQuestion
from streams.serve.pages.live.row import QuestionRow
from streams.serve.pages.trouble.letters import letters_model
from streams.serve.pages.trouble.undecided import SHOWN, undecided_model
from streams.topology import DEAD_LETTERS, QUESTIONS

from ...command_in_process import Inside
from ..server_in_thread import ServerInThread, served
from .demo_folder import page_of
from .test_pages import marked, send

SILENT = {"agents": [{"kind": "simulated", "name": name, "malformed_ppb": 10**9} for name in ("ann", "ben")]}
"""Agents whose texts nobody can read."""

HOSTILE = "Which <script>alert(1)</script>?"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ServerInThread]:
    """Give pages over a log with an undecided question, and a dead letter."""
    log = str(tmp_path / "orch.db")
    with served(log, SILENT) as before:
        assert before.ask("q1", HOSTILE).body["status"] == "undecided"
        before.post("/v1/feedback", {"question_id": "q1", "answer": "B", "source": "gold"})
    other = build(QUESTIONS, {"question_id": "q1", "text": HOSTILE + " No.", "options": ["x", "y"]}, 0)
    with Workspace(log).open_writer((QUESTIONS,)) as written:
        written.append(other)
        folding = written.folding()
        assert folding is not None
        folding.fold()
        written.commit()
    with served(log, SILENT, pages=page_routes) as running:
        yield running


def events(site: ServerInThread, topic: str) -> list[Any]:
    """Read the events of a topic from the file."""
    assert site.running is not None
    with site.running.service.work.open_reader() as reader:
        return list(reader.records((topic,)))


def undecided(question_id: str) -> UndecidedQuestion:
    """Make a question without an answer."""
    return UndecidedQuestion(question_id, "2026-01-01T00:00:00.000Z", "quorum", 0, (("ann", "failed"),), 0, 0)


def test_undecided_question_is_asked_again(site: ServerInThread) -> None:
    """The form puts the question into the log under a new id, caused by its decision; the page then leads to that."""
    text = page_of(site, "/undecided", lambda text: "Ask again" in text)
    assert "Which &lt;script&gt;" in text
    headers, mark = marked(site, "/undecided")
    sent = send(site, "/undecided", headers, id="q1", mark=mark)
    assert (sent.status, sent.headers["location"]) == (303, "/undecided?asked=1&failed=0&why=")
    assert "1 question asked again" in page_of(site, sent.headers["location"])
    again = next(record for record in events(site, QUESTIONS) if record.key == "q1~2")
    assert b'"causes":["' in again.value
    page_of(site, "/undecided", lambda text: 'href="/q?id=q1~2"' in text or 'href="/q?id=q1%7E2"' in text)
    assert [record.key for record in events(site, "orch.feedback")] == ["q1", "q1~2"]


def test_question_is_asked_again_once(site: ServerInThread) -> None:
    """A question that was asked again already, or is none, is refused with the reason."""
    headers, mark = marked(site, "/undecided")
    send(site, "/undecided", headers, id="q1", mark=mark)
    for question_id, said in (("q1", b"asked again already"), ("nosuch", b"no question"), ("", b"no question")):
        refused = send(site, "/undecided", headers, id=question_id, mark=mark)
        assert refused.status == 400
        assert said in refused.text


def test_letter_is_retried_and_the_server_goes_on(site: ServerInThread) -> None:
    """A retried record that is still wrong becomes another letter, the page says so, and questions are taken again."""
    text = page_of(site, "/letters", lambda text: "Retry" in text)
    assert "Contradicts an event that counts already" in text
    assert "<script>alert" not in text
    headers, mark = marked(site, "/letters")
    sent = send(site, "/letters", headers, offset="0", mark=mark)
    assert (sent.status, sent.headers["location"]) == (303, "/letters?taken=1&same=0&refused=0&rejected=1")
    assert "1 record became a dead letter again" in page_of(site, sent.headers["location"])
    assert len(events(site, DEAD_LETTERS)) == 2
    assert site.ask("q2").body["question_id"] == "q2"
    page_of(site, "/letters", lambda text: "Retry these 2" in text)


@pytest.mark.parametrize("offset", ["7", "x", ""])
def test_letter_that_is_not_there_is_told(site: ServerInThread, offset: str) -> None:
    """A wrong offset is refused, and nothing is written."""
    headers, mark = marked(site, "/letters")
    refused = send(site, "/letters", headers, offset=offset, mark=mark)
    assert refused.status == 400
    assert len(events(site, DEAD_LETTERS)) == 1


def test_form_of_another_site_tries_nothing_again(site: ServerInThread) -> None:
    """Without the mark of this browser nothing is asked or retried."""
    for path, fields in (("/undecided", {"id": "q1"}), ("/letters", {"offset": "0"}), ("/audit/replay", {})):
        assert send(site, path, {"Content-Type": "application/x-www-form-urlencoded"}, **fields).status == 403
    assert (len(events(site, QUESTIONS)), len(events(site, DEAD_LETTERS))) == (2, 1)


def test_archive_shows_and_takes_nothing(site: ServerInThread, tmp_path: Path) -> None:
    """Over an archive both are listed, there is no button, and a form is refused with the reason."""
    assert Inside(tmp_path).orch("export", "archive").code == 0
    with served(f"parquet:{tmp_path}/archive", pages=page_routes) as archive:
        for path, field in (("/undecided", "id"), ("/letters", "offset")):
            text = page_of(archive, path)
            assert "read only" in text
            assert not re.search("<button>Ask|>Retry<|>Ask again<", text)
            headers, mark = marked(archive, "/audit")
            refused = send(archive, path, headers, mark=mark, **{field: "0"})
            assert refused.status == 400
            assert b"takes no events" in refused.text


def test_newest_undecided_come_first_with_what_became_of_them() -> None:
    """A question that was asked again leads to its next attempt, also if it is such an attempt itself."""
    noted, rows = Noted(), {"q2~2": QuestionRow("q2~2", 1, 1), "q2~3": QuestionRow("q2~3", 1, 1, "decided")}
    noted.undecided.extend(undecided(question_id) for question_id in ("q1", "q2", "q2~2"))
    noted.undecided_count = 3
    model = undecided_model(noted, rows.get, [QuestionRow(f"o{n}", n, n) for n in range(SHOWN + 5, 0, -1)])
    assert [(row.question.question_id, row.again, row.again_state) for row in model.rows] == [
        ("q2~2", "q2~3", "decided"),
        ("q2", "q2~2", "open"),
        ("q1", None, ""),
    ]
    assert model.retriable == ["q1"]
    assert (model.waiting[0].question_id, model.waiting_count, len(model.waiting)) == ("o1", SHOWN + 5, SHOWN)


def test_letter_with_a_beginning_alone_cannot_be_retried() -> None:
    """A record of which the letter holds only the beginning is shown, and told apart."""
    noted = Noted()
    for length in (4, 5):
        letter = RecordRejected(
            occurred_at="2026-01-01T00:00:00.000Z",
            source_topic=QUESTIONS,
            partition=1,
            offset=2,
            reason="too_large",
            detail="too long",
            record_key=None,
            value_base64="4oKsIQ==",
            value_bytes=length,
        )
        noted.take_letter(length, letter)
    rows = letters_model(noted).rows
    assert [(row.offset, row.cut, row.beginning) for row in rows] == [(5, True, "€!"), (4, False, "€!")]
    assert letters_model(noted).retriable == [4]
