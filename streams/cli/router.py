"""`orch router`: the router's table and its history."""

import click

from schemas.questions import ALL_SUBJECTS
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import UsageError
from streams.topology import OBSERVATIONS, POLICIES, ROUTER


@command(examples=["orch router", "orch router --at q1", "orch --format json router --history gpt-4o-mini --scope law"])
@click.option("--at", "question_id", metavar="QUESTION_ID", help="Table as it was for this question.")
@click.option("--history", "agent", metavar="AGENT", help="History of this agent's averages, step by step.")
@click.option("--scope", metavar="SCOPE", help="One subject, or * for all subjects; the default of --history is *.")
@pass_app
def router(app: App, question_id: str | None, agent: str | None, scope: str | None) -> None:
    """
    Show the router's table, or the history of one agent.

    For each scope and agent: rank and score under the policy in force, and the averages of quality, latency, cost and
    stability with the number of observations n behind the quality. "used" is the quality after shrinkage towards all
    subjects; the score is computed from it.
    """
    from streams.audit import router_table
    from streams.cli import output
    from streams.cli.render import router_text

    if question_id is not None and agent is not None:
        raise UsageError("--at and --history were given together", remedy="Give one of them")
    topics = (OBSERVATIONS, ROUTER) if agent is not None else (POLICIES, ROUTER)
    with app.open_reader(about=question_id, topics=() if question_id is not None else topics) as reader:
        if agent is not None:
            points = router_table.history(reader, agent, scope or ALL_SUBJECTS)
            if app.json:
                for point in points:
                    output.print_json(point)
            else:
                output.console().print(router_text.course(list(points)))
            return
        if question_id is None:
            table = router_table.table_now(reader, scope)
        else:
            table = router_table.table_at(reader, question_id, scope)
    if app.json:
        for line in table["lines"]:
            output.print_json({"policy_id": table["policy_id"], "at": table["at"], **line})
    else:
        output.console().print(router_text.standing(table))
