"""`orch seal`: signed checkpoints of a log."""

import os
from itertools import islice
from pathlib import Path
from typing import Any

import click

from streams.app.amounts import counted
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.render.terminal import Terminal
from streams.errors import UsageError


@command(
    examples=(
        "orch seal --init",
        "orch seal",
        "orch seal --anchor checkpoints.jsonl",
        "orch --format json seal --anchor checkpoints.jsonl",
    ),
    epilog=(
        "--anchor takes a file (JSON Lines are appended), a folder (one file each), a git repository (one commit each),"
        " or the URL of another log, whose orch.checkpoints gets them. Only what is kept where the key's holder cannot"
        " rewrite it proves that nothing was rewritten."
    ),
)
@click.option("--init", is_flag=True, help="Make orch-seal.key and orch-seal.pub in the working folder, and end.")
@click.option("--origin", metavar="NAME", help="With --init: name of the log in its checkpoints, as example.com/orch.")
@click.option("--key", metavar="FILE", help="Private key; else ORCH_SEAL_KEY names it, else orch-seal.key.")
@click.option("--change-key", is_flag=True, help="Make a new key, signed by this one, and seal with it.")
@click.option("--anchor", "anchors", multiple=True, metavar="WHERE", help="Copy each checkpoint there; repeatable.")
@click.option("--follow", is_flag=True, help="Seal again and again, until interrupted (exit code 130).")
@click.option("--every", type=click.IntRange(1), default=1_000, metavar="N", help="With --follow: after N new records.")
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=60.0, help="With --follow: at the latest, if any is new."
)
@click.option("--max", "most", type=click.IntRange(1), metavar="N", help="With --follow: end after N checkpoints.")
@pass_app
def seal(
    app: App,
    init: bool,
    origin: str | None,
    key: str | None,
    change_key: bool,
    anchors: tuple[str, ...],
    follow: bool,
    every: int,
    seconds: float,
    most: int | None,
) -> None:
    """
    Sign the roots of all partitions of the log, as a checkpoint.

    The checkpoint goes into orch.checkpoints. Each topic-partition has a Merkle tree (RFC 6962) over the bytes that the
    log stores; orch.checkpoints itself has none. The log must still be as the checkpoint before sealed it. While
    another process writes to a log file, and for an archive, checkpoints go to the --anchor places alone. Compacted
    topics of Kafka are sealed in their archive.
    """
    from streams.app.seal import Sealer
    from streams.app.seal_keys import change_files, make_keys, signing_key

    if init:
        made = make_keys(Path(), origin)
        output.say("orch-seal.key signs: keep it to yourself. orch-seal.pub verifies: give it to your auditors.")
        output.print_text(str(made.public))
        return
    if origin is not None:
        raise UsageError("--origin names a new key", remedy="Use it with --init")
    if change_key and (key or follow):
        raise UsageError("--change-key changes the keys in the working folder", remedy="Leave --key and --follow out")
    signer = signing_key(key, os.environ)
    changing = change_files(Path(), signer) if change_key else None
    sealer = Sealer(app, signer, anchors, next_key=changing and changing.key, reporter=Terminal())
    app.if_interrupted("The checkpoints so far stand.")
    with app.open_reader() as reader:
        if follow:
            for found in islice(sealer.follow(reader, every=every, seconds=seconds), most):
                _print(app, found.as_json())
            return
        once = sealer.seal(reader)
    if changing is not None:
        old = changing.settle()
        output.say(
            f"orch-seal.key is the new key; the public one before is {old}. Auditors keep the key that they have: the"
            " log hands over from it. orch-seal.pub verifies only what the new key signs; the old key can still sign."
        )
    _print(app, once.as_json())


def _print(app: App, sealed: dict[str, Any]) -> None:
    if app.json:
        output.print_json(sealed)
        output.flush()
        return
    left_out = sealed["left_out"]
    if not sealed["new"]:
        output.say("Nothing is new since this checkpoint.")
    where = "in the log" if sealed["in_log"] else "in the anchors alone: the log could not be written to"
    rows = [
        ("checkpoint", f"{str(sealed['event_id'])[:12]} of {sealed['occurred_at']}, {where}"),
        ("sealed", f"{counted(sealed['records'], 'record')} in {counted(sealed['partitions'], 'partition')}"),
        ("root", str(sealed["root"])),
    ]
    if left_out:
        rows.append(("left out", f"{', '.join(left_out)}: seal an archive of them"))
    output.print_pairs(rows)
    output.flush()
