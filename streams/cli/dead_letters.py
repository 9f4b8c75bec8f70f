"""`orch dead-letters`: the records that the stream set aside, with the reason, and another try for them."""

from base64 import b64decode
from collections.abc import Iterator

import click

from schemas.letters import RecordRejected
from schemas.quantities import ms_of_instant
from schemas.registry import InvalidRecord, decode
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_USAGE, App, pass_app
from streams.errors import UsageError
from streams.log import read_event
from streams.topology import DEAD_LETTERS


@command(
    examples=(
        "orch dead-letters",
        "orch dead-letters list --verbose",
        "orch --format json dead-letters",
        "orch dead-letters retry --all",
    )
)
@click.argument("action", type=click.Choice(["list", "retry"]), default="list", required=False)
@click.argument("offsets", metavar="[OFFSET]...", nargs=-1, type=click.IntRange(0))
@click.option("--all", "everything", is_flag=True, help="Retry every letter.")
@pass_app
def dead_letters(app: App, action: str, offsets: tuple[int, ...], everything: bool) -> int | None:
    """
    List the records that the stream could not take.

    Each with its place, the reason and what to do about it; with --verbose also what it said. Nothing is wrong with the
    log where this list is not empty: the stream went on. retry appends what the letters with these offsets hold to
    their topics once more, for it may count now: a retraction whose feedback has come since, a record that this version
    can read. What is refused again becomes a letter again.
    """
    if action == "retry":
        return _retry(app, offsets, everything=everything)
    if offsets or everything:
        raise UsageError("offsets and --all are for `retry`", remedy="`orch dead-letters` lists all letters")
    count = 0
    for offset, letter, raw in _letters(app):
        count += 1
        if app.json:
            output.print_bytes(raw)
        else:
            _print(letter, offset, verbose=app.verbose)
    if not count and not app.json:
        output.print_text("No dead letters: the stream took every record.")
    return None


def _letters(app: App) -> Iterator[tuple[int, RecordRejected, bytes]]:
    with app.open_reader(topics=(DEAD_LETTERS,)) as reader:
        for record in reader.records((DEAD_LETTERS,)):
            letter = read_event(record)
            if isinstance(letter, RecordRejected):
                yield record.offset, letter, record.value


def _retry(app: App, offsets: tuple[int, ...], *, everything: bool) -> int:
    if not offsets and not everything:
        raise UsageError("which letters?", remedy="Name their offsets (`orch dead-letters` shows them), or give --all")
    letters = {offset: letter for offset, letter, _ in _letters(app) if everything or offset in offsets}
    missing = [str(offset) for offset in offsets if offset not in letters]
    if missing:
        raise UsageError(f"there is no letter {', '.join(missing)}", remedy="`orch dead-letters` lists all letters")
    retried, refused = 0, 0
    # Two letters about the same bytes, as after an earlier retry, are one record to try.
    seen: set[tuple[str, str]] = set()
    with app.open_writer() as log:
        for offset, letter in letters.items():
            if (letter.source_topic, letter.value_base64) in seen:
                continue
            seen.add((letter.source_topic, letter.value_base64))
            value = b64decode(letter.value_base64)
            try:
                if len(value) < letter.value_bytes:
                    raise InvalidRecord(f"only the first {len(value):,} of {letter.value_bytes:,} bytes were kept")
                event = decode(letter.source_topic, value, ms_of_instant(letter.occurred_at))
            except InvalidRecord as problem:
                refused += 1
                output.say(f"letter {offset}: {problem}")
                continue
            log.append(event, again=True)
            retried += 1
        folding = log.folding()
        while folding is not None and folding.ready:
            folding.fold()
        log.commit()
    if app.json:
        output.print_json({"retried": retried, "refused": refused})
    else:
        output.print_text(f"{output.counted(retried, 'record')} appended once more to {app.log_url}")
    return EXIT_USAGE if refused else 0


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
