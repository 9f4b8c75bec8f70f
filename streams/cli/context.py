"""What a command works with: the configuration, the log, and how its output is wanted."""

import os
import shlex
from collections.abc import Callable, Sequence
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from streams import logs
from streams.agents.api_keys import mask_event
from streams.cli.command import Given
from streams.log import Appender, LogReader
from streams.processors import PROCESSORS
from streams.runtimes.embedded.crash_points import FaultPoints
from streams.runtimes.urls import LogUrl, open_reader, open_writer, parse_url
from streams.settings import DEFAULT_CONFIG, DEFAULT_LOG, Config, load_config

P = ParamSpec("P")

EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_DIFFERENCE = 4


class App:
    """
    One invocation's surroundings; what costs anything happens when it is first asked for.

    A setting comes from its flag, else from its environment variable, else from the configuration file, else it is the
    default.
    """

    def __init__(self, given: Given) -> None:
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
        """Whether every detail is wanted."""
        return self._given.verbose

    @property
    def config_path(self) -> Path:
        """The configuration file, whether or not it is there."""
        return Path(self._given.config or DEFAULT_CONFIG)

    @cached_property
    def config(self) -> Config:
        """The configuration file's settings; the defaults where no file was named and there is no orch.toml."""
        return load_config(self.config_path, required=self._given.config is not None)

    @property
    def log_url(self) -> str:
        """The log's URL."""
        return self._given.log or self.config.log or DEFAULT_LOG

    @property
    def log(self) -> LogUrl:
        """The log's URL in its parts."""
        return parse_url(self.log_url)

    @property
    def names_log(self) -> bool:
        """Whether anybody said which log: a flag, the environment or the configuration file."""
        return bool(self._given.log or self.config.log)

    @property
    def orch(self) -> str:
        """How a command line begins that means the same log."""
        named = self._given.log
        plain = named is None or named == os.environ.get("ORCH_LOG")
        return "orch" if plain else f"orch --log {shlex.quote(self.log_url)}"

    @property
    def log_exists(self) -> bool:
        """Whether the log is there, as far as can be told without opening it."""
        return self.log.scheme == "kafka" or self.log.path.exists()

    def use_log_unless_named(self, url: str) -> None:
        """Set the log of a command that has one of its own, for whoever names none by flag or environment."""
        self._given.log = self._given.log or url

    def open_reader(self, *, about: str | None = None, topics: Sequence[str] = ()) -> LogReader:
        """
        Open the log to read it; it must be there.

        Args:
            about: The one question that matters, where only one does; what a log on Kafka need not read, it does not.
            topics: The topics that matter, where not all do.
        """
        return open_reader(self.log_url, about=about, topics=topics)

    def open_writer(self, *, folding: bool = True) -> Appender:
        """
        Open the log to add to it: an embedded one as its only writer, and made where there is none.

        Args:
            folding: Whether a writer of an embedded log folds what it appends.
        """
        faults = FaultPoints.parse(os.environ.get("ORCH_CRASH_AT"))
        return open_writer(self.log_url, PROCESSORS if folding else (), faults=faults)

    def if_interrupted(self, advice: str) -> None:
        """Say what is safe and how to go on, for whoever interrupts from here on."""
        self._given.interrupted = advice


def pass_app(function: Callable[Concatenate[App, P], int | None]) -> Callable[P, int | None]:
    """Give a command's function the `App` of its invocation, as first argument."""

    def call(*args: P.args, **kwargs: P.kwargs) -> int | None:
        given = click.get_current_context().ensure_object(Given)
        logs.configure(verbose=given.verbose, mask=mask_event)
        return function(App(given), *args, **kwargs)

    return update_wrapper(call, function)
