"""Page of one question, its feedback and its receipt."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from streams.audit.explain.explanation import Explanation
from streams.errors import OrchError, UsageError
from streams.serve.pages.filters import question_path
from streams.serve.pages.forms import fields_of, first
from streams.serve.pages.frame import go_to, page, part
from streams.serve.pages.live.stream import HEARTBEAT_S, message
from streams.serve.pages.questions.parts import question_shown
from streams.serve.pages.questions.proof import proof_state, receipt
from streams.serve.pages.questions.statements import statements
from streams.serve.pages.site import Site, SitePage, site_of

AGAIN_S = 2
"""Seconds after which a page without scripts is loaded again while its question is open."""


async def question(request: Request) -> Response:
    """Show a question, what became of it, and why."""
    site, full = site_of(request), bool(request.query_params.get("full"))
    told = await site.explanations.of(_asked_for(request), fresh=bool(request.query_params.get("told")))
    shown = await _shown(site, told, full=full)
    return page(request, "questions/question.html", **shown, again=AGAIN_S, taken=request.query_params.get("told"))


async def _shown(site: Site, told: Explanation, *, full: bool = False) -> dict[str, Any]:
    """Give what the page of a question shows."""
    proof = await asyncio.to_thread(proof_state, site.work, told["question_id"], site.newest_checkpoint)
    return {
        "told": told,
        "shown": question_shown(told, full=full),
        "full": full,
        "proof": proof,
        "statements": statements(told),
        "is_open": told["decision"] is None,
        "permalink": question_path(told["question_id"]),
    }


async def live(request: Request) -> Response:
    """Send what the page of an open question shows, whenever it changes, until the question is decided."""
    texts = _texts(request, _asked_for(request))
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(texts, media_type="text/event-stream", headers=headers)


async def _texts(request: Request, question_id: str) -> AsyncIterator[bytes]:
    site = site_of(request)
    before, silent_s = b"", 0.0
    while not site.stopping.is_set():
        try:
            told = await site.explanations.of(question_id)
        except OrchError:
            return
        if told["decision"] is not None:
            shown = await _shown(site, told)
            yield message(part(request, "questions/decided.html", **shown, taken=None))
            yield b"event: decided\ndata:\n\n"
            return
        text = message(part(request, "questions/told.html", told=told, shown=question_shown(told, full=False)))
        pause = site.explanations.pause_s(question_id)
        silent_s += pause
        if text != before:
            before, silent_s = text, 0.0
            yield text
        elif silent_s > HEARTBEAT_S:
            silent_s = 0.0
            yield b": still here\n\n"
        await asyncio.sleep(pause)


async def feedback(request: Request) -> Response:
    """Take what a reader says of a decision, and go back to its page."""
    site, fields = site_of(request), await fields_of(request)
    question_id, said = first(fields, "id"), first(fields, "say")
    verdict = said if said in ("right", "wrong") else None
    answer = first(fields, "answer") if verdict is None else None
    await site.service.feedback(question_id, answer=answer, verdict=verdict, author=first(fields, "author") or None)
    return go_to(f"{question_path(question_id)}&told=yes#feedback")


async def retract(request: Request) -> Response:
    """Take a feedback back, and go back to its question, which shows it so."""
    site, fields = site_of(request), await fields_of(request)
    question_id = first(fields, "id")
    await site.service.retract(question_id, first(fields, "feedback"))
    return go_to(f"{question_path(question_id)}&told=back#feedback")


async def receipt_file(request: Request) -> Response:
    """Give the receipt of a decision as a file."""
    site, question_id = site_of(request), _asked_for(request)
    made = await asyncio.to_thread(receipt, site.work, question_id, site.newest_checkpoint)
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in question_id)[:80]
    return Response(
        orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n",
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="{name}.receipt.json"', "cache-control": "no-store"},
    )


def _asked_for(request: Request) -> str:
    question_id = request.query_params.get("id", "")
    if not question_id:
        raise UsageError("the address names no question", remedy="Choose one from the decisions")
    return question_id


PAGES = (
    SitePage("/q", question),
    SitePage("/q/live", live),
    SitePage("/q/feedback", feedback, method="POST"),
    SitePage("/q/retract", retract, method="POST"),
    SitePage("/q/receipt", receipt_file),
)
