"""`orch verify`: a receipt, an archive or a log."""

import os
from typing import Any

import click

from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, App, pass_app
from streams.cli.render.terminal import Terminal


@command(
    examples=(
        "orch verify",
        "orch verify q1.receipt.json",
        "orch verify q1.receipt.json --key orch-seal.pub",
        "orch --format json verify",
        "orch verify --against checkpoints.jsonl",
    )
)
@click.argument("target", metavar="[FILE|DIR|URL]", required=False)
@click.option("--key", metavar="FILE", help="The public key; else ORCH_SEAL_PUB names it, else orch-seal.pub.")
@click.option(
    "--against", multiple=True, metavar="WHERE", help="Hold it to the checkpoints of this anchor; repeatable."
)
@pass_app
def verify(app: App, target: str | None, key: str | None, against: tuple[str, ...]) -> int:
    """
    Check a receipt, an archive or a log under its public key.

    It checks signatures, inclusion and ids, and derives again what follows from the inputs.
    Of a receipt the decision is derived again, of a log everything (as `orch replay` does). Without a target it is the
    log of --log. If all holds, the exit code is 0, else 4. What the result does not prove is listed.
    """
    from streams.app.seal_keys import public_key
    from streams.app.verify import verify as verify_target

    trusted = public_key(key, os.environ)
    found = verify_target(target or app.log_url, trusted, against, Terminal())
    if app.json:
        output.print_json(found.as_json())
    else:
        shown = found.as_json()
        output.print_pairs([("verified", found.target), *_figures(found.figures)])
        for claim in shown["proves"]:
            output.print_text(f"proved: {claim}")
        for remark in found.remarks:
            output.print_text(output.clean(f"not checked: {remark}"))
        for claim in found.does_not_prove:
            output.print_text(f"not proved: {claim}")
        for problem in found.problems:
            output.say(f"Problem: {output.one_line(problem, 400)}")
        more = found.count - len(found.problems)
        if more > 0:
            output.say(f"and {more:,} more problems")
        output.print_text("ACCEPTED" if found.accepted else "REFUSED", style="bold")
    return 0 if found.accepted else EXIT_DIFFERENCE


def _figures(figures: dict[str, Any]) -> list[tuple[str, str]]:
    shown = []
    for name, value in figures.items():
        text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
        shown.append((name.replace("_", " "), text))
    return shown
