"""`orch explain`: one decision, with everything it rests on."""

import click

from streams.cli.command import command
from streams.cli.context import App, pass_app


@command(examples=["orch explain q1", "orch --format json explain q1"])
@click.argument("given", metavar="QUESTION_ID")
@pass_app
def explain(app: App, given: str) -> None:
    """
    Show everything behind one decision, and what came after it.

    Shows the question and the policy, what the router knew of each agent and how it scored the agent, each call with
    its outcome and cost, each ballot (excluded ones with the reason), the tally and the rule, and what feedback changed
    afterwards. For an undecided question it shows what the question waits for. Instead of the question's id, that of
    any event about it may be given, or 12 of its digits.
    """
    from streams.app.explain import explain_question
    from streams.cli import output

    explanation = explain_question(app, given)
    if explanation["question_id"] != given:
        output.say(f"{given} is an event about {explanation['question_id']}.")
    if app.json:
        output.print_json(explanation)
        return
    from streams.cli.render.explain_text import tree

    output.console().print(tree(explanation))
