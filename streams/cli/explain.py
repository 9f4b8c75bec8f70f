"""`orch explain`: one decision, with everything it rests on."""

from pathlib import Path

import click

from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import OperatorError


@command(examples=["orch explain q1", "orch explain q1 --full -o q1.html", "orch --format json explain q1"])
@click.argument("given", metavar="QUESTION_ID")
@click.option("-o", "--output", "target", metavar="FILE", help="Write it there as a page (HTML), instead of the text.")
@click.option("--full", is_flag=True, help="Whole texts of question, options and analyses; JSON always has them.")
@pass_app
def explain(app: App, given: str, target: str | None, full: bool) -> None:
    """
    Show everything behind one decision, and what came after it.

    Shows the question and the policy, what the router knew of each agent and how it scored the agent, each call with
    its outcome and cost, each ballot (excluded ones with the reason), the tally and the rule, the smallest change of a
    ballot or a weight that would have given another answer, and what feedback changed afterwards. For an undecided
    question it shows what the question waits for. Instead of the question's id, that of any event about it may be
    given, or 12 of its digits.

    The page is one file with pictures, light and dark, for screens, telephones and paper. It runs no script and asks no
    other host for anything.
    """
    from streams.app.explain import explain_question
    from streams.cli import output

    explanation = explain_question(app, given)
    if explanation["question_id"] != given:
        output.say(f"{given} is an event about {explanation['question_id']}.")
    if target is not None:
        from streams.audit.explain.page.markup import explanation_page

        _write(target, explanation_page(explanation, full=full))
        output.say(f"Wrote {target}.")
    if app.json:
        output.print_json(explanation)
    if app.json or target is not None:
        return
    from streams.cli.render.explain_text import tree

    output.console().print(tree(explanation, full=full))


def _write(target: str, page: str) -> None:
    try:
        Path(target).write_text(page, encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{target}: {error.strerror}", remedy="Name another file", file=target) from error
