"""Log, rights and keys of the pages of one server."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from streams.app.workspace import Workspace
from streams.serve.pages.audits.jobs import Jobs
from streams.serve.pages.figures.tally import LogTally
from streams.serve.pages.live.index import NewestQuestions
from streams.serve.pages.live.stream import LiveLists
from streams.serve.pages.questions.explained import Explanations
from streams.serve.pages.questions.proof import NewestCheckpoint
from streams.serve.service import Service

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class SitePage:
    """A page, or what its forms post to, under one path."""

    path: str
    endpoint: Endpoint
    link: str = ""
    """Its name in the navigation; empty: it has no place there."""
    method: str = "GET"


@dataclass(slots=True)
class Site:
    """
    What the pages of one server share; `site_of` finds it in a request. Made in the server's event loop.

    Args:
        service: What pages ask, tell and explain by; its methods may be awaited by any page.
        links: The navigation: paths with names.
        checkpoints: Place beside the log to which `orch seal --anchor` copies checkpoints, for receipts while the log
            is in use.
    """

    service: Service
    links: list[tuple[str, str]] = field(default_factory=list)
    checkpoints: str | None = None
    token: SecretStr | None = None
    """What a reader has to give first; None: nobody has to."""
    form_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Key of the marks in forms, by which a form is known for one of ours."""
    index: NewestQuestions = field(init=False)
    lists: LiveLists = field(init=False)
    explanations: Explanations = field(init=False)
    newest_checkpoint: NewestCheckpoint = field(init=False)
    tally: LogTally = field(init=False)
    """Sums over the log; they are read once a page asks for them."""
    jobs: Jobs = field(init=False)
    """What takes longer than a page."""

    def __post_init__(self) -> None:
        self.index = NewestQuestions(self.work)
        self.lists = LiveLists(self.index, self.stopping)
        self.newest_checkpoint = NewestCheckpoint(self.work, self.checkpoints)
        self.explanations = Explanations(self.service.explain)
        self.tally = LogTally(self.work)
        self.jobs = Jobs(self.stopping.is_set)

    @property
    def work(self) -> Workspace:
        """The log for jobs of `streams.app`; call those in a thread (`asyncio.to_thread`)."""
        return self.service.work

    @property
    def writable(self) -> bool:
        """Whether pages may ask and take feedback."""
        return self.service.writable

    @property
    def stopping(self) -> asyncio.Event:
        """Set when the server ends."""
        return self.service.stopping


def site_of(request: Request) -> Site:
    """Give what the pages share."""
    site = request.state.site
    assert isinstance(site, Site)
    return site
