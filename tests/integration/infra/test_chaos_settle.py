"""The wait for a log at rest."""

from typing import Any

import pytest

from infra.chaos import rest
from infra.chaos.rest import settle


class Told:
    """Answers what a log's offsets are; the last answer stays."""

    def __init__(self, ends: list[int], agents: list[int], folding: list[int]) -> None:
        self._ends, self._lags = ends, {"agents": agents, "merge": folding}
        self.looks = 0

    def ends(self) -> dict[Any, int]:
        """Give the end of the only partition."""
        self.looks += 1
        return {("orch.decisions", 0): _next(self._ends)}

    def lags(self, stages: Any) -> dict[str, dict[Any, int]]:
        """Give the lag of each stage there."""
        return {stage: {("orch.decisions", 0): _next(self._lags.get(stage, [0]))} for stage in stages}


def _next(values: list[int]) -> int:
    return values.pop(0) if len(values) > 1 else values[0]


def settled(told: Told, *, open_now: int = 0) -> str:
    """Wait without waiting."""
    return settle(told, lambda: open_now, lambda seconds: True, lambda text: None)  # type: ignore[arg-type]


def test_a_log_is_at_rest_once_all_is_committed() -> None:
    """The look that finds no new record and no lag of any stage is the last; time does not matter."""
    told = Told(ends=[5, 6, 6, 6, 6], agents=[3, 0], folding=[2, 0])
    assert settled(told) == ""
    assert told.looks == 4


def test_a_lag_of_agents_does_not_keep_a_log_from_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may lag behind for good, so that time without a new record tells in the end."""
    monkeypatch.setattr(rest, "_QUIET_S", 0.01)
    assert settled(Told([5], agents=[3], folding=[0])) == ""


def test_a_lag_of_a_stage_with_states_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long no record comes."""
    monkeypatch.setattr(rest, "_QUIET_S", 0.01)
    monkeypatch.setattr(rest, "SETTLE_S", 0.1)
    assert "behind are {'merge: orch.decisions/0': 2}" in settled(Told([5], agents=[0], folding=[2]))


def test_an_open_question_is_told_when_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not at rest, however much is committed."""
    monkeypatch.setattr(rest, "_STUCK_S", 0.01)
    assert settled(Told([5], [0], [0]), open_now=2) == "2 questions are open, and nothing happens"
