"""The configuration and the log that a job works with."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from schemas.quantities import instant_of_ms
from streams.log import Appender, LogReader
from streams.processors import PROCESSORS
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.urls import LogUrl, open_reader, open_writer, parse_url
from streams.settings import DEFAULT_CONFIG, DEFAULT_LOG, Config, build_policy, load_config


class Workspace:
    """
    A log with its settings, read on first use.

    Args:
        log: URL of the log. None: that of the configuration file, else the default.
        config: The configuration file. None: orch.toml if it exists, else the defaults.
    """

    def __init__(self, log: str | None = None, config: str | None = None) -> None:
        self._named_log = log
        self._named_config = config

    @property
    def config_path(self) -> Path:
        """The configuration file, whether or not it exists."""
        return Path(self._named_config or DEFAULT_CONFIG)

    @cached_property
    def config(self) -> Config:
        """The configuration file's settings; the defaults if no file was named and orch.toml does not exist."""
        return load_config(self.config_path, required=self._named_config is not None)

    def check_named_configuration(self) -> None:
        """
        Read the configuration file if one was named, and check every value in it.

        Raises:
            UsageError: It is missing, unreadable or not TOML, or a name or value in it is wrong.
        """
        if self._named_config is not None and "agents" in self.config.fields:
            build_policy(self.config, instant_of_ms(0))

    @property
    def log_url(self) -> str:
        """The log's URL."""
        return self._named_log or self.config.log or DEFAULT_LOG

    @property
    def log(self) -> LogUrl:
        """The log's URL in its parts."""
        return parse_url(self.log_url)

    @property
    def names_log(self) -> bool:
        """Whether the log is named explicitly or in the configuration."""
        return bool(self._named_log or self.config.log)

    @property
    def log_exists(self) -> bool:
        """Whether the log exists; a log on Kafka counts as existing, unchecked."""
        return self.log.scheme == "kafka" or self.log.path.exists()

    def use_log_unless_named(self, url: str) -> None:
        """Set a job's own log, unless another one was named on construction."""
        self._named_log = self._named_log or url

    def open_reader(self, *, about: str | None = None, topics: Sequence[str] = ()) -> LogReader:
        """
        Open the log for reading; it must exist.

        Args:
            about: Id of the only question needed, if there is only one; a reader on Kafka reads less then.
            topics: The topics needed, if not all are.
        """
        return open_reader(self.log_url, about=about, topics=topics)

    def open_writer(self, *, folding: bool = True) -> Appender:
        """
        Open the log for appending; an embedded log is created if absent, and opened as its only writer.

        Args:
            folding: Whether a writer of an embedded log folds what it appends.
        """
        faults = CrashPoints.parse(os.environ.get("ORCH_CRASH_AT"))
        return open_writer(self.log_url, PROCESSORS if folding else (), faults=faults)
