"""Counts of requests, faults and concurrency."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from schemas.panels import Role


class Counts:
    """Counts requests for completions; read by other threads while it counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = 0
        self._by: dict[str, Counter[str]] = {name: Counter() for name in ("model", "role", "fault", "error")}
        self._in_flight = 0
        self._peak = 0
        self._tokens = 0

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a request as long as it is under way, however it ends."""
        with self._lock:
            self._total += 1
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def asked(self, model: str, role: Role, fault: str | None) -> None:
        """Count a request that was understood, and the fault it gets."""
        with self._lock:
            self._by["model"][model] += 1
            self._by["role"][role] += 1
            if fault is not None:
                self._by["fault"][fault] += 1

    def error(self, code: str) -> None:
        """Count an answer that is an error, injected or not."""
        with self._lock:
            self._by["error"][code] += 1

    def sent(self, tokens: int) -> None:
        """Count the tokens of a completion that was sent to its end, as far as is known here."""
        with self._lock:
            self._tokens += tokens

    def as_json(self) -> dict[str, Any]:
        """Give all counts: requests as a total and by model, role, fault and error, and the load."""
        with self._lock:
            return {
                "requests": {"total": self._total, **{f"by_{name}": dict(count) for name, count in self._by.items()}},
                "in_flight": self._in_flight,
                "peak_in_flight": self._peak,
                "tokens_sent": self._tokens,
            }
