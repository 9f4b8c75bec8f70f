"""Probes and metrics of a server, beside what it serves."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.app.metrics import Instruments
from streams.instruments import names
from streams.instruments.meters import Meters
from streams.serve.problems import Problem
from streams.serve.replies import PLAIN, json_response
from streams.serve.service import Service


class Probes:
    """
    Answers `/healthz`, `/readyz` and `/metrics`.

    Args:
        service: The log.
        instruments: Meters and judgement of the process; None: nothing is counted.
    """

    def __init__(self, service: Service, instruments: Instruments | None) -> None:
        self._service = service
        self._instruments = instruments
        if instruments is not None:
            instruments.health.require(service.unready)
            instruments.meters.read(names.CALLERS, lambda: [((), service.waiting)])
            instruments.meters.read(names.STREAMS, lambda: [((), service.streams.open)])
            instruments.meters.read(names.BEHIND, lambda: [((), service.streams.behind)])
            instruments.meters.read(names.STALLED, lambda: [((), service.streams.stalled)])

    async def alive(self, _request: Request) -> Response:
        """Say whether the process is alive; that it answers is all there is without metrics."""
        alive = self._instruments is None or self._instruments.health.alive
        return json_response({"alive": alive}, 200 if alive else 503)

    async def ready(self, _request: Request) -> Response:
        """Say whether questions are taken, and make progress."""
        health = None if self._instruments is None else self._instruments.health
        because = self._service.unready() if health is None else health.unready()
        troubles = [] if health is None else health.troubles()
        body = {"ready": not because, "because": because, "troubles": troubles}
        return json_response(body, 503 if because else 200)

    async def metrics(self, _request: Request) -> Response:
        """Give the metrics as Prometheus' text."""
        if self._instruments is None:
            raise Problem(404, "nothing is counted", remedy="Start it with --metrics HOST:PORT, which serves them too")
        from streams.instruments.exposition import CONTENT_TYPE, Exposition

        return Response(Exposition(self._instruments.meters).text(), headers={**PLAIN, "Content-Type": CONTENT_TYPE})

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/healthz", self.alive),
            Route("/readyz", self.ready),
            Route("/metrics", self.metrics),
        ]


class RequestCounter:
    """
    Counts requests by route and status; an ASGI application around another.

    Args:
        app: Answers them.
        routes: Routes by which they are counted; all others count as one.
        meters: Get the counts.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[Route], meters: Meters) -> None:
        self._app = app
        self._paths: dict[object, str] = {route.endpoint: route.path for route in routes}
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The router notes in the scope what it has chosen.
                path = self._paths.get(scope.get("endpoint"), "other")
                self._meters.add(names.REQUESTS, (path, str(message["status"])))
            await send(message)

        await self._app(scope, receive, noted)
