"""Shared options, help with examples, and lazy loading of commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import click


@dataclass(slots=True)
class SharedOptions:
    """Values of the shared options and their environment variables; None if not given."""

    log: str | None = None
    config: str | None = None
    format: Literal["text", "json"] | None = None
    verbose: bool = False
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    interrupted: str = ""
    """Advice that is printed if the command is interrupted; each command sets its own."""


def shared_options() -> list[click.Parameter]:
    """
    Make the options that every command takes, before its name or after it.

    Values go into the `SharedOptions` of the invocation; a value after the command's name takes precedence.
    """
    options: list[click.Parameter] = [
        click.Option(
            ["--log"],
            metavar="URL",
            envvar="ORCH_LOG",
            help="The log, or a path to one; else ORCH_LOG, else sqlite:///orch.db.",
            shell_complete=_complete_file,
        ),
        click.Option(
            ["--config"],
            metavar="FILE",
            envvar="ORCH_CONFIG",
            help="Configuration; else ORCH_CONFIG, else orch.toml.",
            shell_complete=_complete_file,
        ),
        click.Option(
            ["--format"],
            type=click.Choice(["text", "json"]),
            help="For people (the default), or JSON Lines.",
        ),
        click.Option(
            ["--verbose"], is_flag=True, default=False, help="All log lines on stderr; a traceback of what fails."
        ),
        click.Option(
            ["--log-level"],
            type=click.Choice(["debug", "info", "warning", "error"]),
            envvar="ORCH_LOG_LEVEL",
            help="Lowest level of the log lines; else ORCH_LOG_LEVEL, else warning.",
        ),
    ]
    for option in options:
        option.expose_value = False
        option.callback = _note
    return options


def _note(context: click.Context, option: click.Parameter, value: Any) -> None:
    source = context.get_parameter_source(option.name or "")
    # The environment counts once, before the command's name; read again after it, it would override a flag before it.
    told_before = context.parent is not None and source is click.core.ParameterSource.ENVIRONMENT
    if value and option.name and not told_before:
        setattr(context.ensure_object(SharedOptions), option.name, value)


def _complete_file(context: click.Context, option: click.Parameter, typed: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(typed, type="file")]


class Command(click.Command):
    """
    A command with examples and the shared options.

    Its function may return an exit code; None is 0.

    Args:
        examples: Command lines that run as they stand, shown by --help and run by a test.
    """

    def __init__(self, *args: Any, examples: Sequence[str], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = tuple(examples)
        self._shared = shared_options()

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """List the command's own parameters, then the shared ones."""
        own = super().get_params(ctx)
        return [*own[:-1], *self._shared, *own[-1:]]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options apart from the shared ones."""
        for title, options in (
            ("Options", [p for p in super().get_params(ctx) if isinstance(p, click.Option)]),
            ("Options of every command", self._shared),
        ):
            records = [record for option in options if (record := option.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog and the examples."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def command(
    *, examples: Sequence[str], epilog: str | None = None, name: str | None = None
) -> Callable[[Callable[..., int | None]], Command]:
    """
    Make a function a command; the first line of its docstring is its line in `orch --help`.

    Args:
        examples: Command lines that work.
        epilog: Printed at the end of its help.
        name: Else that of the function.
    """

    def decorate(function: Callable[..., int | None]) -> Command:
        return click.command(name, cls=Command, examples=examples, epilog=epilog)(function)

    return decorate
