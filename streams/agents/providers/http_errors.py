"""Table from HTTP status and transport failure to agent error."""

import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from schemas.analyses import ProviderCall
from streams.agents.agent import NO_DIAGNOSIS, AgentError, Diagnosis, Reply
from streams.agents.providers.completion import Completion, Request, read_json

MOST_BODY_BYTES = 8_000_000
"""Largest body that is read, in bytes: nine times the largest reply that fits into an event."""

MOST_WAIT_MS = 3_600_000
"""Longest wait a provider can ask for: an hour, as long as the longest wait between two attempts."""

_MOST_REPORTED_CHARACTERS = 200


class CallFailure(NamedTuple):
    """Class of a failed call, from which its error is raised."""

    error: str
    retriable: bool
    free: bool
    """Whether the call certainly cost nothing, because no model ran."""
    diagnosis: Diagnosis = NO_DIAGNOSIS

    def raised(self, retry_after_ms: int | None = None, *, spent: Reply | None = None) -> AgentError:
        """
        Make the error.

        Args:
            retry_after_ms: Wait that the provider asks for; ignored where trying again is no use.
            spent: Tokens that the provider counted; then the call was not free.
        """
        return AgentError(
            self.error,
            retriable=self.retriable,
            free=self.free and spent is None,
            retry_after_ms=retry_after_ms if self.retriable else None,
            spent=spent,
            diagnosis=self.diagnosis,
        )

    def showing(self, found: str) -> "CallFailure":
        """Add what the endpoint answered with."""
        return self._replace(diagnosis=self.diagnosis._replace(found=found))


UNREACHED = CallFailure("connection", retriable=True, free=True)
"""No connection: the request was not sent."""
CUT = CallFailure("connection", retriable=True, free=False)
"""The connection ended after the request had begun; the model may have run."""
MALFORMED = CallFailure("malformed", retriable=True, free=False)
UNPACKED = MALFORMED.showing("a body whose compression is unknown or broken")
STREAM = CallFailure("stream", retriable=False, free=False)
"""A stream, though none was asked for. The model has run, and would answer the next request in the same way."""
HTML_PAGE = CallFailure("html_page", retriable=True, free=False)
"""A page for people: of a login, a captive portal, a gateway, or of what listens at a wrong address."""
TOO_LONG = CallFailure("too_long", retriable=False, free=False)
NO_ADDRESS = CallFailure("not_found", retriable=False, free=True)

_NO_CREDIT = CallFailure("no_credit", retriable=False, free=True)
"""The account is empty: no wait helps."""
_BAD_REQUEST = CallFailure("bad_request", retriable=False, free=True)
SERVER_ERROR = CallFailure("server_error", retriable=True, free=False)

_BY_STATUS: Mapping[int, CallFailure] = {
    401: CallFailure("unauthorized", retriable=False, free=True),
    402: _NO_CREDIT,
    403: CallFailure("unauthorized", retriable=False, free=True),
    404: NO_ADDRESS,
    405: NO_ADDRESS,
    410: NO_ADDRESS,
    413: CallFailure("too_large", retriable=False, free=True),
    429: CallFailure("rate_limited", retriable=True, free=True),
    # These three refuse temporarily, and the request may have begun.
    408: SERVER_ERROR,
    409: SERVER_ERROR,
    425: SERVER_ERROR,
    # A gateway returns 503 also for a model that died during the call; only 529 always comes before the model runs.
    503: CallFailure("overloaded", retriable=True, free=False),
    529: CallFailure("overloaded", retriable=True, free=True),
}


_PARAMETERS = ("max_completion_tokens", "max_tokens", "response_format", "seed", "temperature")
"""Parameters of a request that an agent's settings decide."""


def refusal_of(status: int, headers: Mapping[str, str], body: bytes = b"", *, sent: Iterable[str] = ()) -> AgentError:
    """
    Map an HTTP status to an error.

    Args:
        status: HTTP status, not one from 200 to 299.
        headers: Looked up by lower-case names.
        body: Searched only for the code of an empty account, and for the names of *sent*; its text is not used, because
            it may quote a key.
        sent: Parameters of the request.
    """
    error = _error_of(body)
    failure = failure_of_status(status, (error.get("code"), error.get("type")))
    if failure is _BAD_REQUEST:
        failure = failure._replace(diagnosis=Diagnosis(parameter=_complained_of(body, error, sent)))
    return failure.raised(retry_after_ms(headers))


def failure_of_status(status: int, codes: Iterable[object] = ()) -> CallFailure:
    """
    Give the class of an HTTP status.

    Args:
        status: Not one from 200 to 299.
        codes: Error codes beside it. OpenAI's code of an empty account shares status 429 with the rate limit.
    """
    if status == 429 and "insufficient_quota" in codes:
        return _NO_CREDIT
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    # A redirect is not followed: the key must reach no address but the policy's.
    return NO_ADDRESS if status < 400 else _BAD_REQUEST if status < 500 else SERVER_ERROR


def _error_of(body: bytes) -> dict[str, Any]:
    fields = read_json(body)
    error = fields.get("error") if isinstance(fields, dict) else None
    return error if isinstance(error, dict) else {}


def _complained_of(body: bytes, error: Mapping[str, Any], sent: Iterable[str]) -> str:
    """Give the parameter that a refusal names in its field for it, else the first of those sent that it mentions."""
    if error.get("param") in _PARAMETERS:
        return str(error["param"])
    places = {name: re.search(rb"\b%b\b" % name.encode(), body) for name in _PARAMETERS if name in sent}
    named = [(place.start(), name) for name, place in places.items() if place is not None]
    return min(named)[1] if named else ""


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """
    Read the wait that a provider asks for: `retry-after-ms`, or `Retry-After` in seconds or as a date.

    Returns:
        From 0 to an hour; None if no header can be read.
    """
    wait_ms = _number(headers.get("retry-after-ms"))
    if wait_ms is None:
        after = headers.get("retry-after")
        seconds = _number(after)
        wait_ms = _until(after, headers.get("date")) if seconds is None else seconds * 1000
    # NaN fails the comparison and counts as None.
    return round(min(wait_ms, MOST_WAIT_MS)) if wait_ms is not None and wait_ms >= 0 else None


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _until(date: str | None, now: str | None) -> float | None:
    """Count the milliseconds until a date, by the provider's clock if it sends `Date`; 0 for a past date."""
    if date is None:
        return None
    try:
        at_s = parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
    try:
        now_s = time.time() if now is None else parsedate_to_datetime(now).timestamp()
    except (ValueError, OverflowError):
        now_s = time.time()
    return max(at_s - now_s, 0.0) * 1000


def useless(error: str, request: Request, completion: Completion) -> AgentError:
    """Build the retriable error of a completion without an answer, with its tokens and metadata."""
    return AgentError(error, retriable=True, spent=spent_on(request, completion))


def spent_on(request: Request, completion: Completion) -> Reply:
    """Give the tokens and metadata of a completion that is not used."""
    said = ProviderCall(
        model=request.model,
        request_hash=request.hash,
        reported_model=_cut(completion.reported_model),
        fingerprint=_cut(completion.fingerprint),
        finish_reason=_cut(completion.finish_reason),
    )
    return Reply("", input_tokens=completion.input_tokens, output_tokens=completion.output_tokens, provider=said)


def _cut(word: str | None) -> str | None:
    # Pydantic rejects lone surrogates.
    return None if word is None else word.encode("utf-8", "replace").decode()[:_MOST_REPORTED_CHARACTERS]
