"""`orch policy`: the policy in force, and its adoption."""

import click
import orjson

from streams.app.adopted_policies import adopted_policy
from streams.app.policies import adopt_policy, policy_in_force
from streams.app.policy_history import policy_difference, policy_history, policy_named
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.render.policy_text import print_difference, print_history
from streams.errors import UsageError

HISTORY = "`orch policy history` lists them"

_TAKES = {"show": (0, 1), "adopt": (0,), "history": (0,), "diff": (2,)}
"""Numbers of policies that each action takes."""


@command(
    examples=(
        "orch policy",
        "orch policy show default",
        "orch policy adopt",
        "orch --format json policy show",
        "orch policy history",
        "orch policy diff default first",
    )
)
@click.argument("action", type=click.Choice(["show", "adopt", "history", "diff"]), default="show", required=False)
@click.argument("names", metavar="[A] [B]", nargs=-1)
@click.option(
    "--force",
    is_flag=True,
    help="Adopt it although workers on Kafka are too old for it, and will leave its questions out.",
)
@pass_app
def policy(app: App, action: str, names: tuple[str, ...], force: bool) -> None:
    """
    Show the policy in force, or adopt the configured one.

    `show POLICY` shows an earlier one: by its name, by the id of its adoption, or by 12 digits of that.

    A policy is the whole configuration that decisions depend on: agents, prices, routing, merge, learning. Questions
    that are assigned after an adoption use the new policy; those that have a panel keep theirs. `orch run` and `orch
    ask` adopt the configured policy by themselves if it differs; workers on Kafka never do, so that an old file cannot
    undo a new policy.

    history lists all adoptions. Where one name had several contents, the second is called first#2. diff shows the
    settings in which two policies differ; A and B are such names, or beginnings of ids. show takes one of them, too.

    On Kafka a policy whose rules are of v2 is adopted only if every worker knows them, that is, has version 0.2 or a
    later one. Upgrade old workers first, one after the other; the old policy stays in force meanwhile.
    """
    if len(names) not in _TAKES[action]:
        raise UsageError(
            "`orch policy diff A B` takes two policies, `orch policy show` one or none, the other actions none",
            remedy=f"{HISTORY}; adopt takes the configured one, of --config FILE",
        )
    if action == "history":
        _history(app)
        return
    if action == "diff":
        _difference(app, *names)
        return
    if action == "adopt":
        _adopt(app, force=force)
        return
    newest = adopted_policy(app, names[0]) if names else policy_in_force(app)
    if app.json:
        output.print_bytes(newest.encode())
        return
    output.print_bytes(orjson.dumps(orjson.loads(newest.encode()), option=orjson.OPT_INDENT_2))


def _history(app: App) -> None:
    history = policy_history(app)
    if not app.json:
        print_history(history)
    for one in history if app.json else ():
        output.print_json(one.as_json())


def _difference(app: App, a: str, b: str) -> None:
    history = policy_history(app)
    before, after = policy_named(history, a), policy_named(history, b)
    changes = policy_difference(before.policy, after.policy)
    if not app.json:
        print_difference(before, after, changes)
    for change in changes if app.json else ():
        output.print_json(change._asdict())


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
