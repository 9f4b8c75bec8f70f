"""Errors that a provider reports in a successful response."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from streams.agents.providers.http_errors import SERVER_ERROR, CallFailure, failure_of_status, retry_after_ms

_STATUS_OF: Mapping[str, int] = {
    # Codes of OpenAI, Azure, Anthropic, Google, Mistral, OpenRouter, DeepSeek, vLLM: letters and digits alone.
    "badrequest": 400,
    "badrequesterror": 400,
    "contentfilter": 400,
    "contentpolicyviolation": 400,
    "contextlengthexceeded": 400,
    "failedprecondition": 400,
    "invalidargument": 400,
    "invalidrequest": 400,
    "invalidrequesterror": 400,
    "unsupportedparameter": 400,
    "unsupportedvalue": 400,
    "accountdeactivated": 401,
    "authenticationerror": 401,
    "invalidapikey": 401,
    "invalidauthentication": 401,
    "unauthenticated": 401,
    "unauthorized": 401,
    "accessdenied": 403,
    "forbidden": 403,
    "permissiondenied": 403,
    "permissionerror": 403,
    "billingerror": 402,
    "billinghardlimitreached": 402,
    "billingnotactive": 402,
    "insufficientbalance": 402,
    "insufficientcredits": 402,
    "insufficientquota": 402,
    "paymentrequired": 402,
    "deploymentnotfound": 404,
    "modelnotfound": 404,
    "notfound": 404,
    "notfounderror": 404,
    "requesttoolarge": 413,
    "ratelimited": 429,
    "ratelimiterror": 429,
    "ratelimitexceeded": 429,
    "resourceexhausted": 429,
    "toomanyrequests": 429,
    "apierror": 500,
    "internal": 500,
    "internalerror": 500,
    "internalservererror": 500,
    "servererror": 500,
    "badgateway": 502,
    "engineoverloaded": 503,
    "overloaded": 503,
    "serviceunavailable": 503,
    "unavailable": 503,
    "deadlineexceeded": 504,
    "gatewaytimeout": 504,
    "timeout": 504,
    "timeouterror": 504,
    "overloadederror": 529,
}
"""HTTP status that an error code stands for; the status then decides the class."""

_REASONS: Mapping[str, int] = {
    "abort": 500,
    "aborted": 500,
    "cancelled": 500,
    "error": 500,
    "failed": 500,
    # DeepSeek's word for an inference that its overloaded system broke off.
    "insufficient_system_resource": 503,
}
"""Finish reasons of a generation that failed, and the HTTP status they stand for."""

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_NUMBER = re.compile(r"[45][0-9]{2}")
_CODE_FIELDS = ("code", "status", "status_code", "http_status", "type")


class ReportedFailure(NamedTuple):
    """A failure that a body reports."""

    failure: CallFailure
    retry_after_ms: int | None = None
    """Wait that the error itself asks for, beside the response's headers."""


def reported_in(fields: Any) -> ReportedFailure | None:
    """
    Find the failure that a body reports: an error at its top or in its first choice, or a finish reason.

    A code, as a number or as a word, has the class of the HTTP status it stands for. An error without a known code, or
    in words alone, is `server_error`: the provider says that it failed, and not that the next try would. Some providers
    add an empty error to every completion; it reports nothing.

    Args:
        fields: The parsed body; Google wraps its errors in a list.
    """
    if isinstance(fields, list) and len(fields) == 1:
        fields = fields[0]
    if not isinstance(fields, dict):
        return None
    choice = first_choice(fields)
    for error in (fields.get("error"), choice.get("error"), fields if fields.get("object") == "error" else None):
        if any(error.values()) if isinstance(error, dict) else error:
            return ReportedFailure(_failure_of(error), _wait_of(error))
    reason = choice.get("finish_reason")
    status = _REASONS.get(reason.lower()) if isinstance(reason, str) else None
    return None if status is None else ReportedFailure(failure_of_status(status))


def first_choice(fields: Any) -> dict[str, Any]:
    """Give the first choice of a parsed body; empty if it has none."""
    choices = fields.get("choices") if isinstance(fields, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else {}


def _failure_of(error: Any) -> CallFailure:
    if not isinstance(error, dict):
        return SERVER_ERROR
    codes = tuple(error.get(name) for name in _CODE_FIELDS)
    for code in codes:
        status = _status_of(code)
        if status is not None:
            return failure_of_status(status, codes)
    return SERVER_ERROR


def _status_of(code: object) -> int | None:
    if type(code) is int or isinstance(code, str):
        if _NUMBER.fullmatch(str(code)):
            return int(code)
        if isinstance(code, str) and _CODE.fullmatch(code):
            return _STATUS_OF.get(re.sub("[_.-]", "", code.lower()))
    return None


def _wait_of(error: Any) -> int | None:
    """Read the wait in the headers that a gateway quotes from the provider behind it."""
    metadata = error.get("metadata") if isinstance(error, dict) else None
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    if not isinstance(headers, dict):
        return None
    return retry_after_ms({name.lower(): str(value) for name, value in headers.items()})
