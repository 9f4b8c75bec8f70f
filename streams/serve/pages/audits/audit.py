"""The page of audits: replay, checkpoints, other policies."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from schemas.checkpoints import CheckpointSignedV2
from streams.app.policy_changes import parse_settings
from streams.app.workspace import Workspace
from streams.audit.proof.checkpoints import read_roots
from streams.audit.proof.notes import NoteError
from streams.audit.whatif.outcome import COVERAGES, Compared, Sums, WhatIf
from streams.errors import UsageError
from streams.serve.pages.audits import work
from streams.serve.pages.audits.jobs import JobState
from streams.serve.pages.figures.noted import Noted
from streams.serve.pages.figures.tally import TallyState
from streams.serve.pages.forms import fields_of, first
from streams.serve.pages.frame import go_to, page, part
from streams.serve.pages.site import Site, SitePage, site_of

REPLAY, WHATIF = "replay", "whatif"
SHOWN_CHECKPOINTS = 20
SHOWN_FLIPS = 200
MOST_SETTINGS = 50


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One signed checkpoint."""

    at: str
    origin: str
    records: int
    partitions: int
    root: str
    anchor: str | None
    """Place beside the log that alone holds it; None: the log itself."""
    problem: str
    """Why it cannot be read; else empty."""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """What another policy makes of the questions of one coverage."""

    coverage: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class FlipsModel:
    """The result of a `whatif`, as tables."""

    changes: Sequence[str]
    questions: int
    open: int
    coverages: Sequence[CoverageRow]
    """Those that have questions."""
    why: Sequence[tuple[str, int]]
    flips: Sequence[Compared]
    left_out: int


@dataclass(frozen=True, slots=True)
class AuditModel:
    """What the page shows."""

    replay: JobState | None
    whatif: JobState | None
    flips: FlipsModel | None
    """None unless the last `whatif` gave a result."""
    checkpoints: Sequence[CheckpointRow]
    """The newest first."""
    checkpoints_count: int
    state: TallyState
    """How far the checkpoints were read."""

    @property
    def running(self) -> JobState | None:
        """The job that runs."""
        return next((job for job in (self.replay, self.whatif) if job is not None and job.runs), None)


def flips_model(found: WhatIf) -> FlipsModel:
    """Lay the result of a `whatif` out."""
    rows = [CoverageRow(coverage, found.sums[coverage]) for coverage in COVERAGES if found.sums[coverage].questions]
    why = sorted(found.why.items(), key=lambda item: (-item[1], item[0]))
    shown = found.rows[:SHOWN_FLIPS]
    return FlipsModel(found.changes, found.questions, found.open, rows, why, shown, found.changed - len(shown))


def checkpoint_rows(noted: Noted, beside: tuple[CheckpointSignedV2, str | None] | None) -> Sequence[CheckpointRow]:
    """
    List the newest checkpoints.

    Args:
        noted: What was noted of the log.
        beside: The newest of all, and the place beside the log if it is there alone.
    """
    rows = [_checkpoint(event, None) for event in [*noted.checkpoints][: -SHOWN_CHECKPOINTS - 1 : -1]]
    if beside is not None and beside[1] is not None:
        return [_checkpoint(*beside), *rows]
    return rows


def _checkpoint(event: CheckpointSignedV2, anchor: str | None) -> CheckpointRow:
    try:
        roots = read_roots(event)
    except NoteError as problem:
        return CheckpointRow(event.occurred_at, event.key, 0, len(event.partitions), "", anchor, str(problem))
    return CheckpointRow(event.occurred_at, roots.origin, roots.records, len(roots.heads), roots.root.hex(), anchor, "")


def audit_model(site: Site) -> AuditModel:
    """Lay out what was checked, and what is signed."""
    beside = site.newest_checkpoint.find()
    with site.tally.lock:
        rows, count = checkpoint_rows(site.tally.noted, beside), site.tally.noted.checkpoints_count
        state = site.tally.state()
    whatif = site.jobs.last(WHATIF)
    done = whatif is not None and isinstance(whatif.result, WhatIf)
    return AuditModel(
        site.jobs.last(REPLAY), whatif, flips_model(whatif.result) if whatif and done else None, rows, count, state
    )


async def audit(request: Request) -> Response:
    """Show the last replay, the checkpoints, and what another policy would have decided."""
    site = site_of(request)
    await asyncio.to_thread(site.tally.ready)
    model = await asyncio.to_thread(audit_model, site)
    given = "\n".join(model.whatif.what) if model.whatif else "merge.rule=vote"
    return page(request, "audits/audit.html", model=model, state=model.state, settings=given)


async def job_state(request: Request) -> Response:
    """Give the part of the page that tells one job, for a page that looks again and again."""
    site, name = site_of(request), request.query_params.get("name", "")
    if name not in (REPLAY, WHATIF):
        raise UsageError(f"there is no job {name!r}", remedy="Open the page of audits")
    model = await asyncio.to_thread(audit_model, site)
    text = part(request, "audits/state.html", model=model, name=name, job=site.jobs.last(name))
    return HTMLResponse(text, headers={"cache-control": "no-store"})


async def replay(request: Request) -> Response:
    """Begin a replay."""
    site, _ = site_of(request), await fields_of(request)
    site.jobs.start(REPLAY, work.replay, *_log_of(site.work))
    return go_to("/audit#replay")


async def whatif(request: Request) -> Response:
    """Begin to decide every question again under other settings."""
    site, fields = site_of(request), await fields_of(request)
    settings = tuple(line.strip() for line in first(fields, "settings").splitlines() if line.strip())
    if not settings:
        raise UsageError("no setting is given", remedy="Write one a line, such as merge.rule=vote")
    if len(settings) > MOST_SETTINGS:
        raise UsageError(f"{len(settings):,} settings are given", remedy=f"Give at most {MOST_SETTINGS}")
    parse_settings(settings)
    site.jobs.start(WHATIF, work.whatif, *_log_of(site.work), settings, what=settings)
    return go_to("/audit#whatif")


def _log_of(log: Workspace) -> tuple[str, str | None]:
    return log.log_url, str(log.config_path) if log.config_path.exists() else None


PAGES = (
    SitePage("/audit", audit, "Audit"),
    SitePage("/audit/state", job_state),
    SitePage("/audit/replay", replay, method="POST"),
    SitePage("/audit/whatif", whatif, method="POST"),
)
