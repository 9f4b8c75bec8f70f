"""`orch explain`: one decision, with everything it rests on."""

import click

from streams.cli.command import command
from streams.cli.context import App, pass_app


@command(examples=["orch explain q1", "orch --format json explain q1"])
@click.argument("question_id", metavar="QUESTION_ID")
@pass_app
def explain(app: App, question_id: str) -> None:
    """
    Show everything behind one decision, and what came after it.

    Shows the question and the policy, what the router knew of each agent and how it scored the agent, each call with
    its outcome and cost, each ballot (excluded ones with the reason), the tally and the rule, and what feedback changed
    afterwards. For an undecided question it shows what the question waits for.
    """
    from streams.audit.explain.explain import explain as explained
    from streams.cli import output

    with app.open_reader(about=question_id) as reader:
        explanation = explained(reader, question_id)
    if app.json:
        output.print_json(explanation)
        return
    from streams.cli.render.explain_text import tree

    output.console().print(tree(explanation))
