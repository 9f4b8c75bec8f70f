"""Begin and end of a server; probes and metrics."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.agents.calls.progress import CallProgress
from streams.app.metrics import Counted, instruments
from streams.app.workspace import Workspace
from streams.errors import OperatorError, UsageError
from streams.instruments.address import Address, parse_address
from streams.serve.server import ServeSpec, listening_socket

from ...e2e.command import SCRIPT
from ...limits import LIMIT_S
from ...monitoring import silent_panels
from ..command_in_process import Inside
from ..instruments.test_served import samples
from .server_in_thread import AGENTS, LOOPBACK, Client, ServerInThread, served, slow


def test_busy_port_is_an_environment_error(server: ServerInThread, log: str) -> None:
    """The address and the remedy are named, and no log is made."""
    taken = parse_address(server.url.removeprefix("http://"))
    with pytest.raises(OperatorError, match=f"cannot listen on {taken}.*--port 0"):
        ServerInThread(ServeSpec(Workspace(log, AGENTS), taken))
    assert not Path(log).exists()


def test_unusable_log_is_told_before_questions_come(server: ServerInThread, tmp_path: Path) -> None:
    """A missing archive, no agents, a log that another process writes: the server does not start."""
    with pytest.raises(UsageError), served(f"parquet:{tmp_path}"):
        pass
    with pytest.raises(UsageError, match="agents"), served(str(tmp_path / "orch.db"), {"merge": {}}):
        pass
    assert server.running is not None
    with pytest.raises(OperatorError, match="is being written"), served(server.running.service.work.log_url):
        pass


def test_loopback_of_the_sixth_version(log: str) -> None:
    """An address of IPv6 stands in brackets in the URL."""
    if not socket.has_ipv6:
        pytest.skip("optional: this machine has no IPv6")
    with served(log, address=Address("::1", 0)) as server:
        assert server.url.startswith("http://[::1]:")
        assert server.get("/healthz").body == {"alive": True}


def test_probes_follow_the_log(log: str) -> None:
    """A server that takes questions is ready; one that stops is not."""
    with served(log) as server:
        assert server.get("/readyz").body == {"ready": True, "because": [], "troubles": []}
        assert server.running is not None
        service = server.running.service
    assert service.unready() == ["it is stopping"]


@pytest.mark.process
def test_metrics_of_a_server(log: str, tmp_path: Path) -> None:
    """
    Requests by route, streams and waiting callers stand beside what every process that decides counts.

    The dashboard's panels about HTTP have an answer in them.
    """
    told: list[str] = []
    with instruments(LOOPBACK, "serve", (), lambda url, text: told.append(url)) as shown:
        with served(log, counted=Counted(CallProgress(), shown)) as server, server.events():
            assert server.ask("q").status == 200
            assert server.get("/v1/decisions/nosuch").status == 404
            assert server.get("/nosuch").status == 404
            scrape = server.get("/metrics").text.decode()
            assert Client(told[0]).get("/metrics").status == 200
            assert Client(told[0]).get("/readyz").body == server.get("/readyz").body
            assert server.get("/readyz").status == 200
        values = samples(scrape)
        found = {name: values[f"orch_{name}", labels] for name, labels in EXPECTED}
        assert set(found.values()) == {1}
        assert Client(told[0]).get("/readyz").status == 503
    assert silent_panels(scrape, tmp_path, http=True) == ""


EXPECTED = (
    ("http_requests_total", ("/v1/questions", "200")),
    ("http_requests_total", ("/v1/decisions/{question_id:path}", "404")),
    ("http_requests_total", ("other", "404")),
    ("event_streams", ()),
    ("decisions_total", ("panel complete", "decided")),
    ("decision_seconds_count", ()),
)
"""Samples that are 1 after one question and two requests in vain."""


def test_missing_library_names_the_extra(place: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the command says what to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = place.orch("serve", "--port", "0")
    assert done.code == 3
    assert "`orch serve` needs uvicorn, which is not installed" in done.err
    assert "serve]" in done.err


def test_other_address_needs_a_token(place: Inside) -> None:
    """The command ends with exit code 2, and names the option."""
    done = place.orch("serve", "--host", "0.0.0.0", "--port", "0")
    assert (done.code, "--token-file" in done.err) == (2, True)


@contextmanager
def command(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    """Run `orch serve` as its own process, and kill it if it is still there at the end."""
    (folder / "orch.toml").write_text(
        '[[agents]]\nkind = "simulated"\nname = "slow"\nwaits = true\nlatency_ms = 60_000\n'
    )
    process = subprocess.Popen(
        [SCRIPT, "serve", "--port", "0", *options],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("ORCH_")},
    )
    try:
        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
        assert line["event"] == "serve_started"
        yield process, Client(line["url"])
    finally:
        process.kill()
        process.communicate()


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal_ends_it_with_streams_open(tmp_path: Path, number: signal.Signals) -> None:
    """Who waits gets the address of the decision, streams end, the log is closed, and the exit code is 0."""
    with command(tmp_path) as (process, client), client.events() as events:
        replies: list[int] = []
        asking = threading.Thread(target=lambda: replies.append(client.ask("q", wait=300).status))
        asking.start()
        while client.get("/v1/decisions/q").status != 202:
            pass
        assert json.loads((tmp_path / "orch.db.lock").read_text())["served_at"] == client.url
        process.send_signal(number)
        with pytest.raises(EOFError):
            events.next()
        _, told = process.communicate(timeout=LIMIT_S)
        asking.join()
        assert (process.returncode, replies) == (0, [202])
        assert [json.loads(line)["event"] for line in told.splitlines()] == ["serve_stopping", "serve_stopped"]
        assert not (tmp_path / "orch.db.lock").exists()


@pytest.mark.process
def test_killed_server_gives_the_same_decisions_again(tmp_path: Path) -> None:
    """After SIGKILL another server of the log gives who asks again the decision that was made, or makes it once."""
    with command(tmp_path) as (process, client):
        assert client.ask("open", wait=0).status == 202
        process.kill()
        process.wait()
    with served(str(tmp_path / "orch.db"), slow(1)) as server:
        decided = server.ask("open")
        assert decided.status == 200
        assert [each["decision"]["question_id"] for each in server.get("/v1/decisions").body["decisions"]] == ["open"]


def test_small_responses_are_sent_at_once() -> None:
    """No connection waits for an acknowledgement before it sends the rest of a small response."""
    with listening_socket(LOOPBACK) as taken, socket.create_connection(taken.getsockname()):
        accepted, _ = taken.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
