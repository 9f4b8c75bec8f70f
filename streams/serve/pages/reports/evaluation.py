"""The pages of evaluations: their list, and one report."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from markupsafe import Markup
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from streams.errors import UsageError
from streams.evaluation.page import report_parts
from streams.evaluation.report import EvalReport
from streams.evaluation.run_folder import REPORT
from streams.serve.pages.filters import picture
from streams.serve.pages.frame import page
from streams.serve.pages.site import SitePage

MOST_FOLDERS = 1_000
"""Folders beside the configuration in which a report is looked for."""

SHOWN = 50
LARGEST = 30_000_000
"""Bytes of a report that is shown."""

KEPT = 8
"""Reports that stay laid out."""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One evaluation."""

    name: str
    """Name of its folder."""
    made_ms: int
    panels: Sequence[str]
    questions: int
    orders: int
    best: str
    """The arm that was right most often, the oracle apart."""
    accuracy: float
    problem: str
    """Why it cannot be shown; else empty."""

    @property
    def path(self) -> str:
        """Address of its page."""
        return "/evaluation/report?" + urlencode({"run": self.name})


@dataclass(frozen=True, slots=True)
class ReportsModel:
    """What the list shows."""

    folder: str
    rows: Sequence[ReportRow]
    """The newest first."""
    left_out: int


class _Reports:
    """Reports that were read, by their file and its state."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int, int], ReportRow] = {}
        self._laid_out: OrderedDict[tuple[str, int, int], Sequence[Markup]] = OrderedDict()

    def row(self, file: Path) -> ReportRow:
        """Sum a report up."""
        key = _state(file)
        found = self._rows.get(key)
        if found is None:
            if len(self._rows) > MOST_FOLDERS:
                self._rows.clear()
            found = self._rows[key] = _row(file, key[1])
        return found

    def laid_out(self, file: Path) -> Sequence[Markup]:
        """Give the parts of the page of a report."""
        key = _state(file)
        found = self._laid_out.get(key)
        if found is None:
            found = self._laid_out[key] = [picture(node) for node in report_parts(_read(file))]
            while len(self._laid_out) > KEPT:
                self._laid_out.popitem(last=False)
        return found


_REPORTS = _Reports()


def _state(file: Path) -> tuple[str, int, int]:
    try:
        told = file.stat()
    except OSError as error:
        raise UsageError(f"{file.parent.name} has no report", remedy="Choose one from the list") from error
    return str(file.absolute()), told.st_mtime_ns // 1_000_000, told.st_size


def reports_model(folder: Path) -> ReportsModel:
    """List the evaluations in a folder: its own report, and those of the folders in it."""
    files = list(_files(folder))
    newest = sorted(files, key=lambda file: (-_state(file)[1], file.parent.name))
    return ReportsModel(str(folder), [_REPORTS.row(file) for file in newest[:SHOWN]], max(len(files) - SHOWN, 0))


def _files(folder: Path) -> Sequence[Path]:
    found = []
    try:
        with os.scandir(folder) as listed:
            for number, each in enumerate(listed):
                if number >= MOST_FOLDERS:
                    break
                if each.is_dir():
                    file = Path(each.path, REPORT)
                    if file.is_file():
                        found.append(file)
    except OSError:
        return []
    return found


def _row(file: Path, made_ms: int) -> ReportRow:
    name = file.parent.name
    try:
        report = _read(file)
    except UsageError as error:
        return ReportRow(name, made_ms, (), 0, 0, "", 0.0, error.message)
    arms = [arm for arm in report.arms if arm.kind != "oracle"]
    best = max(arms, key=lambda arm: arm.accuracy, default=None)
    told = ("", 0.0) if best is None else (best.name, best.accuracy)
    return ReportRow(name, made_ms, tuple(report.panels), report.source.questions, report.orders, *told, "")


def _read(file: Path) -> EvalReport:
    try:
        if file.stat().st_size > LARGEST:
            raise UsageError(f"{file.name} has more than {LARGEST:,} bytes", remedy="Open report.html in its folder")
        return EvalReport.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file.name} cannot be read: {error.strerror}", remedy="Look at its rights") from error
    except ValidationError as error:
        raise UsageError(
            f"{file.name} is no report of an evaluation of this version", remedy="Run `orch eval` again in its folder"
        ) from error


async def reports(request: Request) -> Response:
    """List the evaluations of the working folder."""
    model = await asyncio.to_thread(reports_model, Path.cwd())
    return page(request, "reports/list.html", model=model)


async def report(request: Request) -> Response:
    """Show the report of one evaluation of the working folder."""
    name = request.query_params.get("run", "")

    def read() -> Sequence[Markup]:
        # Only what is listed: a name is no path.
        file = next((file for file in _files(Path.cwd()) if file.parent.name == name), None)
        if file is None:
            raise UsageError(f"there is no evaluation {name!r} here", remedy="Choose one from the list")
        return _REPORTS.laid_out(file)

    parts = await asyncio.to_thread(read)
    return page(request, "reports/report.html", name=name, parts=parts)


PAGES = (SitePage("/evaluation", reports, "Evaluation"), SitePage("/evaluation/report", report))
