"""Log URLs and the runtimes they open."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streams.errors import OperatorError, UsageError
from streams.extras import install_command
from streams.log import Appender, Clock, LogReader, wall_clock_ms
from streams.processors.fold import Processor
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter

_FORMS = "sqlite:///FILE (sqlite:////FILE for an absolute path), a path to a file, or kafka://HOST:PORT"
_SCHEMES = ("sqlite", "kafka", "parquet")


class LogUrl(NamedTuple):
    """The two parts of a log URL; `target` is a path for files, and addresses with a prefix for Kafka."""

    scheme: str
    target: str

    @property
    def path(self) -> Path:
        """The file or directory that the URL names."""
        return Path(self.target).expanduser()


def parse_url(url: str) -> LogUrl:
    """
    Split a log URL: `sqlite:///relative.db`, `sqlite:////absolute.db`, `kafka://HOST:PORT` or `parquet:DIR`.

    A path is a log in that file. What has a colon before the first slash is no path, but a URL.

    Raises:
        UsageError: The URL has none of these forms; the remedy suggests the intended one.
    """
    scheme, colon, rest = url.partition(":")
    if not url.isprintable():
        raise UsageError(f"log URL {_without_password(url)!r} has control characters", remedy=f"Use {_FORMS}")
    if scheme == "sqlite" and colon:
        if not rest.startswith("///") or rest in ("///", "///:memory:"):
            meant = rest.strip("/").replace(":memory:", "") or "orch.db"
            raise UsageError(f"log URL {url!r} names no file", remedy=f"Did you mean sqlite:///{meant}?")
        return LogUrl(scheme, rest[3:])
    if scheme == "kafka" and rest.startswith("//") and rest != "//":
        return LogUrl(scheme, rest[2:])
    if scheme == "parquet" and rest:
        return LogUrl(scheme, rest)
    if url and url not in _SCHEMES and ":" not in url.partition("/")[0]:
        return LogUrl("sqlite", url)
    raise UsageError(f"log URL {_without_password(url)!r} cannot be read", remedy=f"Use {_FORMS}")


def open_writer(
    url: str,
    processors: Sequence[Processor] = (),
    *,
    clock: Clock = wall_clock_ms,
    faults: CrashPoints | None = None,
    topics: Sequence[str] = (),
    served_at: str | None = None,
) -> Appender:
    """
    Open a log for writing. An embedded log gets its only writer, and is created if it does not exist.

    Args:
        processors: Processors that the writer of an embedded log hosts; without any it only appends.
        clock: Source of timestamps of an embedded log.
        faults: Points at which a test kills the writer of an embedded log.
        topics: Topics that the caller appends to; on Kafka the user needs the right to.
        served_at: URL at which the caller takes questions for an embedded log.

    Raises:
        UsageError: Not a log URL, or an archive, which is read-only.
        OperatorError: The log cannot be written to now, or not by this version.
    """
    parsed = parse_url(url)
    if parsed.scheme == "sqlite":
        return EmbeddedWriter(parsed.path, processors, clock=clock, faults=faults, served_at=served_at)
    if parsed.scheme == "kafka":
        return _kafka_writer(parsed, topics)
    raise UsageError(f"{url}: an archive is read-only", remedy=f"Write to {_FORMS}")


def open_reader(url: str, *, about: str | None = None, topics: Sequence[str] = ()) -> LogReader:
    """
    Open a log for reading; it is neither created nor changed.

    Args:
        about: Question id, if the caller asks about one question only; a reader may skip other partitions.
        topics: Topics that the caller asks for; all if empty.

    Raises:
        UsageError: Not a log URL, or no archive is there.
        OperatorError: The log does not exist, or cannot be read, or not by this version.
        DifferenceError: An archive's manifest is damaged.
    """
    parsed = parse_url(url)
    if parsed.scheme == "sqlite":
        return EmbeddedReader(parsed.path)
    if parsed.scheme == "kafka":
        return _kafka_reader(parsed, about, topics)
    # Loaded for archives alone: DuckDB takes a tenth of a second.
    from streams.runtimes.archive.opening import open_archive

    return open_archive(parsed.path)


def _kafka_reader(url: LogUrl, about: str | None, topics: Sequence[str]) -> LogReader:
    with _extra_needed():
        from streams.runtimes.kafka.client.connection import parse_connection
        from streams.runtimes.kafka.reader import KafkaReader
    return KafkaReader(parse_connection(url.target, os.environ), about=about, topics=topics)


def _kafka_writer(url: LogUrl, topics: Sequence[str]) -> Appender:
    with _extra_needed():
        from streams.runtimes.kafka.client.connection import parse_connection
        from streams.runtimes.kafka.writer import KafkaWriter
    return KafkaWriter(parse_connection(url.target, os.environ), topics)


@contextmanager
def _extra_needed() -> Iterator[None]:
    """Map a failed import to an error that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise OperatorError(
            f"logs on Kafka need {error.name}, which is not installed", remedy=install_command("kafka")
        ) from error


def _without_password(url: str) -> str:
    """Cut off user and password, since error messages may be logged."""
    return url.rpartition("@")[2]
