"""Routes that write: questions and feedback."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from schemas.canonical import canonical_json, strict_json
from schemas.event import MAX_EVENT_BYTES, Fact
from schemas.policies import FeedbackSource
from schemas.quantities import EventId, Name
from schemas.questions import LETTERS, AnswerType
from schemas.registry import describe
from streams.errors import UsageError
from streams.instruments.trace_context import TRACE_HEADER
from streams.serve.problems import Problem
from streams.serve.replies import event_response, json_response
from streams.serve.service import Service

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

DEFAULT_WAIT_S = 30.0
"""Wait for a decision of a client that names none: below the 60 s after which most proxies give up."""

MOST_WAIT_S = 300.0

MOST_DISCARDED_BYTES = 8 * MAX_EVENT_BYTES
"""Size up to which a request that is too large is read to its end: most clients read no answer while they send."""

GIVEN = "feedback.given.v1"
RETRACTED = "feedback.retracted.v1"

_CLOSE = {"Connection": "close"}

BODY_S = 30.0
"""Longest time that a client may take to send its request."""


class QuestionPosted(Fact):
    """A question as it is sent: what `question.asked.v1` says, without what the log adds."""

    question_id: Name | None = None
    """Chosen by the client, so that it can send the question again; else it follows from the content."""
    text: Annotated[str, StringConstraints(min_length=1)]
    options: Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(max_length=len(LETTERS))] = ()
    """Answers to choose from: 2 to 26 for a choice, none for a number."""
    answer_type: AnswerType = "choice"
    subject: Name | None = None
    """Scope in which the router learns, besides the global scope."""


class FeedbackPosted(Fact):
    """Feedback as it is sent: the right answer, or a verdict on the decision."""

    kind: Literal["feedback.given.v1"] = "feedback.given.v1"
    question_id: Name
    source: FeedbackSource = "human"
    author: Name | None = None
    """Author, where several people or systems of one source give feedback."""
    answer: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """The right answer: the letter or the text of an option, or a number as text."""
    verdict: Literal["right", "wrong"] | None = None


class RetractionPosted(Fact):
    """A retraction as it is sent, which the kind tells from feedback, as in a feedback file."""

    kind: Literal["feedback.retracted.v1"]
    question_id: Name
    feedback_id: EventId
    """Event id of the feedback that is taken back, which the response to it holds."""


async def ask(service: Service, request: Request) -> Response:
    """Answer `POST /v1/questions`: the decision, or where it will be."""
    wait_s = wait_of(request, DEFAULT_WAIT_S)
    given = _read_as(QuestionPosted, await _posted(request))
    asked = await while_there(
        request,
        service.ask(
            given.text,
            given.options,
            number=given.answer_type == "number",
            subject=given.subject,
            question_id=given.question_id,
            wait_s=wait_s,
            traceparent=trace_of(request),
        ),
    )
    question_id = asked.question.question_id
    if asked.decision is None:
        return still_open(question_id)
    return event_response(asked.decision, headers={"Location": path_of(question_id)})


async def give_feedback(service: Service, request: Request) -> Response:
    """Answer `POST /v1/feedback` with the event: feedback, or by its kind a retraction."""
    fields = await _posted(request)
    kind = fields.get("kind", GIVEN)
    if kind not in (GIVEN, RETRACTED):
        raise UsageError(f"kind: {kind!r} is no kind of feedback", remedy=f"Give {GIVEN}, or {RETRACTED}, or none")
    if kind == RETRACTED:
        taken_back = _read_as(RetractionPosted, fields)
        return event_response(await service.retract(taken_back.question_id, taken_back.feedback_id), 201)
    given = _read_as(FeedbackPosted, fields)
    event = await service.feedback(
        given.question_id, answer=given.answer, verdict=given.verdict, source=given.source, author=given.author
    )
    return event_response(event, 201)


def still_open(question_id: str) -> Response:
    """Say that a question has no decision yet, and where it will be."""
    path = path_of(question_id)
    headers = {"Location": path, "Retry-After": "1"}
    return json_response({"question_id": question_id, "status": "open", "decision": path}, 202, headers)


def path_of(question_id: str) -> str:
    """Give the path of a question's decision."""
    return f"/v1/decisions/{quote(question_id, safe='')}"


def trace_of(request: Request) -> str | None:
    """Give the trace that a request came with; several of them are none."""
    given = request.headers.getlist(TRACE_HEADER)
    return given[0] if len(given) == 1 else None


def wait_of(request: Request, default: float) -> float:
    """
    Read `?wait=SECONDS`.

    Raises:
        Problem: It is no number of seconds within the limit.
    """
    text = request.query_params.get("wait")
    if text is None:
        return default
    try:
        # Not float(): it reads "nan", "1_0" and digits of any script.
        seconds = int(text) if text.isascii() and text.isdecimal() else -1
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MOST_WAIT_S:
        raise Problem(422, f"wait={text!r} is no wait", remedy=f"Give whole seconds from 0 to {MOST_WAIT_S:.0f}")
    return float(seconds)


async def while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """
    Do something as long as the client is there; its request was read.

    Raises:
        Problem: The client left.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Problem(400, "the client left")
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _posted(request: Request) -> dict[str, Any]:
    """
    Read the JSON object that a request holds.

    Raises:
        Problem: It is none, too large, too slow, or not marked as JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(
            415, f"the request holds {kind or 'no media type'!r}", remedy="Send Content-Type: application/json"
        )
    try:
        return strict_json(await _body(request))
    except ValueError as error:
        raise Problem(400, f"the request cannot be read: {error}", remedy="Send one JSON object") from error


def _read_as(model: type[M], fields: dict[str, Any]) -> M:
    """
    Read the fields of a request.

    Raises:
        UsageError: A field is wrong.
    """
    try:
        # Lists become tuples only in pydantic's JSON mode.
        return model.model_validate_json(canonical_json(fields))
    except ValidationError as error:
        names = ", ".join(model.model_fields)
        raise UsageError(describe(error), remedy=f"Fields are {names}") from error


async def _body(request: Request) -> bytes:
    body, length = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                length += len(part)
                if length <= MAX_EVENT_BYTES:
                    body += part
                elif length > MOST_DISCARDED_BYTES:
                    break
    except TimeoutError:
        raise Problem(408, f"the request did not arrive within {BODY_S:.0f} s", headers=_CLOSE) from None
    if length > MAX_EVENT_BYTES:
        raise Problem(
            413, f"the request is larger than {MAX_EVENT_BYTES:,} bytes", remedy="Shorten the text", headers=_CLOSE
        )
    return bytes(body)
