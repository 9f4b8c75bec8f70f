"""`orch policy`: which configuration a log works by, and how it gets another one."""

import click
import orjson

from schemas.policies import PolicyAdopted
from schemas.quantities import instant_of_ms
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import UsageError
from streams.log import LogReader, read_event, wall_clock_ms
from streams.settings import build_policy, same_policy
from streams.topology import POLICIES


@command(examples=("orch policy", "orch policy adopt", "orch --format json policy show"))
@click.argument("action", type=click.Choice(["show", "adopt"]), default="show", required=False)
@pass_app
def policy(app: App, action: str) -> None:
    """
    Show the policy in force, or adopt the configured one.

    A policy is the whole configuration that decisions depend on: agents, prices, routing, merge, learning. Questions
    that are assigned from then on go by the new one; those that have a panel keep theirs. `orch run` and `orch ask`
    adopt the configured policy by themselves where it differs; workers on Kafka never do, so that an old file cannot
    undo a new policy.
    """
    if action == "adopt":
        _adopt(app)
        return
    with app.open_reader(topics=(POLICIES,)) as reader:
        newest = _newest(reader)
    if newest is None:
        raise UsageError(f"{app.log_url} holds no policy", remedy="`orch policy adopt` writes the configured one")
    if app.json:
        output.print_bytes(newest.encode())
        return
    output.print_bytes(orjson.dumps(newest.model_dump(mode="json"), option=orjson.OPT_INDENT_2))


def _adopt(app: App) -> None:
    wanted = build_policy(app.config, instant_of_ms(wall_clock_ms()))
    with app.open_writer(folding=False) as log:
        in_force = log.policy
        if in_force is not None and same_policy(wanted, in_force):
            output.print_text(f"Policy {in_force.policy_id!r} is in force already, since {in_force.occurred_at}.")
            return
        log.append(wanted)
        log.commit()
    replaced = f" instead of {in_force.policy_id!r}" if in_force is not None else ""
    output.print_text(
        f"Policy {wanted.policy_id!r} adopted{replaced}: {len(wanted.agents)} agents, {wanted.event_id[:12]}."
    )


def _newest(reader: LogReader) -> PolicyAdopted | None:
    newest = None
    for record in reader.records((POLICIES,)):
        event = read_event(record)
        if isinstance(event, PolicyAdopted):
            newest = event
    return newest
