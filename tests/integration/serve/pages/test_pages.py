"""Answers of the pages, without a browser."""

import re
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from streams.app.workspace import Workspace
from streams.serve.pages.catalog import PAGES, page_routes
from streams.serve.pages.frame import HEADERS

from ....limits import LIMIT_S
from ...command_in_process import Inside
from ..server_in_thread import Reply, ServerInThread, served

TOKEN = SecretStr("0123456789abcdef0123")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LINKED = [each.path for each in PAGES if each.link]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    """Give pages over a log with simulated agents."""
    with served(str(tmp_path_factory.mktemp("pages") / "orch.db"), pages=page_routes) as running:
        running.ask("q1", "A needle in <b>hay</b>?")
        end = time.monotonic() + LIMIT_S
        while b'href="/q?id=q1"' not in running.get("/?state=decided").text:
            assert time.monotonic() < end
            time.sleep(0.05)
        yield running


def marked(site: ServerInThread, path: str) -> tuple[dict[str, str], str]:
    """Open a page as a new browser does; give the headers of what it sends from there, and the mark of its forms."""
    found = site.get(path)
    cookies = SimpleCookie(found.headers["set-cookie"])
    mark = re.search(rb'name="mark" value="([0-9a-f]+)"', found.text)
    assert mark is not None
    return {**FORM, "Cookie": f"orch_form={cookies['orch_form'].value}"}, mark[1].decode()


def send(site: ServerInThread, path: str, headers: dict[str, str], **fields: str) -> Reply:
    """Send a form."""
    return site.send("POST", path, urlencode(fields).encode(), headers)


@pytest.mark.parametrize("path", [*LINKED, "/q?id=q1", "/q?id=nobody", "/static/style.css", "/static/site.py"])
def test_every_answer_forbids_what_it_does_not_need(site: ServerInThread, path: str) -> None:
    """Scripts, styles and forms are this server's alone, nothing frames a page, and no style or script stands in it."""
    found = site.get(path)
    assert {name: found.headers.get(name) for name in HEADERS} == HEADERS
    assert not re.search(rb"<script>|<style|\sstyle=|\son\w+=", found.text)


def test_form_of_another_site_is_refused(site: ServerInThread) -> None:
    """A form without the mark of this browser, or from another site, changes nothing and is told so."""
    headers, mark = marked(site, "/q?id=q1")
    before = site.get("/q?id=q1&told=1").text.count(b"feedback, human")
    wrong = [
        send(site, "/q/feedback", FORM, id="q1", say="right", mark=mark),
        send(site, "/q/feedback", headers, id="q1", say="right", mark="0" * 64),
        send(site, "/q/feedback", {**headers, "Sec-Fetch-Site": "cross-site"}, id="q1", say="right", mark=mark),
    ]
    assert [reply.status for reply in wrong] == [403, 403, 403]
    assert site.get("/q?id=q1&told=1").text.count(b"feedback, human") == before


def test_form_of_ours_is_taken_once(site: ServerInThread) -> None:
    """Feedback leads back to the question, with a status that a reload does not send again."""
    headers, mark = marked(site, "/q?id=q1")
    sent = send(
        site,
        "/q/feedback",
        {**headers, "Origin": "null", "Sec-Fetch-Site": "same-origin"},
        id="q1",
        say="right",
        mark=mark,
    )
    assert (sent.status, sent.headers["location"]) == (303, "/q?id=q1&told=yes#feedback")
    assert b"feedback, human" in site.get("/q?id=q1&told=1").text


def test_faulty_question_comes_back_with_the_reason(site: ServerInThread) -> None:
    """A question with one option is refused as on the command line, and the reader's words are kept."""
    headers, mark = marked(site, "/ask")
    sent = send(site, "/ask", headers, text="Only <one>?", options="alone", kind="choice", mark=mark)
    assert sent.status == 400
    assert b"Only &lt;one&gt;?" in sent.text
    assert b"a choice needs 2 to 26" in sent.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=NEEDLE+hay", True),
        ("search=needle+straw", False),
        ("state=decided", True),
        ("state=open", False),
        ("agent=ann", True),
        ("agent=nobody", False),
        ("since=1+h", True),
        ("until=2020-01-01", False),
        ("subject=none", False),
    ],
)
def test_list_is_chosen(site: ServerInThread, query: str, found: bool) -> None:
    """Each condition chooses."""
    assert (b'href="/q?id=q1"' in site.get(f"/?{query}").text) == found


@pytest.mark.parametrize("query", ["state=solved", "since=yesterday", "before=x"])
def test_condition_that_cannot_be_read_is_told(site: ServerInThread, query: str) -> None:
    """A wrong condition is a page that says what may stand there."""
    reply = site.get(f"/?{query}")
    assert reply.status == 404
    assert b"That did not work" in reply.text


def test_stream_tells_changes_and_signs_of_life(site: ServerInThread) -> None:
    """A live list sends what it shows now, then each change as one message."""
    connection = site.connection()
    connection.request("GET", "/live?search=live")
    response = connection.getresponse()
    assert response.headers["content-type"].startswith("text/event-stream")
    asking = threading.Thread(target=site.ask, args=("live1", "Seen live?"))
    asking.start()
    text = b""
    while b"decided</a>" not in text or b"live1" not in text:
        text += response.readline()
    asking.join()
    assert b"q1</bdi>" not in text
    connection.close()


def test_archive_is_read_only(site: ServerInThread, tmp_path: Path) -> None:
    """Over an archive the pages show everything, and say why they take nothing."""
    place = Inside(tmp_path)
    log = site.running.service.work.log_url if site.running else ""
    assert place.orch("--log", log, "export", "archive").code == 0
    with served(f"parquet:{tmp_path / 'archive'}", pages=page_routes) as archive:
        assert b"A needle in &lt;b&gt;hay&lt;/b&gt;?" in archive.get("/").text
        assert b"Feedback cannot be given here" in archive.get("/q?id=q1").text
        assert b"is an archive" in archive.get("/ask").text
        headers, mark = marked(archive, "/words") if b"mark" in archive.get("/words").text else (FORM, "")
        assert send(archive, "/ask", headers, text="x", mark=mark).status in (400, 403)


def test_log_of_another_writer_is_read_only(site: ServerInThread) -> None:
    """A file that another process writes to is shown, and the page for questions says who has it."""
    log = site.running.service.work.log_url if site.running else ""
    with served(log, pages=page_routes, lenient=True) as second:
        assert b"A needle" in second.get("/").text
        assert b"is being written" in second.get("/ask").text


def test_token_is_asked_for_once(tmp_path: Path) -> None:
    """A browser is led to the page that takes the token, and from there to where it wanted to go."""
    pages = partial(page_routes, token=TOKEN)
    with served(str(tmp_path / "orch.db"), pages=pages, token=TOKEN) as guarded:
        led = guarded.get("/words", Accept="text/html")
        assert (led.status, led.headers["location"]) == (303, "/login?to=%2Fwords")
        assert guarded.get("/words").status == 401
        headers, mark = marked(guarded, "/login?to=/words")
        assert send(guarded, "/login", headers, token="wrong", to="/words", mark=mark).status == 403
        given = send(guarded, "/login", headers, token=TOKEN.get_secret_value(), to="/words", mark=mark)
        assert (given.status, given.headers["location"]) == (303, "/words")
        cookie = given.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN.get_secret_value() not in cookie
        assert guarded.get("/words", Cookie=cookie.partition(";")[0]).status == 200
        away = send(guarded, "/login", headers, token=TOKEN.get_secret_value(), to="//evil.example", mark=mark)
        assert away.headers["location"] == "/"


def test_log_without_questions_says_what_to_do(tmp_path: Path) -> None:
    """An empty log leads to the first question."""
    with served(str(tmp_path / "orch.db"), pages=page_routes) as empty:
        assert b"Ask the first one" in empty.get("/").text
    assert Workspace(str(tmp_path / "orch.db")).log_exists
