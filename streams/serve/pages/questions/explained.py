"""Explanations of questions, each read once for all."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from streams.audit.explain.explanation import Explanation

FRESH_S = 0.25
"""Age up to which an explanation is given again."""

SETTLED_S = 5.0
"""The same for a decided question, which only later feedback changes; what would have changed it takes 0.2 s."""

_MOST = 64


class _Kept(NamedTuple):
    told: Explanation
    at: float
    took_s: float


class Explanations:
    """
    The newest explanations of a log.

    Args:
        explain: Reads the log and explains a question.
    """

    def __init__(self, explain: Callable[[str], Awaitable[Explanation]]) -> None:
        self._explain = explain
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._reading: dict[str, asyncio.Task[_Kept]] = {}

    async def of(self, question_id: str, *, fresh: bool = False) -> Explanation:
        """
        Explain a question; who asks while it is read gets the same reading.

        Args:
            fresh: Whether a reading is wanted that begins now.

        Raises:
            UsageError: The log holds no such question.
        """
        kept = self._kept.get(question_id)
        if kept is not None and not fresh:
            limit_s = FRESH_S if kept.told["decision"] is None else SETTLED_S
            if time.monotonic() - kept.at < limit_s:
                return kept.told
        task = None if fresh else self._reading.get(question_id)
        if task is None:
            task = self._reading[question_id] = asyncio.ensure_future(self._read(question_id))
        return (await asyncio.shield(task)).told

    def pause_s(self, question_id: str) -> float:
        """Give the time to wait before one looks again: most of it is left to others."""
        kept = self._kept.get(question_id)
        return FRESH_S if kept is None else max(FRESH_S, 4 * kept.took_s)

    async def _read(self, question_id: str) -> _Kept:
        begun = time.monotonic()
        try:
            told = await self._explain(question_id)
        finally:
            self._reading.pop(question_id, None)
        now = time.monotonic()
        kept = self._kept[question_id] = _Kept(told, now, now - begun)
        self._kept.move_to_end(question_id)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return kept
