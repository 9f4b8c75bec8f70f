"""`orch policy`: the policy in force, and its adoption."""

import click
import orjson

from streams.app.adopted_policies import adopted_policy
from streams.app.policies import adopt_policy, policy_in_force
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import UsageError


@command(examples=("orch policy", "orch policy show default", "orch policy adopt", "orch --format json policy show"))
@click.argument("action", type=click.Choice(["show", "adopt"]), default="show", required=False)
@click.argument("given", metavar="[POLICY]", required=False)
@click.option(
    "--force",
    is_flag=True,
    help="Adopt it although workers on Kafka are too old for it, and will leave its questions out.",
)
@pass_app
def policy(app: App, action: str, given: str | None, force: bool) -> None:
    """
    Show the policy in force, or adopt the configured one.

    `show POLICY` shows an earlier one: by its name, by the id of its adoption, or by 12 digits of that.

    A policy is the whole configuration that decisions depend on: agents, prices, routing, merge, learning. Questions
    that are assigned after an adoption use the new policy; those that have a panel keep theirs. `orch run` and `orch
    ask` adopt the configured policy by themselves if it differs; workers on Kafka never do, so that an old file cannot
    undo a new policy.

    On Kafka a policy whose rules are of v2 is adopted only if every worker knows them, that is, has version 0.2 or a
    later one. Upgrade old workers first, one after the other; the old policy stays in force meanwhile.
    """
    if action == "adopt":
        if given is not None:
            raise UsageError(
                "adopt takes the configured policy, and no other", remedy="Name the configuration by --config FILE"
            )
        _adopt(app, force=force)
        return
    newest = policy_in_force(app) if given is None else adopted_policy(app, given)
    if app.json:
        output.print_bytes(newest.encode())
        return
    output.print_bytes(orjson.dumps(orjson.loads(newest.encode()), option=orjson.OPT_INDENT_2))


def _adopt(app: App, *, force: bool) -> None:
    adoption = adopt_policy(app, force=force)
    policy, before = adoption.policy, adoption.before
    if adoption.warning:
        output.say(adoption.warning)
    if not adoption.changed:
        output.print_text(f"Policy {policy.policy_id!r} is in force already, since {policy.occurred_at}.")
        return
    replaced = f" instead of {before.policy_id!r}" if before is not None else ""
    output.print_text(
        f"Policy {policy.policy_id!r} adopted{replaced}: {len(policy.agents)} agents, {policy.event_id[:12]}."
    )
