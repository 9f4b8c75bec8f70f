"""Requests that reach no page."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from starlette.routing import Route

from streams.serve.pages import forms
from streams.serve.pages.catalog import page_routes
from streams.serve.pages.filters import advice
from streams.serve.pages.frame import HEADERS
from streams.serve.problems import MEDIA_TYPE

from ..server_in_thread import Reply, ServerInThread, served
from .test_pages import FORM, TOKEN, marked, send

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    """Give pages over an empty log, and one path whose handling fails."""

    async def broken(_request: Any) -> Any:
        raise RuntimeError("secret-of-the-place")

    def pages(service: Any) -> Any:
        made = page_routes(service)
        return made._replace(routes=[*made.routes, Route("/broken", broken)])

    with served(str(tmp_path_factory.mktemp("refusals") / "orch.db"), pages=pages) as running:
        yield running


def shown(reply: Reply) -> str:
    """Give the text of a page that guards itself as all pages do."""
    assert reply.headers["content-type"].startswith("text/html")
    assert {name: reply.headers.get(name) for name in HEADERS} == HEADERS
    return reply.text.decode()


def test_unknown_address_says_what_is_missing_and_where_to_go(site: ServerInThread) -> None:
    """A person who follows an old link reads what was not found, as text, and finds every page."""
    reply = site.get("/no/<b>such</b>", **BROWSER)
    text = shown(reply)
    assert reply.status == 404
    assert "There is no page /no/&lt;b&gt;such&lt;/b&gt;" in text
    assert text.count('<li><a href="/ask"') == 2


def test_address_of_a_form_says_that_it_shows_nothing(site: ServerInThread) -> None:
    """Who opens the address that a form is sent to is told so, with status 405 and the method."""
    reply = site.get("/q/feedback", **BROWSER)
    assert "/q/feedback takes what a form sends" in shown(reply)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_failure_is_told_without_its_reason(site: ServerInThread) -> None:
    """A page that fails by our fault says that it is a bug, and nothing of the program."""
    reply = site.get("/broken", **BROWSER)
    text = shown(reply)
    assert reply.status == 500
    assert "This is a bug in orch" in text
    assert "secret-of-the-place" not in text


def test_frame_that_fails_is_no_silence(site: ServerInThread) -> None:
    """Where the page of the error fails too, the answer is the problem."""
    with mock.patch("streams.serve.pages.frame.written", side_effect=RuntimeError):
        reply = site.get("/broken", **BROWSER)
    assert (reply.status, reply.headers["content-type"]) == (500, MEDIA_TYPE)


@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [
        ("GET", "/no-such", "*/*"),
        ("GET", "/no-such", "application/json"),
        ("GET", "/broken", "*/*"),
        ("GET", "/v1", BROWSER["Accept"]),
        ("GET", "/v1/no-such", BROWSER["Accept"]),
        ("GET", "/v1/questions", BROWSER["Accept"]),
        ("POST", "/openapi.json", BROWSER["Accept"]),
        ("GET", "/v1/decisions?limit=x", BROWSER["Accept"]),
        ("GET", "/v1/decisions/no-such", BROWSER["Accept"]),
        ("GET", "/metrics", BROWSER["Accept"]),
    ],
)
def test_programs_get_problems(site: ServerInThread, method: str, path: str, accept: str) -> None:
    """A program, and whoever asks on a route for programs, gets problem details."""
    reply = site.send(method, path, headers={"Accept": accept})
    assert reply.headers["content-type"] == MEDIA_TYPE
    assert reply.body["status"] == reply.status


def test_without_pages_everyone_gets_problems(tmp_path: Path) -> None:
    """`orch serve` has no pages, so a browser gets problem details too."""
    with served(str(tmp_path / "orch.db")) as plain:
        assert plain.get("/no-such", **BROWSER).headers["content-type"] == MEDIA_TYPE


def test_stranger_is_told_nothing(tmp_path: Path) -> None:
    """Without the token an unknown address leads to the page that takes it, and under a foreign name to a problem."""
    with served(str(tmp_path / "orch.db"), pages=partial(page_routes, token=TOKEN), token=TOKEN) as guarded:
        assert guarded.get("/no-such", **BROWSER).status == 303
        assert guarded.get("/no-such", **BROWSER, Host="evil.example").headers["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize("size", [forms.LARGEST + 1, 3 * forms.LARGEST])
def test_form_that_is_too_large_is_told(site: ServerInThread, size: int) -> None:
    """A form that is too large is read to its end, so that the browser reads the answer: a page with status 413."""
    headers, _ = marked(site, "/ask")
    reply = site.send("POST", "/ask", b"text=" + b"x" * (size - 5), {**headers, **BROWSER})
    assert (reply.status, "Go back, and shorten the text" in shown(reply)) == (413, True)


def test_form_that_cannot_be_read_is_told(site: ServerInThread) -> None:
    """A form of no text at all is a page with status 400."""
    reply = site.send("POST", "/ask", b"text=\xff\xfe", {**FORM, **BROWSER})
    assert (reply.status, "cannot be read" in shown(reply)) == (400, True)


def test_form_without_what_it_needs_is_told(site: ServerInThread) -> None:
    """A form that names nothing is a page with the reason."""
    headers, mark = marked(site, "/ask")
    reply = send(site, "/q/feedback", {**headers, **BROWSER}, mark=mark)
    assert (reply.status, "That did not work" in shown(reply)) == (400, True)


def test_commands_of_a_remedy_are_code() -> None:
    """What stands between backticks is code, all of it is text, and a single backtick is no mark."""
    assert advice("see `orch <x>` & go") == '<bdi dir="auto">See <code>orch &lt;x&gt;</code> &amp; go</bdi>'
    assert advice("a ` b") == '<bdi dir="auto">a ` b</bdi>'
