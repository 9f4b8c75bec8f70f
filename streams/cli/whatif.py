"""`orch whatif`: recorded analyses under another policy."""

from pathlib import Path

import click

from streams.app.whatif import Counterfactual, near, what_if, without
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.render.terminal import Terminal
from streams.cli.render.whatif_text import print_multiplicity, print_radius, print_what_if
from streams.errors import UsageError


@command(
    examples=(
        "orch whatif --set merge.rule=vote",
        "orch whatif --set routing.panel_size=2 -o flips.csv",
        "orch --format json whatif --without source=gold",
    )
)
@click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting of the policy, named as in orch.toml; several may be given.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A configuration whose policy stands in the place of every policy of the log.",
)
@click.option(
    "--without",
    "distrusted",
    metavar="WHAT=NAME",
    multiple=True,
    help="Which decisions stand on agent=NAME, source=NAME (of feedback) or policy=NAME, and which would differ.",
)
@click.option("--near", "near_set", is_flag=True, help="Which answers hang on a knob one step up or down.")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every changed question to this file (.csv or .jsonl).",
)
@pass_app
def whatif(
    app: App,
    settings: tuple[str, ...],
    policy_file: Path | None,
    distrusted: tuple[str, ...],
    near_set: bool,
    target: Path | None,
) -> None:
    """
    Decide the log's questions again under another policy.

    Takes the recorded analyses, calls no model, and writes nothing to the log. --set changes a setting of each policy
    of the log; without any option the policies are as they were, and nothing changes. Right answers are those of
    feedback.

    A question is "exact" if every analysis that the other policy asks for is recorded, and what its router had learned
    is known exactly too; then a run under that policy, with questions and feedback in the order of this log, gives the
    same answer. "partial": an analysis is not recorded, and the answer is that of the others. "unknown": whom the
    policy asks cannot be said. Nothing is filled in.
    """
    ways = sum((bool(settings or policy_file), bool(distrusted), near_set))
    if ways > 1:
        raise UsageError(
            "--set and --policy, --without, and --near are three questions", remedy="Ask them one after the other"
        )
    if near_set and target is not None:
        raise UsageError("--near gives no file of flips", remedy="--format json lists the questions and policies")
    if near_set:
        multiplicity = near(app, Terminal())
        if app.json:
            output.print_json(multiplicity.as_json())
        else:
            print_multiplicity(multiplicity)
    elif distrusted:
        radius = without(app, distrusted, target, Terminal())
        if app.json:
            output.print_json(radius.as_json())
        else:
            print_radius(radius, app.orch)
    else:
        found = what_if(app, Counterfactual(settings, policy_file, target), Terminal())
        if app.json:
            output.print_json(found.as_json())
        else:
            print_what_if(found, app.orch)
    if target is not None and not app.json:
        output.say(f"The changed questions are in {target}.")
