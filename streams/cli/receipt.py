"""`orch receipt`: the proof of one decision in one file."""

from pathlib import Path

import click
import orjson

from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import OperatorError


@command(examples=("orch receipt q1", "orch receipt q1 -o q1.receipt.json", "orch receipt q1 --proof-only"))
@click.argument("question_id", metavar="QUESTION_ID")
@click.option("-o", "--output", "target", metavar="FILE", help="Write it there instead of to stdout.")
@click.option("--proof-only", is_flag=True, help="Only the inclusion proof of the decision, a C2SP .tlog-proof.")
@click.option("--checkpoint", metavar="WHERE", help="Use the newest checkpoint of this anchor, not the log's.")
@click.option("--since", metavar="WHERE", help="Prove too that the log goes on from this anchor's newest checkpoint.")
@pass_app
def receipt(
    app: App, question_id: str, target: str | None, proof_only: bool, checkpoint: str | None, since: str | None
) -> None:
    """
    Write everything that proves one decision, as one document.

    The JSON document holds the bytes of the decision and of all it rests on, up to the router's entries that its panel
    names, the proof of each that it stood in the sealed log, and the checkpoint. `orch verify FILE` checks it without
    the log.
    """
    from streams.app.receipt import make_receipt
    from streams.audit.proof.receipt import bare_proof

    made = make_receipt(app, question_id, checkpoint=checkpoint, since=since)
    if proof_only:
        content = bare_proof(made).encode()
    else:
        content = orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n"
    if target is None:
        output.print_bytes(content.removesuffix(b"\n"))
        return
    try:
        Path(target).write_bytes(content)
    except OSError as error:
        raise OperatorError(f"{target}: {error.strerror}", remedy="Name another file") from error
    output.say(f"Wrote {target}. `orch verify {target} --key orch-seal.pub` checks it on any machine.")
