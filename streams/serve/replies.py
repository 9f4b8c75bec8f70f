"""Responses with JSON."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from schemas.event import Event

PLAIN = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of every response with data: no cache keeps it, and no browser takes it for anything else."""


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with plain values."""
    return Response(orjson.dumps(value), status, {**PLAIN, **(headers or {})}, "application/json")


def event_response(event: Event, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with an event, in the bytes that its id hashes."""
    return Response(event.encode(), status, {**PLAIN, **(headers or {})}, "application/json")
