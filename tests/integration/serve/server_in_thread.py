"""Server in a thread, and a client without libraries."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from streams.app.workspace import Workspace
from streams.instruments.address import Address
from streams.serve.server import Running, ServeSpec, listening_socket, serve

from ...limits import LIMIT_S

LOOPBACK = Address("127.0.0.1", 0)

AGENTS: dict[str, Any] = {"agents": [{"kind": "simulated", "name": name} for name in ("ann", "ben", "cat")]}


def slow(latency_ms: int) -> dict[str, Any]:
    """Give the settings of one agent that takes its time."""
    return {"agents": [{"kind": "simulated", "name": "slow", "waits": True, "latency_ms": latency_ms}]}


class Reply(NamedTuple):
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    text: bytes

    @property
    def body(self) -> Any:
        """The JSON value in it."""
        return json.loads(self.text)


class Client:
    """Sends requests as any program does, each on a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def connection(self, *, narrow: bool = False) -> http.client.HTTPConnection:
        """Give a new connection; a narrow one takes a few kilobytes before they are read."""
        made = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=LIMIT_S)
        if narrow:
            made.sock = socket.socket()
            made.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            made.sock.settimeout(LIMIT_S)
            made.sock.connect((made.host, made.port))
        return made

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send bytes and read the response."""
        connection = self.connection()
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        """Read a resource."""
        return self.send("GET", path, headers=headers)

    def post(self, path: str, value: object, **headers: str) -> Reply:
        """Send a JSON value."""
        return self.send("POST", path, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

    def ask(self, question_id: str, text: str = "Which?", wait: int = LIMIT_S) -> Reply:
        """Ask a question with two options."""
        question = {"question_id": question_id, "text": text, "options": ["x", "y"]}
        return self.post(f"/v1/questions?wait={wait}", question)

    @contextmanager
    def events(self, path: str = "/v1/events", *, narrow: bool = False, **headers: str) -> Iterator["Events"]:
        """Follow the decisions."""
        connection = self.connection(narrow=narrow)
        try:
            connection.request("GET", path, headers={"Accept": "text/event-stream", **headers})
            response = connection.getresponse()
            assert response.status == 200, response.read()
            yield Events(response)
        finally:
            connection.close()


class Events:
    """Server-sent events, as the standard says a browser reads them."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response
        self.last_id = ""
        self.comments: list[str] = []
        self._read()
        """The first one has no data: it says that the stream stands."""

    def next(self) -> dict[str, Any]:
        """Give the data of the next decision."""
        while True:
            fields = self._read()
            if "data" in fields:
                assert fields["event"] == "decision"
                found: dict[str, Any] = json.loads(fields["data"])
                return found

    def ids(self, count: int) -> list[str]:
        """Give the question ids of the next decisions."""
        return [self.next()["question_id"] for _ in range(count)]

    def _read(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        while line := self.response.readline().decode().removesuffix("\n"):
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
            else:
                self.comments.append(value)
        if self.response.isclosed():
            raise EOFError
        self.last_id = fields.get("id", self.last_id)
        return fields


class ServerInThread(Client):
    """A server that runs in a thread, and a client of it."""

    def __init__(self, spec: ServeSpec) -> None:
        self._ready = threading.Event()
        self.running: Running | None = None
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(spec,))
        self._thread.start()
        assert self._ready.wait(LIMIT_S)
        if self.failure is not None:
            raise self.failure
        assert self.running is not None
        super().__init__(self.running.url)

    def _run(self, spec: ServeSpec) -> None:
        try:
            with listening_socket(spec.address) as taken:
                asyncio.run(serve(spec, taken, self._note))
        except BaseException as error:
            self.failure = error
        finally:
            self._ready.set()

    def _note(self, running: Running) -> None:
        self.running, self._loop = running, asyncio.get_running_loop()
        self._ready.set()

    def close(self) -> None:
        """Stop the server, and wait until it has ended."""
        if self._thread.is_alive() and self.running is not None:
            self._loop.call_soon_threadsafe(self.running.stop)
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()


@contextmanager
def served(log: str, config: Mapping[str, Any] | None = None, **spec: Any) -> Iterator[ServerInThread]:
    """Serve a log until the block ends."""
    server = ServerInThread(replace(ServeSpec(Workspace(log, config or AGENTS), LOOPBACK), **spec))
    try:
        yield server
    finally:
        server.close()
    assert server.failure is None, server.failure
