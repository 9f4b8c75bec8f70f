"""
On-disk cache of live agents' replies, keyed by request hash.

Off unless the configuration names a file. The file holds neither requests nor keys, but the text of replies, with keys
masked, so it is as confidential as the questions.
"""

import json
import sqlite3
from types import TracebackType
from typing import Any, Self

import structlog
from structlog.typing import FilteringBoundLogger

from streams.agents.providers.completion import Completion
from streams.errors import OperatorError

BUSY_MS = 1_000
"""Longest wait for another process's write, in ms. After it the reply is not cached: no call waits for the cache."""

_FIELDS = {
    "text": str,
    "reported_model": str,
    "fingerprint": str,
    "finish_reason": str,
    "input_tokens": int,
    "output_tokens": int,
}

_log: FilteringBoundLogger = structlog.get_logger("orch.reply_cache")


class ReplyCache:
    """
    A file of replies, which several processes may use at the same time.

    Args:
        path: The file; created if absent.

    Raises:
        OperatorError: The file cannot be used.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._failing = False
        self._file: sqlite3.Connection | None = None
        try:
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._file.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            self._file.execute("PRAGMA journal_mode = WAL")
            # A reply lost in a power failure is requested again.
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS replies (request_hash TEXT PRIMARY KEY, completion TEXT NOT NULL)"
                " WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            self.close()
            raise OperatorError(
                f"replies {path}: {error}",
                remedy="Name another file, or none; it holds copies only and may be deleted",
                file=path,
            ) from error

    def get(self, request_hash: str) -> Completion | None:
        """Return the cached completion of a request; None if there is none, or if it cannot be read."""
        row = self._run("SELECT completion FROM replies WHERE request_hash = ?", request_hash)
        return None if row is None else _decoded(row[0])

    def put(self, request_hash: str, completion: Completion) -> None:
        """Cache a completion, if the model stopped by itself and returned text."""
        if completion.finish_reason == "stop" and completion.text:
            fields = {name: getattr(completion, name) for name in _FIELDS}
            self._run(
                "INSERT INTO replies VALUES (?, ?)"
                " ON CONFLICT (request_hash) DO UPDATE SET completion = excluded.completion",
                request_hash,
                json.dumps(fields),
            )

    def close(self) -> None:
        """Close the file; afterwards every lookup misses and nothing is stored."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, statement: str, *values: str) -> tuple[Any, ...] | None:
        """Run one statement; a failure is logged and counts as a cache miss, so it never stops a call."""
        if self._file is None:
            return None
        try:
            row: tuple[Any, ...] | None = self._file.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            if not self._failing:
                _log.warning("replies_failing", file=self.path, reason=str(error))
            self._failing = True
            return None
        self._failing = False
        return row


def _decoded(kept: Any) -> Completion | None:
    """Decode a row; one in any other form than this program writes counts as a miss."""
    try:
        fields = json.loads(kept)
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.keys() != _FIELDS.keys() or not isinstance(fields["text"], str):
        return None
    if fields["finish_reason"] != "stop":
        return None
    for name, kind in _FIELDS.items():
        # The exact type: bool is a subclass of int.
        if fields[name] is not None and type(fields[name]) is not kind:
            return None
    return Completion(**fields)
