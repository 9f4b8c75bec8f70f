"""`orch router`: the router's table and weights, with their history."""

import click

from schemas.questions import ALL_SUBJECTS
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import UsageError
from streams.log import LogReader
from streams.topology import OBSERVATIONS, ROUTER, WEIGHTS


@command(examples=["orch router", "orch router --at q1", "orch --format json router --history gpt-4o-mini --scope law"])
@click.option("--at", "question_id", metavar="QUESTION_ID", help="Table as it was for this question.")
@click.option("--history", "agent", metavar="AGENT", help="History of this agent's averages and weights, step by step.")
@click.option("--scope", metavar="SCOPE", help="One subject, or * for all subjects; the default of --history is *.")
@pass_app
def router(app: App, question_id: str | None, agent: str | None, scope: str | None) -> None:
    """
    Show the router's table, or the history of one agent.

    For each scope and agent: rank and score under the policy in force, and the averages of quality, latency, cost and
    stability with the number of observations n behind the quality. "used" is the quality after shrinkage towards all
    subjects; the score is computed from it.

    Under the merge rule odds the table of weights follows. Weights are natural log-odds: how much an agent's answers
    count, more or less by what they rest on in their own text; "right" is how often the agent was right when asked. In
    JSON each line says which table it is of.

    Of a log that is no Kafka cluster it then names each agent that behaves otherwise than before, as after a swap of
    the model behind its name: length of its texts, latency, answers that cannot be read, agreement with the others.
    """
    from streams.app.router import router_state
    from streams.audit import behaviour
    from streams.cli import output
    from streams.cli.render import router_text, weights_text

    if question_id is not None and agent is not None:
        raise UsageError("--at and --history were given together", remedy="Give one of them")
    if agent is not None:
        with app.open_reader(topics=(OBSERVATIONS, ROUTER, WEIGHTS)) as reader:
            _print_history(app, reader, agent, scope)
        return
    state = router_state(app, question_id, scope)
    if app.json:
        for line in state.lines():
            output.print_json(line)
        return
    output.console().print(router_text.standing(state.table))
    if state.weights:
        output.console().print(weights_text.standing(state.weights))
    for change in state.changes:
        output.print_text(output.clean(f"Changed: {behaviour.told(change)}"), style="yellow")


def _print_history(app: App, reader: LogReader, agent: str, scope: str | None) -> None:
    from streams.audit import router_table, weights_table
    from streams.cli import output
    from streams.cli.render import router_text, weights_text

    points = router_table.history(reader, agent, scope or ALL_SUBJECTS)
    if app.json:
        for point in points:
            output.print_json({"table": "router", **point})
    else:
        output.console().print(router_text.course(list(points)))
    if scope is not None:
        return
    taught = weights_table.weights_history(reader, agent)
    if app.json:
        for step in taught:
            output.print_json({"table": "weights", **step})
    elif steps := list(taught):
        output.console().print(weights_text.course(steps))
