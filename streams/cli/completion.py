"""`orch completion`: completion script for a shell."""

import click
from click.shell_completion import get_completion_class

from streams.cli.command import SharedOptions, command
from streams.errors import InvariantError


@command(examples=("orch completion bash", 'orch completion zsh > "_orch"', "orch completion fish"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """
    Print the completion script of a shell.

    For bash, put `eval "$(orch completion bash)"` into ~/.bashrc; for zsh, the same with zsh into ~/.zshrc; for fish,
    write the script to ~/.config/fish/completions/orch.fish.
    """
    given = context.ensure_object(SharedOptions)
    if given.config is not None:
        # Not above: a shell that starts waits for this command.
        from streams.cli.context import App

        App(given).check_named_configuration()
    script = get_completion_class(shell)
    if script is None:
        raise InvariantError(f"click knows no completion for {shell}")
    root = context.find_root().command
    click.echo(script(root, {}, "orch", "_ORCH_COMPLETE").source())
