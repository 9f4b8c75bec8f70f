"""`orch dead-letters`: rejected records, their reasons, and their retry."""

from base64 import b64decode

import click

from streams.app import amounts
from streams.app.dead_letters import Letter, Retried, letters_of, retry_letters
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_USAGE, App, pass_app
from streams.cli.render.terminal import Terminal
from streams.errors import UsageError


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
    List the rejected records, or retry them.

    Each is listed with its topic, partition and offset and the reason; --verbose adds its value. A dead letter is no
    damage to the log: the stages went on behind it. retry appends the records of the letters at these offsets to their
    topics again, because they may be accepted now: a retraction whose feedback has arrived since, or a record that this
    version can decode. It says how many records went where. A record that is rejected again becomes a dead letter
    again.
    """
    if action == "retry":
        return _retry(app, offsets, everything=everything)
    if offsets or everything:
        raise UsageError("offsets and --all are for `retry`", remedy="`orch dead-letters` lists all letters")
    count = 0
    for letter in letters_of(app, Terminal()):
        count += 1
        if app.json:
            output.print_bytes(letter.value)
        else:
            _print(letter, verbose=app.verbose)
    if not count and not app.json:
        output.print_text("No dead letters: no record was rejected.")
    return None


def _retry(app: App, offsets: tuple[int, ...], *, everything: bool) -> int:
    if not offsets and not everything:
        raise UsageError(
            "no letters were named", remedy="Name their offsets (`orch dead-letters` shows them), or give --all"
        )
    done = retry_letters(app, offsets, everything=everything, reporter=Terminal())
    if app.json:
        facts = {"letters": done.letters, "same": done.same, "topics": done.appended, "rejected": done.rejected}
        output.print_json({"retried": done.appended.total(), "refused": done.refused, **facts})
    else:
        output.print_text(_told(app, done))
    return EXIT_USAGE if done.refused else 0


def _told(app: App, done: Retried) -> str:
    """Say what a retry did, to people."""
    if not done.letters:
        return "No dead letters: nothing to retry."
    places = ", ".join(f"{count:,} to {topic}" for topic, count in done.appended.items())
    count = amounts.counted(done.appended.total(), "record")
    places = f" ({places})" if places else ""
    parts = [f"{amounts.counted(done.letters, 'letter')}: {count} appended once more to {app.log_url}{places}"]
    if done.same:
        parts.append(f"{amounts.counted(done.same, 'letter')} about a record that another one holds too")
    if done.refused:
        parts.append(f"{amounts.counted(done.refused, 'letter')} whose record cannot be appended, see above")
    if done.rejected:
        parts.append(f"{amounts.counted(done.rejected, 'record')} rejected again")
    elif done.rejected is None and done.appended:
        parts.append("workers fold them; `orch dead-letters` then lists those that are rejected again")
    return "; ".join(parts)


def _print(given: Letter, *, verbose: bool) -> None:
    letter = given.event
    pairs = [
        ("record", f"{letter.source_topic}, partition {letter.partition}, offset {letter.offset}"),
        ("reason", f"{letter.reason}: {letter.detail}"),
    ]
    if verbose:
        value = b64decode(letter.value_base64)
        cut = f" (the first {len(value):,} of {letter.value_bytes:,} bytes)" if len(value) < letter.value_bytes else ""
        pairs.append((f"value{cut}", value.decode("utf-8", "backslashreplace")))
    output.print_text(output.clean(f"{given.offset}  {letter.occurred_at}  {letter.record_key or ''}"), style="bold")
    output.print_pairs(pairs)
