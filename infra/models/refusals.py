"""Error responses in OpenAI's form."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from infra.models.behaviour import Behaviour

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
"""Error type by status; any other status is an invalid request."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class ApiError(Exception):
    """
    An answer with a status of 400 or more.

    Args:
        status: HTTP status.
        code: Error code for programs.
        message: Text for people.
        param: The wrong field of the request.
        headers: Headers of the response.
    """

    def __init__(
        self, status: int, code: str, message: str, *, param: str | None = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers
        self._param = param

    @property
    def body(self) -> bytes:
        """The JSON that is sent."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        return json.dumps(
            {"error": {"message": str(self), "type": kind, "code": self.code, "param": self._param}}
        ).encode()


def invalid(message: str, param: str | None = None, code: str = "invalid_request") -> ApiError:
    """Make the error of an invalid request."""
    return ApiError(400, code, message, param=param)


def injected(fault: str | None, behaviour: Behaviour, key: str) -> ApiError | None:
    """Give the error of a fault; None if the fault is no error."""
    match fault:
        case "rate-limit":
            wait = {"Retry-After": str(behaviour.retry_after_s)}
            return ApiError(429, "rate_limit_exceeded", "Rate limit reached. Please try again later.", headers=wait)
        case "no-credit":
            return ApiError(429, "insufficient_quota", "You exceeded your current quota. Please check your billing.")
        case "server-error":
            return ApiError(500, "server_error", "The server had an error while processing your request.")
        case "overloaded":
            return ApiError(503, "overloaded", "The engine is currently overloaded. Please try again later.")
        case "unauthorized":
            return ApiError(401, "invalid_api_key", f"Incorrect API key provided: {key}.")
    return None
