"""
The HTTP interface of the recorded-model server.

It reads requests, has them answered, and sends each answer in the way its fault demands.
"""

import asyncio
import math
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from aiohttp import web

from infra.models.asked import CompletionRequest, read_asked
from infra.models.behaviour import Behaviour
from infra.models.bodies import ERROR_IN_200, HTML_PAGE, MALFORMED, MALFORMED_STREAM, Envelope, models_body
from infra.models.completion import PlayedCompletion, complete, disfigure, spoil, tokens
from infra.models.counts import Counts
from infra.models.library import Library, LibraryQuestion
from infra.models.matching import QuestionIndex
from infra.models.refusals import ApiError, injected, invalid
from infra.models.replies import reply_to

_LARGEST_BODY_BYTES = 64 << 20
"""Room for prompts that hold several very long analyses."""

_DRIPS_PER_S = 20

_TYPES: Mapping[str | None, str] = {"streamed": "text/event-stream", "html-page": "text/html"}
"""Content type of a whole body by its fault, if it is not JSON."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ModelApp:
    """
    State of one server: library, behaviour and counts.

    Attributes:
        behaviour: May be changed while it serves; requests that come later go by it.
        next_faults: By model, faults of its next requests, before those of the plan. Other threads may add to them.
    """

    def __init__(self, library: Library, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.counts = Counts()
        self.next_faults: defaultdict[str, deque[str]] = defaultdict(deque)
        self._library = library
        self._index = QuestionIndex(library.questions.values())
        self._asked: Counter[tuple[str, str, str]] = Counter()

    def application(self) -> web.Application:
        """Give the aiohttp application."""
        app = web.Application(middlewares=[self._refusals], client_max_size=_LARGEST_BODY_BYTES)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/stats", self._stats)
        return app

    @web.middleware
    async def _refusals(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Send refusals, those of the library included, in OpenAI's form."""
        try:
            return await handler(request)
        except ApiError as error:
            refusal = error
        except web.HTTPError as error:
            refusal = ApiError(error.status, error.reason.lower().replace(" ", "_"), f"{request.path}: {error.reason}")
        self.counts.error(refusal.code)
        return web.Response(
            status=refusal.status, body=refusal.body, content_type="application/json", headers=refusal.headers
        )

    async def _models(self, request: web.Request) -> web.Response:
        self._key(request)
        return web.json_response(models_body(self._library.models))

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response(self.counts.as_json())

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        with self.counts.in_flight():
            key = self._key(request)
            body = await request.read()
            asked = read_asked(body)
            question = self._question(asked)
            role = asked.prompt.role
            reply = reply_to(asked.model, question, asked.prompt, self._library, obey=self.behaviour.obey)
            n = self._count(asked, question)
            fault = self._fault(asked, question, n)
            self.counts.asked(asked.model, role, fault)
            await asyncio.sleep(self.behaviour.delay_s(asked.model, question.question_id, role, n))
            error = injected(fault, self.behaviour, key)
            if error is not None:
                raise error
            completion = complete(spoil(fault, reply, question, key), role, structured=asked.structured)
            completion = disfigure(fault, completion, structured=asked.structured)
            name = asked.model + self.behaviour.model_suffix
            envelope = Envelope(body, name, tokens(asked.prompt.text), asked.most_tokens)
            pieces = _pieces(envelope, completion, asked, fault)
            response = await self._send(request, pieces, asked, fault)
            if request.transport is not None and not request.transport.is_closing():
                self.counts.sent(completion.tokens)
            return response

    def _key(self, request: web.Request) -> str:
        """Give the caller's key, after a check that it is the right one."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else ""
        if self.behaviour.key is not None and key != self.behaviour.key:
            raise ApiError(401, "invalid_api_key", "Incorrect API key provided.")
        return key

    def _question(self, asked: CompletionRequest) -> LibraryQuestion:
        if asked.model not in self._library.models:
            raise ApiError(404, "model_not_found", f"The model {asked.model!r} does not exist", param="model")
        question = self._index.find(asked.prompt)
        if question is None:
            raise invalid("The messages hold no question known here", "messages", "question_not_found")
        return question

    def _count(self, asked: CompletionRequest, question: LibraryQuestion) -> int:
        case = (asked.model, question.question_id, asked.prompt.role)
        self._asked[case] += 1
        return self._asked[case]

    def _fault(self, asked: CompletionRequest, question: LibraryQuestion, n: int) -> str | None:
        waiting = self.next_faults[asked.model]
        if waiting:
            return waiting.popleft()
        return self.behaviour.plan.fault(asked.model, question.question_id, asked.prompt.role, n)

    async def _send(
        self, request: web.Request, pieces: Sequence[bytes], asked: CompletionRequest, fault: str | None
    ) -> web.StreamResponse:
        if fault == "hang":
            # Ended from outside: the connection is lost, or the server stops.
            await asyncio.Event().wait()
        if not asked.stream and fault not in ("slow-drip", "cut"):
            # Head and body go out in one packet.
            return web.Response(body=b"".join(pieces), content_type=_TYPES.get(fault, "application/json"))
        response = web.StreamResponse()
        response.content_type = "text/event-stream" if asked.stream else "application/json"
        if not asked.stream:
            response.content_length = sum(map(len, pieces))
        # The client has disconnected; there is no response to send.
        with suppress(ConnectionError):
            await response.prepare(request)
            if fault == "slow-drip":
                await _drip(response, b"".join(pieces), self.behaviour.drip_s)
            elif fault == "cut":
                body = b"".join(pieces)
                await response.write(body[: len(body) // 2])
                if request.transport is not None:
                    request.transport.abort()
            else:
                for piece in pieces:
                    await response.write(piece)
        return response


def _pieces(
    envelope: Envelope, completion: PlayedCompletion, asked: CompletionRequest, fault: str | None
) -> Sequence[bytes]:
    if fault in ("error-200", "html-page"):
        return [ERROR_IN_200 if fault == "error-200" else HTML_PAGE]
    if fault == "malformed":
        return MALFORMED_STREAM if asked.stream else [MALFORMED]
    return (
        envelope.events(completion, usage=asked.usage)
        if asked.stream or fault == "streamed"
        else [envelope.body(completion)]
    )


async def _drip(response: web.StreamResponse, body: bytes, seconds: float) -> None:
    drips = max(1, min(len(body), math.ceil(seconds * _DRIPS_PER_S)))
    for drip in _split(body, drips):
        await asyncio.sleep(seconds / drips)
        await response.write(drip)


def _split(body: bytes, parts: int) -> Iterator[bytes]:
    size = -(-len(body) // parts)
    return (body[start : start + size] for start in range(0, len(body), size))
