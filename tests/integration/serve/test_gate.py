"""Gate of a server: token, names, other sites."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from streams.errors import OperatorError, UsageError
from streams.instruments.address import Address
from streams.serve.gate import read_token

from .server_in_thread import LOOPBACK, ServerInThread, served

TOKEN = "0123456789abcdef0123456789abcdef"
ELSEWHERE = Address("0.0.0.0", 8000)


def test_token_opens(log: str) -> None:
    """With a token everything but the probes wants it: missing, wrong and of another scheme are refused alike."""
    with served(log, token=SecretStr(TOKEN)) as server:
        assert server.get("/v1/decisions", Authorization=f"Bearer {TOKEN}").status == 200
        for wrong in ("", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Token {TOKEN}", "Bearer größe"):
            reply = server.get("/v1/decisions", Authorization=wrong)
            assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="orch"')
        assert [server.get(path).status for path in ("/openapi.json", "/v1/events", "/metrics", "/nosuch")] == [401] * 4
        assert [server.get(path).status for path in ("/healthz", "/readyz")] == [200, 200]
        described = server.get("/openapi.json", Authorization=f"bearer {TOKEN}").body
        assert described["security"] == [{"token": []}]


def test_browser_asks_for_the_token(log: str) -> None:
    """A browser asks people for a password, which is the token."""
    with served(log, token=SecretStr(TOKEN)) as server:
        asked = server.get("/v1/decisions", Accept="text/html,*/*")
        assert asked.headers["www-authenticate"] == 'Basic realm="orch"'
        for given, status in ((f"anyone:{TOKEN}", 200), ("anyone:wrong", 401), (TOKEN, 401)):
            basic = base64.b64encode(given.encode()).decode()
            assert server.get("/v1/decisions", Authorization=f"Basic {basic}").status == status
        assert server.get("/v1/decisions", Authorization="Basic %%%").status == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("10.0.0.7", 200),
        ("orch.example.org", 200),
        ("orch.example.org.:443", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.example@localhost", 200),
        ("[", 421),
        ("", 421),
    ],
)
def test_only_its_own_names_reach_a_server(named: ServerInThread, host: str, status: int) -> None:
    """A page whose name was bound to this machine's address after it was loaded calls the server by that name."""
    assert named.get("/readyz", Host=host).status == status


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    """Give a server that has a name."""
    with served(str(tmp_path_factory.mktemp("named") / "orch.db"), names=("orch.example.org",)) as running:
        yield running


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 422),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 422),
    ],
)
def test_pages_of_other_sites_write_nothing(server: ServerInThread, headers: dict[str, str], status: int) -> None:
    """A page that a user visits cannot make its browser ask or give feedback here."""
    assert server.post("/v1/questions", {}, **headers).status == status
    assert server.post("/v1/feedback", {}, **headers).status == status


def test_own_page_writes(server: ServerInThread) -> None:
    """The origin of the server's own pages is its address."""
    origin = {"Origin": server.url}
    assert server.post("/v1/questions", {"text": "?", "answer_type": "number"}, **origin).status == 200


def test_no_response_lets_other_sites_read(server: ServerInThread) -> None:
    """There is no header of CORS, and a browser takes no response for a script."""
    reply = server.get("/v1/decisions", Origin="http://evil.example")
    assert not [name for name in reply.headers if name.startswith("access-control")]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert server.send("OPTIONS", "/v1/questions", headers={"Origin": "http://evil.example"}).status == 405


def test_token_comes_from_a_file_or_a_variable(tmp_path: Path) -> None:
    """The option goes before the variable with the token, and that before the variable with a file."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(f"{TOKEN}1\n")
    two.write_text(f"{TOKEN}2\n")
    environ = {"ORCH_SERVE_TOKEN": f"{TOKEN}0", "ORCH_SERVE_TOKEN_FILE": str(two)}
    given = [
        read_token(ELSEWHERE, str(one), environ),
        read_token(ELSEWHERE, None, environ),
        read_token(ELSEWHERE, None, {"ORCH_SERVE_TOKEN_FILE": str(two)}),
    ]
    assert [token and token.get_secret_value() for token in given] == [f"{TOKEN}{number}" for number in (1, 0, 2)]
    assert read_token(LOOPBACK, None, {}) is None


@pytest.mark.parametrize("content", ["", "short", "with a space in it 0123456789", "größe0123456789abcdef"])
def test_no_token_is_refused(tmp_path: Path, content: str) -> None:
    """What nobody could send, or anybody guess, is no token."""
    (tmp_path / "token").write_text(content)
    with pytest.raises(OperatorError, match="holds no token"):
        read_token(LOOPBACK, str(tmp_path / "token"), {})


def test_other_machines_need_a_token(tmp_path: Path) -> None:
    """Without one the command does not listen there, and says what to give; a missing file is told by its name."""
    with pytest.raises(UsageError, match=r"other machines reach 0.0.0.0:8000.*--token-file"):
        read_token(ELSEWHERE, None, {})
    with pytest.raises(OperatorError, match=r"token file .*nosuch cannot be read"):
        read_token(ELSEWHERE, str(tmp_path / "nosuch"), {})
