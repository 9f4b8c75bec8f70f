"""The configuration and the log that a job works with."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from schemas.quantities import instant_of_ms
from streams.app.merge_rules import GROUP, installed_rules, processors
from streams.audit.entry_lookup import SeenEntries
from streams.errors import UsageError
from streams.log import Appender, LogReader
from streams.processors.ballot import RULES
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.urls import LogUrl, open_reader, open_writer, parse_url
from streams.settings import DEFAULT_CONFIG, DEFAULT_LOG, Config, build_policy, config_of, load_config


class Workspace:
    """
    A log with its settings, read on first use.

    Args:
        log: URL of the log. None: that of the configuration file, else the default.
        config: The configuration file, or what stands in one. None: orch.toml if it exists, else the defaults.
    """

    def __init__(self, log: str | None = None, config: str | Mapping[str, Any] | None = None) -> None:
        self._named_log = log
        self._named_config = config if isinstance(config, str) else None
        self._settings = None if isinstance(config, str) else config
        self.served_at: str | None = None
        """URL at which this process takes questions over HTTP; whoever else would write to the file is told."""
        self.seen_entries = SeenEntries()
        """Router entries of the log that were found, for its next explanations."""

    @property
    def config_path(self) -> Path:
        """The configuration file, whether or not it exists."""
        return Path(self._named_config or DEFAULT_CONFIG)

    @cached_property
    def config(self) -> Config:
        """The settings; the defaults if none were given, no file was named, and orch.toml does not exist."""
        if self._settings is not None:
            return _with_rule(config_of(dict(self._settings), "config"))
        return _with_rule(load_config(self.config_path, required=self._named_config is not None))

    def check_named_configuration(self) -> None:
        """
        Read the configuration file if one was named, and check every value in it.

        Raises:
            UsageError: It is missing, unreadable or not TOML, or a name or value in it is wrong.
        """
        named = self._named_config is not None or self._settings is not None
        if named and "agents" in self.config.fields:
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

    def open_writer(self, topics: Sequence[str], *, folding: bool = True) -> Appender:
        """
        Open the log for appending; an embedded log is created if absent, and opened as its only writer.

        Args:
            topics: Topics that the caller appends to; on Kafka the user needs the right to.
            folding: Whether a writer of an embedded log folds what it appends.
        """
        faults = CrashPoints.parse(os.environ.get("ORCH_CRASH_AT"))
        return open_writer(
            self.log_url, processors() if folding else (), faults=faults, topics=topics, served_at=self.served_at
        )


def _with_rule(config: Config) -> Config:
    """
    Give a configuration with the merge rule of another distribution, if it names one.

    Raises:
        UsageError: No rule has this name.
        OperatorError: The rule cannot be used.
    """
    merge = config.fields.get("merge")
    name = merge.get("rule") if isinstance(merge, dict) else None
    if not isinstance(name, str) or name in RULES:
        return config
    installed = installed_rules()
    rule = installed.named(name)
    if rule is None:
        others = ", ".join(each.name for each in installed.rules) or "none"
        raise UsageError(
            f"{config.path}: merge.rule: there is no rule {name!r}",
            remedy=f"Ours are {', '.join(RULES)}; others with an entry point in {GROUP}: {others}",
        )
    return replace(config, own_rule=rule)
