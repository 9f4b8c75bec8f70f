"""Export of a log: archive and pages for its readers."""

import os
import time
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from schemas.registry import EVENTS, kind_of
from streams.app.event_schemas import schema_of
from streams.app.reporter import SILENT, Reporter
from streams.app.workspace import Workspace
from streams.audit.views import catalog
from streams.log import LogReader, read_event
from streams.runtimes.archive.export import export_log
from streams.runtimes.archive.manifest import Manifest
from streams.runtimes.archive.tables import parquet, repeats_in
from streams.topology import POLICIES, TOPICS
from streams.version import installed_version

VIEWS = "views.sql"


class ExportResult(NamedTuple):
    """Result of an export."""

    folder: Path
    records: int
    """Records in the archive."""
    added: int
    """Records that were not in it before."""
    resumed: int
    """Records among them that an export which was ended had written already."""
    files: int
    bytes: int
    faults: int
    """Places where the log's file is not as its writer leaves it; `orch replay` names them."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch export --format json`."""
        return {**self._asdict(), "folder": os.fspath(self.folder), "seconds": round(self.seconds, 3)}


def export(work: Workspace, folder: Path, reporter: Reporter = SILENT) -> ExportResult:
    """
    Bring the archive in a folder to the state of the log; a second export adds only what is new.

    Raises:
        UsageError: The log is an archive, or the folder holds something else.
        DifferenceError: A record cannot be read; or the archive holds records that the log does not have.
        OperatorError: The log cannot be read, or the folder not be written.
    """
    started = time.perf_counter()
    with work.open_reader() as reader, reporter.progress("exporting") as advance:
        done = export_log(
            reader,
            folder,
            written_by=f"orch {installed_version() or '(not installed)'}",
            pages=lambda manifest: dict(pages(reader, manifest)),
            progress=advance,
        )
    listed = [*done.manifest.others, *(file for segment in done.manifest.segments for file in segment.files)]
    return ExportResult(
        folder,
        done.manifest.records,
        done.added,
        done.resumed,
        len(listed) + 1,
        sum(file.bytes for file in listed),
        len(done.manifest.faults),
        time.perf_counter() - started,
    )


def pages(reader: LogReader, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    """Iterate path and content of the files beside the records."""
    yield "README.md", _readme(manifest).encode()
    yield "VIEWS.md", catalog.page().encode()
    yield VIEWS, views_script(Path(), manifest).encode()
    for model in EVENTS:
        yield f"schemas/{kind_of(model)}.json", _indented(schema_of(model))
    for number, record in enumerate(reader.records((POLICIES,)), 1):
        # The origin of a log that goes on from an earlier one is among them.
        event = read_event(record)
        yield f"policies/{number:04}-{event.event_id[:12]}.json", _indented(orjson.loads(record.value))


def views_script(folder: Path, manifest: Manifest) -> str:
    """Write the SQL that makes all views over an archive; with an empty folder, for use inside the archive's own."""
    tables = {topic: parquet(folder, topic, manifest.files_of(topic)) for topic in TOPICS}
    return catalog.script(tables, repeats_in(folder, manifest) if manifest.repeats else None)


def _readme(manifest: Manifest) -> str:
    """Fill in the auditor's page."""
    template = files("streams.app").joinpath("templates", "archive.md").read_text("utf-8")
    filled: Mapping[str, str] = {
        "RECORDS": f"{manifest.records:,}",
        "RUNTIME": "a log file (SQLite)" if manifest.ordered else "Kafka",
        "WRITTEN_BY": manifest.written_by,
        "TOPICS": "\n".join(_topic_rows(manifest)),
        "EXAMPLES": "\n\n".join(_examples()),
    }
    for name, text in filled.items():
        template = template.replace(f"{{{{{name}}}}}", text)
    return template


def _topic_rows(manifest: Manifest) -> Iterator[str]:
    for topic in TOPICS:
        rows = sum(file.rows for file in manifest.files_of(topic))
        yield f"| `{topic}` | `log.{catalog.table_name(topic)}` | {rows:,} |"


def _examples() -> Iterator[str]:
    for view in catalog.VIEWS.values():
        yield f"**`{view.name}`**: each row is {view.shows}.\n\n```sql\n{view.example};\n```"


def _indented(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"
