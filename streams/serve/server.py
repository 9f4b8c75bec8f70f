"""Process of a server, from its socket to its end."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp

from streams.app.metrics import NOT_COUNTED, Counted
from streams.app.workspace import Workspace
from streams.errors import OperatorError
from streams.instruments.address import Address
from streams.serve.app import NO_PAGES, Pages, create_app
from streams.serve.event_stream import STALLED_S
from streams.serve.service import Service

GRACE_S = 5
"""Time in which a response that was begun may end after a stop; those that wait are answered at once."""

SEND_BUFFER_BYTES = 256 * 1024
"""What the kernel holds for each client that reads slowly; by itself it would take up to 4 MB."""

BACKLOG = 2_048
IDLE_S = 30
"""Time after which a connection without a request is closed."""


def no_pages(_service: Service) -> Pages:
    """Give no routes besides those for programs."""
    return NO_PAGES


@dataclass(frozen=True, slots=True)
class ServeSpec:
    """What is served, and to whom."""

    work: Workspace
    address: Address
    names: Collection[str] = ()
    """Names by which clients may call the server, besides `localhost` and IP addresses."""
    token: SecretStr | None = None
    counted: Counted = NOT_COUNTED
    tell: Callable[[str], None] | None = None
    pages: Callable[[Service], Pages] = no_pages
    """Gives the pages, if there are to be any."""
    lenient: bool = False
    """Whether a log that cannot be written to is served read-only, as of `Service`."""


class _PlainServer(uvicorn.Server):
    """A server that leaves signals to others."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve_until_told(spec: ServeSpec, started: Callable[[str], None], stopping: Callable[[], None]) -> None:
    """
    Serve a log until SIGINT or SIGTERM; a second signal does not wait for anybody.

    Args:
        spec: What is served.
        started: Told the URL once questions are taken.
        stopping: Called at the first signal.

    Raises:
        UsageError: A setting is wrong, or there are no agents.
        OperatorError: The address or the log cannot be used.
    """

    def heed(running: Running) -> None:
        running.heed_signals(stopping)
        started(running.url)

    with listening_socket(spec.address) as taken:
        asyncio.run(serve(spec, taken, heed))


@contextlib.contextmanager
def listening_socket(address: Address) -> Iterator[socket.socket]:
    """
    Listen until the block ends.

    Raises:
        OperatorError: The address cannot be used.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.create_server(place[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise OperatorError(
            f"cannot listen on {address}: {error.strerror or error}",
            remedy="Choose another port (--port 0 takes any free one), or an address of this machine",
        ) from error
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    # asyncio sets it only where a socket names its protocol; else the body of a response waits 40 ms for the client's
    # acknowledgement of its head.
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # The kernel drops a client that reads nothing, with what was written for it.
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_S * 1000))
    with taken:
        yield taken


async def serve(spec: ServeSpec, taken: socket.socket, ready: "Callable[[Running], None]") -> None:
    """
    Serve a log until told to stop.

    Args:
        spec: What is served.
        taken: A socket that listens.
        ready: Gets the running server once questions are taken.

    Raises:
        UsageError: A setting is wrong, or there are no agents.
        OperatorError: The log cannot be used.
    """
    url = f"http://{Address(spec.address.host, taken.getsockname()[1])}"
    spec.work.served_at = url
    service = Service(spec.work, counted=spec.counted, tell=spec.tell, lenient=spec.lenient)
    instruments = spec.counted.instruments
    looking = None
    try:
        await service.open()
        if spec.lenient and service.read_only is not None and spec.tell is not None:
            spec.tell(f"Read only: {service.read_only}")
        if instruments is not None and service.kind != "sqlite":
            # On a file the session looks, for it does the work.
            looking = asyncio.create_task(instruments.health.keep_looking())
        app = create_app(
            service,
            names=(*spec.names, spec.address.host),
            token=spec.token,
            pages=spec.pages(service),
            instruments=instruments,
        )
        running = Running(url, _PlainServer(_settings(app)), service)
        ready(running)
        await running.server.serve(sockets=[taken])
    finally:
        await service.close()
        if looking is not None:
            looking.cancel()


def _settings(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


class Running:
    """A server that runs."""

    def __init__(self, url: str, server: uvicorn.Server, service: Service) -> None:
        self.url = url
        self.server = server
        self.service = service

    def stop(self) -> None:
        """Answer who waits, end all streams and then the server; called again, wait for nobody."""
        if self.server.should_exit:
            self.server.force_exit = True
            return
        self.service.stop()
        self.server.should_exit = True

    def heed_signals(self, stopping: Callable[[], None]) -> None:
        """Stop at SIGINT and SIGTERM, and call *stopping* at the first of them."""

        def stop() -> None:
            if not self.server.should_exit:
                stopping()
            self.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
