"""HTTP server of metrics and probes."""

import json
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from streams.errors import OperatorError
from streams.instruments.address import Address
from streams.instruments.exposition import CONTENT_TYPE, Exposition
from streams.instruments.health import Health

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

ANSWER_S = 10.0
"""Longest wait for a client that sends nothing, or does not read."""

_READ_ONLY = ("GET", "HEAD")


class Door:
    """
    The three pages: `/metrics`, `/healthz`, `/readyz`. A WSGI application.

    They tell names of topics, stages and agents, counts, times and spend; never a question, an answer or a key.
    """

    def __init__(self, exposition: Exposition, health: Health) -> None:
        self._exposition = exposition
        self._health = health

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        status, content_type, body = self._answer(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _answer(self, method: str, path: str) -> tuple[str, str, bytes]:
        if method not in _READ_ONLY:
            return "405 Method Not Allowed", "text/plain", b"only GET and HEAD\n"
        match path:
            case "/metrics":
                return "200 OK", CONTENT_TYPE, self._exposition.text()
            case "/healthz":
                alive = self._health.alive
                return _status(alive), *_json({"alive": alive})
            case "/readyz":
                because = self._health.unready()
                said = {"ready": not because, "because": because, "troubles": self._health.troubles()}
                return _status(not because), *_json(said)
        return "404 Not Found", "text/plain", b"/metrics, /healthz, /readyz\n"


def _status(good: bool) -> str:
    return "200 OK" if good else "503 Service Unavailable"


def _json(value: object) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode() + b"\n"


class _Server(ThreadingMixIn, WSGIServer):
    """A server that no slow client holds up, nor the end of the process."""

    daemon_threads = True

    def server_bind(self) -> None:
        # WSGIServer's own looks its name up, which may take seconds.
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Logs nothing: a scrape every few seconds is no news."""

    timeout = ANSWER_S

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@contextmanager
def listening(address: Address, door: Door) -> Iterator[Address]:
    """
    Serve the pages until the block ends.

    Yields:
        The address, with the port that was taken.

    Raises:
        OperatorError: The address cannot be used.
    """
    kind = _Server6 if ":" in address.host else _Server
    try:
        server = kind((address.host, address.port), _Handler)
    except OSError as error:
        raise OperatorError(
            f"--metrics {address}: cannot listen there: {error.strerror or error}",
            remedy="Choose another port, or an address of this machine",
        ) from error
    server.set_app(door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics", daemon=True)
    thread.start()
    try:
        yield Address(address.host, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
