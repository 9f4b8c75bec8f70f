"""The workspace of a command, and its form of output."""

import os
import shlex
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec

import click

from streams import logs
from streams.agents.api_keys import mask_event
from streams.app.workspace import Workspace
from streams.cli.command import SharedOptions

P = ParamSpec("P")

EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_DIFFERENCE = 4


class App(Workspace):
    """
    Settings and log of one invocation.

    A setting comes from its flag, else from its environment variable, else from the configuration file, else it is the
    default.
    """

    def __init__(self, given: SharedOptions) -> None:
        super().__init__(given.log, given.config)
        self._given = given

    @property
    def json(self) -> bool:
        """Whether programs read the output: `--format json`."""
        return self._given.format == "json"

    @property
    def text(self) -> bool:
        """Whether `--format text` was asked for by name; for commands whose data is JSON anyway."""
        return self._given.format == "text"

    @property
    def verbose(self) -> bool:
        """Whether `--verbose` was given."""
        return self._given.verbose

    @property
    def orch(self) -> str:
        """Beginning of a command line that uses the same log."""
        plain = self._named_log is None or self._named_log == os.environ.get("ORCH_LOG")
        return "orch" if plain else f"orch --log {shlex.quote(self.log_url)}"

    def if_interrupted(self, advice: str) -> None:
        """Set the advice that is printed if the command is interrupted from here on."""
        self._given.interrupted = advice


def pass_unchecked_app(function: Callable[Concatenate[App, P], int | None]) -> Callable[P, int | None]:
    """Give a command's function the `App` of its invocation, as first argument; its configuration may be anything."""

    def call(*args: P.args, **kwargs: P.kwargs) -> int | None:
        return function(_app(), *args, **kwargs)

    return update_wrapper(call, function)


def pass_app(function: Callable[Concatenate[App, P], int | None]) -> Callable[P, int | None]:
    """
    Give a command's function the `App` of its invocation, as first argument.

    A configuration that was named is read and checked first, whether or not the command uses it: nobody names a file to
    have it passed over.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> int | None:
        app = _app()
        app.check_named_configuration()
        return function(app, *args, **kwargs)

    return update_wrapper(call, function)


def _app() -> App:
    given = click.get_current_context().ensure_object(SharedOptions)
    logs.configure(verbose=given.verbose, level=given.log_level, mask=mask_event)
    return App(given)
