"""Log URLs and the runtimes they open."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streams.errors import OperatorError, UsageError
from streams.log import Appender, Clock, LogReader, wall_clock_ms
from streams.processors.fold import Processor
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter

_FORMS = "sqlite:///FILE (sqlite:////FILE for an absolute path) or kafka://HOST:PORT"


class LogUrl(NamedTuple):
    """A log URL in its two parts; `target` is a path, or what else the scheme needs."""

    scheme: str
    target: str

    @property
    def path(self) -> Path:
        """The file or directory it names."""
        return Path(self.target).expanduser()


def parse_url(url: str) -> LogUrl:
    """
    Split a log URL: `sqlite:///relative.db`, `sqlite:////absolute.db`, `kafka://HOST:PORT` or `parquet:DIR`.

    Raises:
        UsageError: None of these, with what was probably meant.
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
    remedy = f"Did you mean sqlite:///{url}?" if not colon and url else f"Use {_FORMS}"
    raise UsageError(f"log URL {_without_password(url)!r} cannot be read", remedy=remedy)


def open_writer(
    url: str,
    processors: Sequence[Processor] = (),
    *,
    clock: Clock = wall_clock_ms,
    faults: CrashPoints | None = None,
) -> Appender:
    """
    Open a log to write to it: an embedded one as its only writer, and made where there is none.

    Args:
        processors: What the writer of an embedded log hosts; without any it appends only.
        clock, faults: Of an embedded log too.

    Raises:
        UsageError: Not a log URL, or an archive, which nobody writes.
        OperatorError: The log cannot be written to now, or not by this version.
    """
    parsed = parse_url(url)
    if parsed.scheme == "sqlite":
        return EmbeddedWriter(parsed.path, processors, clock=clock, faults=faults)
    if parsed.scheme == "kafka":
        return _kafka_writer(parsed)
    if parsed.scheme == "parquet":
        raise UsageError(f"{url}: an archive is read-only", remedy=f"Write to {_FORMS}")
    raise _unsupported(parsed)


def open_reader(url: str, *, about: str | None = None, topics: Sequence[str] = ()) -> LogReader:
    """
    Open a log to read it; it is neither made nor changed.

    Args:
        about: The one question that will be asked about, so that a reader need not read more than that takes.
        topics: The only topics that will be asked for; all, if none.

    Raises:
        UsageError: Not a log URL.
        OperatorError: There is no such log, or it cannot be read, or not by this version.
    """
    parsed = parse_url(url)
    if parsed.scheme == "sqlite":
        return EmbeddedReader(parsed.path)
    if parsed.scheme == "kafka":
        return _kafka_reader(parsed, about, topics)
    raise _unsupported(parsed)


def _kafka_reader(url: LogUrl, about: str | None, topics: Sequence[str]) -> LogReader:
    with _extra_needed():
        from streams.runtimes.kafka.client.connection import parse_connection
        from streams.runtimes.kafka.reader import KafkaReader
    return KafkaReader(parse_connection(url.target, os.environ), about=about, topics=topics)


def _kafka_writer(url: LogUrl) -> Appender:
    with _extra_needed():
        from streams.runtimes.kafka.client.connection import parse_connection
        from streams.runtimes.kafka.writer import KafkaWriter
    return KafkaWriter(parse_connection(url.target, os.environ))


@contextmanager
def _extra_needed() -> Iterator[None]:
    """Name the extra whose packages the runtime on Kafka imports."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise OperatorError(
            f"logs on Kafka need {error.name}, which is not installed", remedy="pip install 'orch-streams[kafka]'"
        ) from error


def _unsupported(url: LogUrl) -> OperatorError:
    return OperatorError(f"{url.scheme} logs are not available in this version", remedy=f"Use {_FORMS}")


def _without_password(url: str) -> str:
    """Cut off user and password: error messages are kept."""
    return url.rpartition("@")[2]
