"""Export of spans, in a thread that nobody waits for."""

import http.client
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import structlog
from structlog.typing import FilteringBoundLogger

from streams.instruments import otlp
from streams.instruments.otlp import Value

MOST = 8_192
"""Spans that may wait: those of two seconds at 800 questions a second, some 3 MB. Further ones are dropped."""

_MANY = MOST // 2
"""Spans at which an export begins before its time."""

BATCH = 2_048
"""Spans in one request: 0.7 MB, far below the limits of collectors, and half a millisecond of CPU."""

EVERY_S = 1.0
"""Time between two exports."""

TIMEOUT_S = 10.0
"""Longest wait for the collector, as in the specification of OTLP exporters."""

AGAIN_S = 30.0
"""Longest time between two tries while the collector does not take what is sent."""

CLOSE_S = 3.0
"""Time that the last spans get when the process ends."""

RETRIED = (429, 502, 503, 504)
"""Statuses after which the same request may succeed (OTLP/HTTP)."""

REMEDY = "Look at the collector and its address; spans that find no room until then are lost, and nothing else is"

_log: FilteringBoundLogger = structlog.get_logger("orch.traces")


class Collector(NamedTuple):
    """Where spans go."""

    url: str
    headers: Mapping[str, str]
    opener: urllib.request.OpenerDirector


class Refusal(Exception):
    """
    A request that the collector did not take.

    Attributes:
        final: Whether it would not take it later either.
    """

    def __init__(self, why: str, *, final: bool) -> None:
        super().__init__(why)
        self.final = final


class SpanExporter:
    """
    Takes spans into a bounded queue, and sends them in a thread of its own.

    An unreachable collector costs spans and one line in the log; it neither stops nor delays who puts.

    Args:
        collector: Where to send.
        resource: Attributes of the process.
        version: Version of the program.
    """

    def __init__(self, collector: Collector, resource: Mapping[str, Value], version: str) -> None:
        self._collector = collector
        self._resource = resource
        self._version = version
        self._queue: deque[bytes] = deque()
        self._wake = threading.Event()
        self._ended = False
        self._failing = False
        self.sent = 0
        """Spans that the collector took."""
        self.no_room = 0
        """Spans that were dropped because too many waited; counted where they are put."""
        self.refused = 0
        """Spans that the collector did not take; counted where they are sent."""
        self._thread = threading.Thread(target=self._run, name="orch-traces", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Count everything that never arrived."""
        return self.no_room + self.refused

    def put(self, span: bytes) -> None:
        """Take a span, or drop it if there is no room."""
        queue = self._queue
        waiting = len(queue)
        if waiting < MOST:
            queue.append(span)
            if waiting == _MANY:
                self._wake.set()
        else:
            self.no_room += 1

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        self._ended = True
        self._wake.set()
        self._thread.join(CLOSE_S)
        if self.lost or self._thread.is_alive():
            _log.warning("traces_lost", url=self._collector.url, sent=self.sent, lost=self.lost + len(self._queue))

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(EVERY_S)
            self._wake.clear()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while self._queue and self._export():
            pass

    def _export(self) -> bool:
        """Send one batch; return whether the next one may be tried at once."""
        spans = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        body, pause_s = otlp.request(self._resource, self._version, spans), EVERY_S
        while True:
            try:
                refused = self._post(body)
            except Refusal as refusal:
                self._tell(refusal)
                if refusal.final or self._ended:
                    self.refused += len(spans)
                    return not self._ended
                self._wake.wait(pause_s)
                if not self._ended:
                    self._wake.clear()
                pause_s = min(2 * pause_s, AGAIN_S)
                continue
            self.sent += len(spans) - refused
            self.refused += refused
            self._told_again()
            return True

    def _post(self, body: bytes) -> int:
        """
        Send one request; return how many of its spans the collector did not want.

        Raises:
            Refusal: It was not taken.
        """
        request = urllib.request.Request(self._collector.url, body, dict(self._collector.headers), method="POST")
        try:
            with self._collector.opener.open(request, timeout=CLOSE_S if self._ended else TIMEOUT_S) as reply:
                return otlp.rejected(reply.read())
        except urllib.error.HTTPError as error:
            with suppress(OSError):
                error.close()
            raise Refusal(f"HTTP {error.code}", final=error.code not in RETRIED) from error
        except urllib.error.URLError as error:
            raise Refusal(str(error.reason), final=False) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Refusal(str(error) or type(error).__name__, final=False) from error

    def _tell(self, refusal: Refusal) -> None:
        if not self._failing:
            self._failing = True
            _log.warning("traces_not_sent", url=self._collector.url, why=str(refusal), remedy=REMEDY)

    def _told_again(self) -> None:
        if self._failing:
            self._failing = False
            _log.info("traces_sent_again", url=self._collector.url, sent=self.sent, lost=self.lost)
