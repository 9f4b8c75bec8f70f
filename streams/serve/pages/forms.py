"""Forms: their fields, and the mark that makes them ours."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

from starlette.requests import Request

from streams.errors import UsageError
from streams.serve.pages.site import site_of

COOKIE = "orch_form"
"""A random value that a browser keeps; the mark in its forms is a keyed hash of it."""

FIELD = "mark"
LARGEST = 1_000_000
"""Bytes of a form; a question may be long."""

MOST_DISCARDED = 8 * LARGEST
"""Bytes up to which a larger form is read to its end: browsers read no answer while they send."""

MOST_FIELDS = 200


class ForeignFormError(UsageError):
    """A form that no page of ours was the source of, or one that outlived its server."""


def mark_of(request: Request) -> tuple[str, str | None]:
    """Give the mark for the forms of a page, and the value of the cookie that it needs, if the browser has none."""
    held = request.cookies.get(COOKIE)
    if not held and not hasattr(request.state, "form_value"):
        request.state.form_value = secrets.token_urlsafe(24)
    value = held or str(request.state.form_value)
    return _mark(request, value), None if held else value


def _mark(request: Request, value: str) -> str:
    return hmac.new(site_of(request).form_key, value.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def cookie(name: str, value: str, *, seconds: int | None = None, secure: bool = False) -> str:
    """Write a cookie that scripts cannot read and other sites cannot use."""
    jar = SimpleCookie({name: value})
    traits: dict[str, object] = {"path": "/", "httponly": True, "samesite": "Strict"}
    if seconds is not None:
        traits["max-age"] = seconds
    if secure:
        traits["secure"] = True
    for trait, chosen in traits.items():
        jar[name][trait] = chosen
    return jar.output(header="").strip()


class LargeFormError(UsageError):
    """A form with more than any page takes."""


async def fields_of(request: Request) -> Mapping[str, list[str]]:
    """
    Read the fields of a form that was sent from one of our pages.

    Raises:
        ForeignFormError: It comes from elsewhere.
        LargeFormError: It is too large.
        UsageError: It is no form.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForeignFormError("the form was sent by another site", remedy="Open the page here, and send it from there")
    body = await _body(request)
    try:
        fields = parse_qs(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict", separator="&"
        )
    except ValueError as error:
        raise UsageError(f"the form cannot be read: {error}", remedy="Send it from the page itself") from error
    held = request.cookies.get(COOKIE)
    given = fields.pop(FIELD, [""])[0]
    if held is None or not hmac.compare_digest(given.encode(), _mark(request, held).encode()):
        raise ForeignFormError(
            "the form is not from this page, or the server has been started again since",
            remedy="Open the page again, and send the form once more; it needs cookies of this site",
        )
    return fields


async def _body(request: Request) -> bytes:
    body, length = bytearray(), 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= LARGEST:
            body += chunk
        elif length > MOST_DISCARDED:
            break
    if length > LARGEST:
        raise LargeFormError(f"the form has more than {LARGEST:,} bytes", remedy="Go back, and shorten the text")
    return bytes(body)


def first(fields: Mapping[str, list[str]], name: str) -> str:
    """Give one field of a form without spaces around it; empty if it is not there."""
    return fields.get(name, [""])[0].strip()
