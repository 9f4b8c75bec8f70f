"""The running server, within a block or on a thread."""

import asyncio
import resource
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from infra.models.app import ModelApp
from infra.models.behaviour import Behaviour
from infra.models.faults import check_fault
from infra.models.library import Library, Rows
from streams.errors import OperatorError

HOST = "127.0.0.1"

_BACKLOG = 8_192
"""Length of the accept queue; a benchmark opens thousands of connections at once. The system may allow fewer."""

_STOP_S = 0.05
"""Time that responses in progress get when the server stops, before they are cut off."""


@asynccontextmanager
async def serving(app: ModelApp, host: str = HOST, port: int = 0) -> AsyncIterator[str]:
    """
    Serve as long as the block runs.

    Args:
        app: What to serve.
        host: Address to listen on.
        port: 0 takes a free one.

    Returns:
        Base URL for clients, `http://HOST:PORT/v1`.

    Raises:
        OperatorError: The address cannot be listened on.
    """
    _allow_many_connections()
    # Cancellation is what ends a request whose client went away.
    runner = web.AppRunner(app.application(), access_log=None, handler_cancellation=True, shutdown_timeout=_STOP_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        except OSError as error:
            raise OperatorError(f"Cannot listen on {host}:{port}: {error}", remedy="Take another port, or 0") from error
        bound = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}/v1"
    finally:
        await runner.cleanup()


def _allow_many_connections() -> None:
    """Raise this process's limit of open files to the hard limit; each connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems name a hard limit that they do not grant.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class ModelServer:
    """
    A server on a thread of this process, for the duration of a `with` block.

    Args:
        questions: A file, or dicts; see `Library`.
        outputs: The same.
        behaviour: Latency, faults, key and so on.
        port: On 127.0.0.1; 0 takes a free one.

    Raises:
        UsageError: Questions or outputs cannot be used.
    """

    def __init__(self, questions: Rows, outputs: Rows, behaviour: Behaviour | None = None, *, port: int = 0) -> None:
        behaviour = behaviour or Behaviour()
        self._app = ModelApp(Library(questions, outputs, behaviour.models), behaviour)
        self._port = port
        self._url = ""
        self._failure: Exception | None = None
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        """Base URL for clients, `http://127.0.0.1:PORT/v1`."""
        return self._url

    @property
    def behaviour(self) -> Behaviour:
        """Behaviour from the next request on; the models are fixed at the start."""
        return self._app.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._app.behaviour = behaviour

    def fail_next(self, model: str, *faults: str) -> None:
        """
        Let the next requests of a model get these faults, whatever they ask.

        Raises:
            UsageError: There is no such fault.
        """
        for fault in faults:
            check_fault(fault)
        self._app.next_faults[model].extend(faults)

    def stats(self) -> dict[str, Any]:
        """Give the counts, as `GET /stats` does; also after the end."""
        return self._app.counts.as_json()

    def start(self) -> None:
        """
        Start it and wait until it listens.

        Raises:
            OperatorError: The port cannot be listened on.
        """
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        """Cut off responses in progress and end the thread; nothing happens if it has ended."""
        if self._loop is not None:
            # The loop may have closed by itself at this moment.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            async with serving(self._app, port=self._port) as self._url:
                self._ready.set()
                await self._stop.wait()
        except Exception as error:
            self._failure = error
        finally:
            self._ready.set()
