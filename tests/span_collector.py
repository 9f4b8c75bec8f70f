"""A collector of OpenTelemetry traces on loopback."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class SentSpan(NamedTuple):
    """A span as it came."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, Any]
    links: tuple[tuple[str, str], ...]
    failed: bool
    resource: Mapping[str, Any]


class Collector:
    """
    Takes traces over HTTP, decodes them with OpenTelemetry's own messages, and keeps them.

    Attributes:
        answers: Statuses of the next requests; 200 when there are none left.
        rejects: Spans that it says it did not want, of each request that it takes.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[bytes] = []
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.answers: list[int] = []
        self.rejects = 0
        self.held: threading.Event | None = None
        """While it is there and not set, requests wait for it."""

    @property
    def spans(self) -> list[SentSpan]:
        """Give all spans that were taken."""
        return [span for body in self.bodies for span in decoded(body)]

    def named(self, name: str) -> list[SentSpan]:
        """Give the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Take a request; give status and body of the answer."""
        self.requests.append((path, headers))
        if self.held is not None:
            self.held.wait(30)
        status = self.answers.pop(0) if self.answers else 200
        if status != 200:
            return status, b""
        self.bodies.append(body)
        reply = ExportTraceServiceResponse()
        if self.rejects:
            reply.partial_success.rejected_spans = self.rejects
        return 200, reply.SerializeToString()


def decoded(body: bytes) -> Iterator[SentSpan]:
    """Decode the body of a request."""
    for process in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _values(process.resource.attributes)
        for scope in process.scope_spans:
            for span in scope.spans:
                yield SentSpan(
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _values(span.attributes),
                    tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    span.status.code == 2,
                    resource,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(held: Any) -> Any:
    kind = held.WhichOneof("value")
    return [_value(one) for one in held.array_value.values] if kind == "array_value" else getattr(held, kind)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, reply = collector.take(self.path, dict(self.headers), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    try:
        yield collector
    finally:
        if collector.held is not None:
            collector.held.set()
        server.shutdown()
        serving.join()
        server.server_close()
