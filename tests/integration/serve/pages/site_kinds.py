"""Pages over a file, over Kafka, over an archive."""

import signal
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ....e2e.command import Ended
from ....limits import LIMIT_S
from ...command_in_process import Inside
from .site_process import SiteProcess, configure

CHECKPOINTS = "checkpoints.jsonl"

Fixture = Callable[[str], Any]
"""Gives the value of a fixture, so that a broker starts only where one is needed."""

Sites = Callable[[str, Fixture], SiteProcess]
"""Gives pages over a kind of log."""


class Beside(Inside):
    """A directory in which commands run in a thread: an event loop of Playwright runs in the main one."""

    def orch(self, *arguments: str | Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ended:
        """Run `orch` to its end."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(super().orch, *arguments, stdin=stdin, env=env).result()


@contextmanager
def site_over(kind: str, place: Beside, fixture: Fixture) -> Iterator[SiteProcess]:
    """Serve pages over a log of a kind, with a key for checkpoints; the server ends well."""
    assert place.orch("seal", "--init").code == 0
    with _KINDS[kind](place, fixture) as site:
        yield site
        assert site.close() == 0


@contextmanager
def _file(place: Beside, _fixture: Fixture) -> Iterator[SiteProcess]:
    configure(place)
    yield SiteProcess(place, "--checkpoints", CHECKPOINTS)


@contextmanager
def _kafka(place: Beside, fixture: Fixture) -> Iterator[SiteProcess]:
    configure(place)
    log = f"{fixture('broker').url}/{uuid.uuid4().hex[:12]}"
    for arguments in (("topics", "create"), ("policy", "adopt")):
        done = place.orch("--log", log, *arguments)
        assert done.code == 0, done.err
    with place.start("--log", log, "worker", "all", "--state", "-") as worker:
        try:
            yield SiteProcess(place, log=log)
        finally:
            worker.send_signal(signal.SIGTERM)
            _, said = worker.communicate(timeout=LIMIT_S)
    assert worker.returncode == 0, said.decode()


@contextmanager
def _archive(place: Beside, _fixture: Fixture) -> Iterator[SiteProcess]:
    for arguments in (("demo", "--questions", "12"), ("seal",), ("export", "archive")):
        done = place.orch("--log", "demo.db", *arguments)
        assert done.code == 0, done.err
    yield SiteProcess(place, log="parquet:archive")


_KINDS = {"file": _file, "kafka": _kafka, "archive": _archive}
