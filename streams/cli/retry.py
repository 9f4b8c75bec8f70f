"""`orch retry`: undecided questions, asked again."""

import click

from streams.app import amounts
from streams.app.retry import Retrial, ask_again
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.render.terminal import Terminal
from streams.cli.run import SAFE

MOST_SHOWN = 5
"""Most questions that are named in the text; JSON has all."""


@command(
    examples=(
        "orch retry",
        "orch retry --outputs outputs.jsonl",
        "orch --format json retry",
    )
)
@click.argument("ids", metavar="[QUESTION_ID]...", nargs=-1)
@click.option(
    "--outputs",
    metavar="FILE",
    multiple=True,
    help="Recorded outputs; each model in them becomes an agent, instead of the configured ones.",
)
@pass_app
def retry(app: App, ids: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    """
    Ask undecided questions again, under new ids.

    A question has one decision for ever, so q1 stays undecided, and its text is asked again as q1~2, then q1~3; the new
    question names the old decision as its cause. A right answer that gold feedback gave for q1 goes along. Without ids
    every question whose last attempt is undecided is asked. On Kafka the questions are published, and the workers
    answer.
    """
    app.if_interrupted(SAFE.format(log=app.log_url))
    found = ask_again(app, ids, outputs=outputs, reporter=Terminal())
    if app.json:
        output.print_json(found.as_json())
        return
    if not found.asked:
        output.print_text("No undecided questions.")
        return
    shown = [f"{output.clean(old)} as {output.clean(new)}" for old, new in list(found.asked.items())[:MOST_SHOWN]]
    more = len(found.asked) - len(shown)
    output.print_pairs(
        [
            ("asked again", f"{len(found.asked):,}: {', '.join(shown)}{f' and {more:,} more' if more else ''}"),
            *_outcome(found),
            ("right answers", f"{amounts.counted(found.with_gold, 'right answer')} went along, as feedback"),
        ]
    )


def _outcome(found: Retrial) -> list[tuple[str, str]]:
    if found.decided is None:
        return [("decided", "by the workers: `orch consume decisions --follow`")]
    left = ", ".join(map(output.clean, found.undecided[:MOST_SHOWN]))
    more = len(found.undecided) - min(len(found.undecided), MOST_SHOWN)
    undecided = f", {len(found.undecided):,} undecided once more: {left}" if found.undecided else ""
    return [("decided", f"{found.decided:,}{undecided}{f' and {more:,} more' if more else ''}")]
