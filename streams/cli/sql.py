"""`orch sql`: queries over the log and its views."""

import csv
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import click

from streams.app import amounts
from streams.app.sql import FORMS, SUFFIXES, Form, LogViews, views_of
from streams.audit.views import catalog
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.render.terminal import Terminal
from streams.errors import OrchError, UsageError

MOST_ROWS = 1_000
"""Rows of a table for people; every other form has all rows."""

_PROMPT, _MORE = "orch> ", "  ... "


@command(
    examples=(
        "orch sql",
        'orch sql "SELECT status, count(*) FROM decisions GROUP BY ALL"',
        'orch sql "SELECT agent, sum(cost_nusd) / 1e9 AS usd FROM spend GROUP BY agent" --as csv',
        'orch sql "FROM undecided" -o undecided.parquet',
        'orch --format json sql "SELECT question_id, answer FROM disagreements LIMIT 3"',
    )
)
@click.argument("query", required=False)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file; the end of its name tells the form (.csv, .jsonl, .parquet).",
)
@click.option("--as", "form", type=click.Choice(FORMS), help="Form of the result.")
@pass_app
def sql(app: App, query: str | None, target: Path | None, form: Form | None) -> None:
    """
    Query the log in SQL, with views of decisions, ballots, costs.

    The database is DuckDB. The views are decisions, ballots, analyses, attempts, feedback, router_history, spend,
    disagreements, undecided, policies, dead_letters and questions; log.records has every record with its bytes. Without
    QUERY, a terminal gets a prompt, anything else the list of views.

    A query is one SELECT. It changes nothing, and reads nothing but the log. A log that is no archive is first copied
    to a temporary one; on an archive (--log parquet:DIR) queries start at once. QUERY may be - for stdin.
    """
    form = _form(app, target, form)
    if query == "-":
        query = sys.stdin.read()
    if query is None:
        if sys.stdin.isatty() and sys.stdout.isatty() and target is None and not app.json:
            _prompt(app)
        else:
            _list(app)
        return
    draft = None if target is None else target.absolute().with_name(f".{target.name}.tmp")
    with views_of(app, query, writes=[] if draft is None else [draft], reporter=Terminal()) as views:
        if draft is None or target is None:
            _print(views, query, form)
            return
        try:
            rows = _write(views, query, form, draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    if app.json:
        output.print_json({"file": str(target), "rows": rows})
    else:
        output.print_text(f"{target}: {amounts.counted(rows, 'row')}")


def _form(app: App, target: Path | None, form: Form | None) -> Form:
    """Choose the form: as asked for, else by the name of the file, else the command's."""
    if form is None and target is not None:
        form = SUFFIXES.get(target.suffix.lower())
        if form is None:
            raise UsageError(f"{target}: the name does not tell the form", remedy=f"End it in {', '.join(SUFFIXES)}")
    if form == "parquet" and target is None:
        raise UsageError("Parquet is no text", remedy="Name a file: -o FILE.parquet")
    if form == "table" and target is not None:
        raise UsageError("a table is for people", remedy=f"End the file's name in {', '.join(SUFFIXES)}")
    return form or ("jsonl" if app.json else "table")


def _print(views: LogViews, query: str, form: Form) -> None:
    if form == "jsonl":
        for line in views.objects(query):
            output.print_bytes(line.encode())
    elif form == "csv":
        _csv(views, query, sys.stdout)
    else:
        _table(views, query)


def _write(views: LogViews, query: str, form: Form, path: Path) -> int:
    """Write the result to a file, and count its rows."""
    if form == "parquet":
        return views.to_parquet(query, path)
    with path.open("w", encoding="utf-8", newline="") as file:
        if form == "csv":
            return _csv(views, query, file)
        return sum(1 for line in views.objects(query) if file.write(f"{line}\n"))


def _csv(views: LogViews, query: str, file: Any) -> int:
    result = views.run(query)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([column.name for column in result.columns])
    return sum(1 for row in result.rows if writer.writerow(row))


def _table(views: LogViews, query: str) -> None:
    result = views.run(query)
    rows = [
        ["" if value is None else output.one_line(value) for value in row] for row in islice(result.rows, MOST_ROWS)
    ]
    names = [column.name for column in result.columns]
    output.print_table(names, rows, right=[column.name for column in result.columns if column.is_number])
    if next(result.rows, None) is not None:
        output.say(f"The first {MOST_ROWS:,} rows; --as csv, --format json and -o FILE give all of them.")


def _list(app: App) -> None:
    """Print the views with their columns."""
    if app.json:
        for view in catalog.VIEWS.values():
            output.print_json({"view": view.name, "shows": view.shows, "example": view.example})
        return
    for view in catalog.VIEWS.values():
        output.print_text(f"{view.name}: {view.shows}", style="bold")
        output.print_text(f"  {view.example};")
    output.print_text(f"log.{catalog.RECORDS}: every record, with its place and its original bytes", style="bold")


def _prompt(app: App) -> None:
    """Read queries from a terminal, each up to its semicolon, and print their results."""
    with views_of(app, reporter=Terminal()) as views:
        _edit_lines()
        output.say("Queries end with a semicolon. .views lists the views; Ctrl-D ends.")
        while (query := _read()) is not None:
            if query == ".views":
                _list(app)
                continue
            try:
                _table(views, query)
            except OrchError as error:
                output.say(str(error))
            except KeyboardInterrupt:
                output.say("Interrupted.")


def _edit_lines() -> None:
    """Let the arrow keys work where the system has a library for it; importing it is what switches it on."""
    try:
        import readline  # noqa: F401
    except ImportError:
        return


def _read() -> str | None:
    """Read one query; None at the end of the input."""
    lines: list[str] = []
    while True:
        try:
            line = input(_MORE if lines else _PROMPT)
        except EOFError:
            output.say()
            return None
        except KeyboardInterrupt:
            output.say()
            lines = []
            continue
        if not lines and not line.strip():
            continue
        lines.append(line)
        query = "\n".join(lines).strip()
        if query.endswith(";") or query.startswith("."):
            return query
