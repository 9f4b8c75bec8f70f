"""The page on which a question is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from streams.errors import OrchError
from streams.serve.asking import trace_of
from streams.serve.pages.filters import question_path
from streams.serve.pages.forms import ForeignFormError, fields_of, first
from streams.serve.pages.frame import go_to, page
from streams.serve.pages.site import SitePage, site_of


@dataclass(frozen=True, slots=True)
class AskForm:
    """What a reader wrote into the form."""

    text: str = ""
    options: str = ""
    """One a line."""
    kind: str = "choice"
    subject: str = ""
    question_id: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, list[str]]) -> "AskForm":
        """Take the fields of the form."""
        names = ("text", "options", "kind", "subject", "question_id")
        return cls(**{name: first(fields, name) for name in names})

    @property
    def choices(self) -> list[str]:
        """The options; none for a number."""
        lines = [line.strip() for line in self.options.splitlines()]
        return [] if self.kind == "number" else [line for line in lines if line]


async def ask(request: Request) -> Response:
    """Show the form; on a log that nobody can write to, say why there is none."""
    return _form(request, AskForm())


async def asked(request: Request) -> Response:
    """Put the question into the log, and go to its page, which shows the panel answering."""
    site, fields = site_of(request), await fields_of(request)
    form = AskForm.of(fields)
    try:
        question, _ = await site.service.ask(
            form.text,
            form.choices,
            number=form.kind == "number",
            subject=form.subject or None,
            question_id=form.question_id or None,
            wait_s=0,
            traceparent=trace_of(request),
        )
    except ForeignFormError:
        raise
    except OrchError as error:
        return _form(request, form, error)
    return go_to(question_path(question.question_id))


def _form(request: Request, form: AskForm, error: OrchError | None = None) -> Response:
    subjects = sorted(site_of(request).index.subjects.copy())
    status = 200 if error is None else 503 if error.exit_code == 3 else 400
    return page(request, "questions/ask.html", status=status, form=form, error=error, subjects=subjects)


PAGES = (SitePage("/ask", ask, "Ask"), SitePage("/ask", asked, method="POST"))
