"""The page of our words."""

from starlette.requests import Request
from starlette.responses import Response

from streams.serve.pages.frame import page
from streams.serve.pages.glossary import WORDS
from streams.serve.pages.site import SitePage


async def words(request: Request) -> Response:
    """Show every word with its definition."""
    return page(request, "words.html", words=WORDS)


PAGES = (SitePage("/words", words, "Words"),)
