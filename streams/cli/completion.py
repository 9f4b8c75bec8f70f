"""`orch completion`: completion script for a shell."""

import click
from click.shell_completion import get_completion_class

from streams.cli.command import command
from streams.errors import InvariantError


@command(examples=("orch completion bash", 'orch completion zsh > "_orch"', "orch completion fish"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """
    Print the completion script of a shell.

    For bash, put `eval "$(orch completion bash)"` into ~/.bashrc; for zsh, the same with zsh into ~/.zshrc; for fish,
    write the script to ~/.config/fish/completions/orch.fish.
    """
    script = get_completion_class(shell)
    if script is None:
        raise InvariantError(f"click knows no completion for {shell}")
    root = click.get_current_context().find_root().command
    click.echo(script(root, {}, "orch", "_ORCH_COMPLETE").source())
