"""Feedback taken back on the page of its question."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.feedback import FeedbackRetracted
from streams.log import read_event
from streams.serve.pages.catalog import page_routes
from streams.topology import FEEDBACK

from ...command_in_process import Inside
from ..server_in_thread import Reply, ServerInThread, served
from .demo_folder import page_of
from .test_pages import FORM, marked, send

FIELD = re.compile(r'name="feedback" value="([0-9a-f]{64})"')


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ServerInThread]:
    """Give pages over a log with one decided question."""
    with served(str(tmp_path / "orch.db"), pages=page_routes) as running:
        running.ask("q1")
        yield running


def tell(site: ServerInThread, **fields: str) -> Reply:
    """Give feedback as a program does."""
    return site.post("/v1/feedback", {"question_id": "q1", **fields})


def listed(text: str) -> list[str]:
    """Give the lines of the feedback, without markup."""
    part = text.partition('id="feedback"')[2].partition("</ul>")[0]
    return [" ".join(re.sub(r"<[^>]*>", " ", line).split()) for line in re.findall(r"<li>(.*?)</li>", part, re.DOTALL)]


def test_feedback_is_taken_back(site: ServerInThread) -> None:
    """The button leads back to the question, which shows the feedback as taken back; another may then be given."""
    given = tell(site, verdict="right", author="Ann <b>").body
    headers, mark = marked(site, "/q?id=q1")
    text = page_of(site, "/q?id=q1&told=1")
    assert FIELD.findall(text) == [given["event_id"]]
    sent = send(site, "/q/retract", headers, id="q1", feedback=given["event_id"], mark=mark)
    assert (sent.status, sent.headers["location"]) == (303, "/q?id=q1&told=back#feedback")
    after = page_of(site, "/q?id=q1&told=back")
    (line,) = listed(after)
    assert line.startswith("feedback, human by Ann &lt;b&gt;: the decision is right ,")
    assert line.endswith("taken back")
    assert "It is taken back" in after
    assert FIELD.findall(after) == []
    assert "retraction" in after
    assert tell(site, verdict="wrong", author="Ann <b>").status == 201
    assert len(FIELD.findall(page_of(site, "/q?id=q1&told=1"))) == 1


def test_only_what_stands_can_be_taken_back(site: ServerInThread) -> None:
    """What was said twice, or contradicts what its author said, has no button and says why."""
    first = tell(site, answer="A", author="ann").body
    tell(site, answer="A", author="ann")
    tell(site, answer="B", author="ann")
    other = tell(site, answer="B", author="ben").body
    text = page_of(site, "/q?id=q1&told=1")
    assert FIELD.findall(text) == [first["event_id"], other["event_id"]]
    lines = listed(text)
    assert sum("contradicts what the same source and author said" in line for line in lines) == 1
    assert sum("counts once" in line for line in lines) == len(lines) - 3


def test_button_pressed_twice_takes_back_once(site: ServerInThread) -> None:
    """A second retraction of a feedback leads to the same page, and writes nothing."""
    given = tell(site, verdict="right").body
    headers, mark = marked(site, "/q?id=q1")
    for _ in range(2):
        assert send(site, "/q/retract", headers, id="q1", feedback=given["event_id"], mark=mark).status == 303
    assert site.running is not None
    with site.running.service.work.open_reader() as reader:
        said = [read_event(record) for record in reader.records((FEEDBACK,))]
    assert sum(isinstance(event, FeedbackRetracted) for event in said) == 1


def test_retraction_of_another_site_is_refused(site: ServerInThread) -> None:
    """Without the mark of this browser nothing is taken back; what nobody said is told."""
    given = tell(site, verdict="right").body
    headers, mark = marked(site, "/q?id=q1")
    assert send(site, "/q/retract", FORM, id="q1", feedback=given["event_id"], mark=mark).status == 403
    assert send(site, "/q/retract", headers, id="q1", feedback="0" * 64, mark=mark).status == 404
    assert send(site, "/q/retract", headers, id="nosuch", feedback="0" * 64, mark=mark).status == 404
    assert len(FIELD.findall(page_of(site, "/q?id=q1&told=1"))) == 1


def test_archive_has_no_button(site: ServerInThread, tmp_path: Path) -> None:
    """Where nothing is taken, feedback is listed, and nothing can be taken back."""
    tell(site, verdict="right")
    assert site.running is not None
    assert Inside(tmp_path).orch("--log", site.running.service.work.log_url, "export", "archive").code == 0
    with served(f"parquet:{tmp_path / 'archive'}", pages=page_routes) as archive:
        text = page_of(archive, "/q?id=q1")
    assert len(listed(text)) == 1
    assert "Take back" not in text
