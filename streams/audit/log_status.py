"""A log at a glance: questions, calls, letters."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.analyses import AnalysisPublished
from schemas.registry import InvalidRecord, decode
from streams.audit.agent_stats import AgentStats
from streams.log import Record
from streams.topology import ANALYSES, DEAD_LETTERS, DECISIONS, QUESTIONS

STATUS_TOPICS = (QUESTIONS, DECISIONS, ANALYSES, DEAD_LETTERS)
"""Topics whose records make up the state."""


@dataclass(frozen=True, slots=True)
class Oldest:
    """The question that has waited longest."""

    question_id: str
    waited_ms: int


@dataclass(slots=True)
class LogStatus:
    """State of a log at one instant."""

    asked: int
    """Questions, each id once."""
    decided: int
    undecided: int
    open: int
    """Questions without a decision."""
    oldest: Oldest | None
    recent_ms: int
    """Length of the last while, before the instant of the state."""
    recently_decided: int
    """Decisions in the last while, undecided ones included."""
    agents: dict[str, AgentStats] = field(default_factory=dict)
    """Calls in the last while, by agent."""
    dead_letters: int = 0

    def as_json(self) -> dict[str, Any]:
        """Give this part of the contract of `orch status --format json`."""
        oldest = self.oldest
        return {
            "questions": {
                "asked": self.asked,
                "decided": self.decided,
                "undecided": self.undecided,
                "open": self.open,
            },
            "oldest_open": oldest and {"question_id": oldest.question_id, "seconds": oldest.waited_ms / 1000},
            "dead_letters": self.dead_letters,
            "recent": {
                "seconds": self.recent_ms / 1000,
                "decisions": self.recently_decided,
                "agents": {name: _calls(agent) for name, agent in sorted(self.agents.items())},
            },
        }


def _calls(agent: AgentStats) -> dict[str, Any]:
    """Give what the calls of an agent did; whether it was right is no question of state."""
    told = agent.as_json()
    return {name: value for name, value in told.items() if name not in ("accuracy", "questions")}


class StatusTally:
    """
    Keeps the state while records are added; the order between topics does not matter.

    Ids of all questions stay in memory, some 100 bytes each, because Kafka may repeat a record.

    Args:
        recent_ms: Length of the last while.
    """

    def __init__(self, recent_ms: int) -> None:
        self._recent_ms = recent_ms
        self._open: dict[str, int] = {}
        """Timestamp of the first record of each open question."""
        self._status: dict[str, bool] = {}
        """Whether each question that has a decision was decided."""
        self._asked: dict[str, None] = {}
        self._decided = 0
        self._letters = 0
        self._decisions: deque[int] = deque()
        """Timestamps of recent decisions."""
        self._analyses: deque[tuple[int, AnalysisPublished]] = deque()

    def add(self, records: Iterable[Record], now_ms: int) -> None:
        """Add records; of analyses and decisions before the last while only the state counts."""
        since_ms = now_ms - self._recent_ms
        for record in records:
            if record.topic == DEAD_LETTERS:
                self._letters += 1
            elif record.topic != ANALYSES or record.timestamp_ms >= since_ms:
                self._take(record, since_ms)

    def _take(self, record: Record, since_ms: int) -> None:
        try:
            event: Any = decode(record.topic, record.value, record.timestamp_ms)
        except InvalidRecord:
            # A stage makes a dead letter of it.
            return
        match record.topic:
            case "orch.questions":
                self._ask(event.question_id, record.timestamp_ms)
            case "orch.decisions":
                self._decide(event.question_id, event.status == "decided", record.timestamp_ms, since_ms)
            case _:
                self._analyses.append((record.timestamp_ms, event))

    def _ask(self, question_id: str, timestamp_ms: int) -> None:
        if question_id not in self._asked:
            self._asked[question_id] = None
            if question_id not in self._status:
                self._open[question_id] = timestamp_ms

    def _decide(self, question_id: str, decided: bool, timestamp_ms: int, since_ms: int) -> None:
        if question_id in self._status:
            return
        self._status[question_id] = decided
        self._decided += decided
        self._open.pop(question_id, None)
        if timestamp_ms >= since_ms:
            self._decisions.append(timestamp_ms)

    def at(self, now_ms: int) -> LogStatus:
        """Give the state at an instant not before that of the last records."""
        since_ms = now_ms - self._recent_ms
        self._decisions = deque(ms for ms in self._decisions if ms >= since_ms)
        self._analyses = deque(one for one in self._analyses if one[0] >= since_ms)
        agents: dict[str, AgentStats] = {}
        seen: dict[str, None] = {}
        for _, analysis in self._analyses:
            if analysis.event_id not in seen:
                seen[analysis.event_id] = None
                agents.setdefault(analysis.agent, AgentStats()).add(analysis)
        oldest = min(self._open.items(), key=lambda item: item[1], default=None)
        return LogStatus(
            asked=len(self._asked),
            decided=self._decided,
            undecided=len(self._status) - self._decided,
            open=len(self._open),
            oldest=oldest and Oldest(oldest[0], max(0, now_ms - oldest[1])),
            recent_ms=self._recent_ms,
            recently_decided=len(self._decisions),
            agents=agents,
            dead_letters=self._letters,
        )
