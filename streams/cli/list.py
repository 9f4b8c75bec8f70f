"""`orch list`: questions of a log by state."""

from itertools import islice

import click

from streams.app.question_list import question_list
from streams.audit.question_list import ListedQuestion, Trait
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app


@command(
    name="list",
    examples=(
        "orch list",
        "orch list --wrong --undecided --open",
        "orch --format json list --disagreed --since 2026-01-01 --max 20",
    ),
)
@click.option("--open", "is_open", is_flag=True, help="Questions without a decision yet.")
@click.option("--undecided", is_flag=True, help="Questions that stayed undecided.")
@click.option("--disagreed", is_flag=True, help="Questions decided against at least one ballot.")
@click.option("--wrong", is_flag=True, help="Questions decided wrongly, by feedback that stands.")
@click.option("--subject", metavar="NAME", help="Questions of this subject alone.")
@click.option("--since", metavar="TIME", help='Questions asked at this time or later, or at an age such as "2 h".')
@click.option("--max", "most", type=click.IntRange(1), metavar="N", help="Stop after so many questions.")
@pass_app
def list_(
    app: App,
    is_open: bool,
    undecided: bool,
    disagreed: bool,
    wrong: bool,
    subject: str | None,
    since: str | None,
    most: int | None,
) -> None:
    """
    List the questions of the log by state.

    Reads any log: a file, Kafka, an archive. Of --open, --undecided, --disagreed and --wrong one must fit, if any is
    given; --subject and --since must fit besides. Whether a decision was right follows from feedback: gold before
    others, a right answer before a verdict. In JSON each question is one line, with its text and its option's text.
    """
    given: dict[Trait, bool] = {"open": is_open, "undecided": undecided, "disagreed": disagreed, "wrong": wrong}
    traits = tuple(trait for trait, wanted in given.items() if wanted)
    found = islice(question_list(app, traits=traits, subject=subject, since=since), most)
    if app.json:
        for line in found:
            output.print_json(line)
        return
    rows = [_row(line) for line in found]
    if not rows:
        output.say("No such question.")
        return
    output.print_table(("question", "state", "answer", "agreed", "right", "text"), rows, right=("agreed",))


def _row(line: ListedQuestion) -> tuple[str, ...]:
    right = {True: "yes", False: "no", None: "-"}[line["correct"]]
    agreed = "-" if line["counted"] is None else f"{line['agreeing']} of {line['counted']}"
    answer = " ".join(part for part in (line["answer"], line["answer_text"]) if part) or "-"
    text = output.one_line(line["text"], 60)
    return line["question_id"], line["state"], output.one_line(answer, 30), agreed, right, text
