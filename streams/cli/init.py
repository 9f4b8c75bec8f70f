"""`orch init`: a configuration file with every setting."""

import shlex
from pathlib import Path

import click

from streams.app.configuration_file import write_configuration
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_unchecked_app
from streams.presets import PresetName
from streams.settings import DEFAULT_CONFIG, PRESETS


@command(
    examples=(
        "orch init",
        "orch init --simulated --force",
        "orch init --preset published --force",
        "orch --config other.toml init",
    ),
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--simulated", is_flag=True, help="Configure simulated agents: no key, no network and no money needed.")
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default="default",
    metavar="NAME",
    help=f"Preset that the file starts from, whose defaults it states: {', '.join(PRESETS)}.",
)
@pass_unchecked_app
def init(app: App, force: bool, simulated: bool, preset: PresetName) -> None:
    """
    Write a commented configuration file, orch.toml.

    The file configures three hosted models of different providers and a local one, with the names of the environment
    variables that hold their keys. With --simulated it configures three simulated agents, and works as it is. Both name
    every setting with its unit and default. --config sets another path. An existing file is kept, unless --force is
    given.
    """
    path = app.config_path
    variables = write_configuration(path, simulated=simulated, replace=force, name=preset)
    if app.json:
        output.print_json({"config": str(path)})
        return
    output.print_text(f"Wrote {path}")
    named = "" if path == Path(DEFAULT_CONFIG) else f" --config {shlex.quote(str(path))}"
    if variables:
        told = " ".join(variables)
        output.print_text(f"It calls real models, with the keys in {told}; remove the agents you do not want.")
        output.print_command(f"orch{named} doctor", "which agents it reaches, and what a question costs")
        output.print_command(f"orch{named} init --simulated --force", "without any key: simulated agents instead")
    output.print_command(f'orch{named} ask "What is 17 times 23?" --number --subject arithmetic', "try it")
