"""Long jobs of pages, in processes of their own."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

from streams import logs
from streams.app.reporter import Advance, Reporter
from streams.errors import ConflictError, OrchError

TOLD_S = 0.2
"""Seconds between two messages about the progress of a job."""

Job = Callable[..., Any]
"""Takes a reporter, then the arguments it was started with; a function of a module, so that a process can find it."""


@dataclass(frozen=True, slots=True)
class JobState:
    """How far a job is."""

    name: str
    began_ms: int
    """When it began, in milliseconds since 1970."""
    what: tuple[str, ...] = ()
    """What it was asked for, for people."""
    label: str = ""
    done: int = 0
    total: int | None = None
    ended_ms: int | None = None
    result: Any = None
    failure: tuple[str, str] | None = None
    """Why it gave no result, and the remedy."""

    @property
    def runs(self) -> bool:
        """Whether it goes on."""
        return self.ended_ms is None

    @property
    def share(self) -> float | None:
        """Part of the work that is done; None if that is not known."""
        return min(self.done / self.total, 1.0) if self.total else None


@dataclass(slots=True)
class Jobs:
    """
    The last job of each name, of which one runs at a time; it takes one core, and pages are answered meanwhile.

    Args:
        stopped: Says whether the server ends; then the job is ended, too.
    """

    stopped: Callable[[], bool]
    _states: dict[str, JobState] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def last(self, name: str) -> JobState | None:
        """Give the state of the last job of a name; None if there was none."""
        return self._states.get(name)

    @property
    def running(self) -> JobState | None:
        """The job that runs."""
        return next((state for state in self._states.values() if state.runs), None)

    def start(self, name: str, job: Job, *arguments: object, what: tuple[str, ...] = ()) -> None:
        """
        Begin a job.

        Raises:
            ConflictError: Another one runs.
        """
        with self._lock:
            running = self.running
            if running is not None:
                raise ConflictError(
                    f"a {running.name} runs already", remedy="Wait until it has ended, then start again"
                )
            self._states[name] = JobState(name, _now_ms(), what)
        threading.Thread(target=self._watch, args=(name, job, arguments), name=f"orch-{name}", daemon=True).start()

    def _watch(self, name: str, job: Job, arguments: tuple[object, ...]) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        # A daemon ends with the server, however that ends.
        process = context.Process(target=_work, args=(theirs, job, arguments), name=f"orch {name}", daemon=True)
        change: dict[str, Any] = {}
        try:
            process.start()
            theirs.close()
            while "ended_ms" not in change:
                if ours.poll(TOLD_S):
                    change = ours.recv()
                    self._states[name] = replace(self._states[name], **change)
                elif self.stopped():
                    process.terminate()
        except (EOFError, OSError):
            failure = "its process ended early", "Look at the server's messages, and start it again"
            self._states[name] = replace(self._states[name], ended_ms=_now_ms(), failure=failure)
        finally:
            ours.close()
            process.join()


class _Telling(Reporter):
    """Tells the progress of a job to the process that started it."""

    def __init__(self, told: Connection) -> None:
        self._pipe = told

    @contextmanager
    def progress(self, label: str, total: int | None = None) -> Iterator[Advance]:
        """Tell it, not more often than someone looks."""
        done, at = 0, 0.0
        self._pipe.send({"label": label, "done": 0, "total": total})

        def advance(steps: int) -> None:
            nonlocal done, at
            done += steps
            now = time.monotonic()
            if now - at >= TOLD_S:
                at = now
                self._pipe.send({"done": done})

        yield advance
        self._pipe.send({"done": done})


def _work(told: Connection, job: Job, arguments: tuple[object, ...]) -> None:
    logs.configure()
    try:
        result, failure = job(_Telling(told), *arguments), None
    except OrchError as error:
        result, failure = None, (error.message, error.remedy or "")
    told.send({"ended_ms": _now_ms(), "result": result, "failure": failure})
    told.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
