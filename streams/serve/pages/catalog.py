"""All pages, and their routes."""

import threading
from functools import partial

from pydantic import SecretStr
from starlette.routing import Route

from streams.serve.app import Pages
from streams.serve.pages import login, words
from streams.serve.pages.assets import static_file
from streams.serve.pages.audits import audit
from streams.serve.pages.figures import router, spend
from streams.serve.pages.frame import framed, refusal_page
from streams.serve.pages.live import decisions
from streams.serve.pages.questions import ask, question
from streams.serve.pages.reports import evaluation
from streams.serve.pages.site import Site, SitePage
from streams.serve.pages.trouble import letters, undecided
from streams.serve.service import Service

PAGES: tuple[SitePage, ...] = (
    *decisions.PAGES,
    *ask.PAGES,
    *question.PAGES,
    *router.PAGES,
    *spend.PAGES,
    *undecided.PAGES,
    *letters.PAGES,
    *audit.PAGES,
    *evaluation.PAGES,
    *words.PAGES,
    *login.PAGES,
)  # fmt: skip
"""Every page, in the order of the navigation."""


def page_routes(service: Service, *, checkpoints: str | None = None, token: SecretStr | None = None) -> Pages:
    """
    Begin to read a log for its pages, and give their routes and errors; called in the server's event loop.

    Args:
        service: The log, open.
        checkpoints, token: See `Site`.
    """
    site = Site(service, [(each.path, each.link) for each in PAGES if each.link], checkpoints, token)
    site.index.start()
    threading.Thread(target=site.newest_checkpoint.begin, name="orch-checkpoints", daemon=True).start()
    pages = [Route(each.path, framed(each.endpoint, site), methods=[each.method]) for each in PAGES]
    return Pages([Route("/static/{name}", framed(static_file, site)), *pages], partial(refusal_page, site))
