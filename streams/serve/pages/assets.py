"""Style and scripts of the pages, from this program alone."""

import hashlib
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

SCRIPTS = ("htmx.min.js", "hx-sse.min.js", "pages.js")
STYLE = "style.css"
"""The style of every picture and page of `streams.drawing`, then that of these pages."""


@cache
def asset(name: str) -> bytes:
    """
    Give the content of a file that pages load.

    Raises:
        KeyError: There is none of this name.
    """
    here = files("streams.serve.pages").joinpath("static")
    if name == STYLE:
        drawn = files("streams.drawing").joinpath("page.css").read_text("utf-8")
        return f"{drawn}\n{here.joinpath('pages.css').read_text('utf-8')}\n{_widths()}".encode()
    if name not in SCRIPTS:
        raise KeyError(name)
    return here.joinpath(name).read_bytes()


def _widths() -> str:
    """Name the widths that pictures carry as styles elsewhere: here the policy forbids styles of elements."""
    sizes = range(1, 121)
    return "\n".join(
        [f".most-{size} {{ max-width: {size}rem; }} .legible-{size} {{ --legible: {size}rem; }}" for size in sizes]
    )


@cache
def address_of(name: str) -> str:
    """Give the address of a file; it changes with the content, so a browser may keep it for good."""
    return f"/static/{name}?{hashlib.sha256(asset(name)).hexdigest()[:16]}"


async def static_file(request: Request) -> Response:
    """Serve a file of the pages."""
    name = request.path_params["name"]
    try:
        content = asset(name)
    except KeyError:
        return Response("no such file\n", 404, media_type="text/plain")
    kind = TYPES[name[name.rindex(".") :]]
    return Response(content, headers={"content-type": kind, "cache-control": "public, max-age=31536000, immutable"})
