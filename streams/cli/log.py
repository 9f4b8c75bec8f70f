"""`orch log`: start of a log from an archive."""

import click

from streams.app.amounts import counted
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.render.terminal import Terminal

_SHOWN = 20
"""Open questions that are listed for people; JSON lists all."""


@command(
    examples=(
        "orch export archive && orch --log next.db log start --from archive",
        "orch --log next.db replay --origin archive",
    )
)
@click.argument("action", type=click.Choice(["start"]))
@click.option("--from", "archive", metavar="ARCHIVE", required=True, help="Folder that `orch export` wrote.")
@click.option("--force", is_flag=True, help="Start it although workers on Kafka are too old, and will leave it out.")
@pass_app
def log(app: App, action: str, archive: str, force: bool) -> None:
    """
    Start a log from the archive of an earlier one.

    For another retention, other partitions, or another runtime: the log that --log names must be empty. It goes on with
    the policy, the router's table and the weights that the archive ends with. Its first record, the origin, names them
    and the root over the whole archive, and a replay begins there; `replay --origin ARCHIVE` proves that they are what
    the archive's own replay gives.

    Not carried: questions without a decision, which are listed; finish them in the earlier log and export again, or ask
    them in the new one. Feedback on a question of the earlier log teaches nothing here. A budget begins anew.

    On Kafka, make the topics before (`orch topics create`). A start that was ended goes on at the next call.
    """
    from streams.app.log_start import start_log

    app.if_interrupted("On Kafka the same command goes on from here; a file holds nothing of it.")
    started = start_log(app, archive, force=force, reporter=Terminal())
    if started.warning:
        output.say(started.warning)
    if app.json:
        output.print_json(started.as_json())
        return
    origin = started.origin
    output.print_pairs(
        [
            ("origin", f"{origin.event_id[:12]}: log {origin.log}, {counted(origin.records, 'record')}"),
            ("root", origin.root),
            ("policy", f"{origin.policy_id}, {origin.adopted[:12]}"),
            (
                "carried",
                f"{origin.router.entries} router entries, {counted(origin.weights.entries, 'table')} of weights",
            ),
            ("not carried", f"{counted(origin.open_questions, 'question')} without a decision"),
        ]
    )
    if started.open_questions:
        more = len(started.open_questions) - _SHOWN
        named = ", ".join(started.open_questions[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        output.say(
            f"Without a decision there: {named}. Finish them in the earlier log before you start this one, or ask them"
            " again in this one."
        )
