"""`orch dead-letters`: the records that the stream set aside, with the reason."""

from base64 import b64decode

import click

from schemas.letters import RecordRejected
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.runtimes.contract import read_event
from streams.topology import DEAD_LETTERS


@command(examples=("orch dead-letters", "orch dead-letters list --verbose", "orch --format json dead-letters"))
@click.argument("action", type=click.Choice(["list"]), default="list", required=False)
@pass_app
def dead_letters(app: App, action: str) -> None:
    """
    List the records that the stream could not take.

    Each with its place, the reason and what to do about it; with --verbose also what it said. Nothing is wrong with
    the log where this list is not empty: the stream went on.
    """
    count = 0
    with app.open_reader() as reader:
        for record in reader.records((DEAD_LETTERS,)):
            count += 1
            if app.json:
                output.print_bytes(record.value)
                continue
            letter = read_event(record)
            if isinstance(letter, RecordRejected):
                _print(letter, record.offset, verbose=app.verbose)
    if not count and not app.json:
        output.print_text("No dead letters: the stream took every record.")


def _print(letter: RecordRejected, offset: int, *, verbose: bool) -> None:
    pairs = [
        ("record", f"{letter.source_topic}, partition {letter.partition}, offset {letter.offset}"),
        ("reason", f"{letter.reason}: {letter.detail}"),
    ]
    if verbose:
        value = b64decode(letter.value_base64)
        cut = f" (the first {len(value):,} of {letter.value_bytes:,} bytes)" if len(value) < letter.value_bytes else ""
        pairs.append((f"value{cut}", value.decode("utf-8", "backslashreplace")))
    output.print_text(output.clean(f"{offset}  {letter.occurred_at}  {letter.record_key or ''}"), style="bold")
    output.print_pairs(pairs)
