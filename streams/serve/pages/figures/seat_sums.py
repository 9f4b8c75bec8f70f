"""Seats of each agent and their cost, by subject."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ALL = "*"
MOST_SUBJECTS = 200
"""Subjects that are kept apart; questions of further ones are counted together."""

OTHER_SUBJECTS = "(other subjects)"


@dataclass(slots=True)
class SeatSums:
    """Seats of one agent on the questions of one subject."""

    asked: int = 0
    """Questions of whose panel it was one."""
    counted: int = 0
    """Of these, questions on which its ballot counted."""
    agreed: int = 0
    """Of these, questions that were decided as it said."""
    shadowed: int = 0
    """Questions on which it was asked beside the panel."""
    calls: int = 0
    cost_nusd: int = 0
    unpriced_calls: int = 0


class SubjectSums:
    """Seats by subject and agent, as decisions tell them."""

    def __init__(self) -> None:
        self.subjects: dict[str, dict[str, SeatSums]] = {ALL: {}}
        self.questions: dict[str, int] = {ALL: 0}
        """Decisions of each subject."""

    def add(self, decision: Mapping[str, Any]) -> None:
        """Count the seats of one decision."""
        for subject in self._subjects_of(decision):
            self.questions[subject] = self.questions.get(subject, 0) + 1
            agents = self.subjects.setdefault(subject, {})
            for agent, seat, kind in _seats(decision):
                sums = agents.get(agent)
                if sums is None:
                    sums = agents[agent] = SeatSums()
                _count(sums, seat, kind, decision["answer"])

    def _subjects_of(self, decision: Mapping[str, Any]) -> tuple[str, ...]:
        named = decision["scopes"][1:2]
        if not named:
            return (ALL,)
        known = named[0] in self.subjects or len(self.subjects) < MOST_SUBJECTS
        return ALL, named[0] if known else OTHER_SUBJECTS


def _seats(decision: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Give the seats of analysts, each agent of a cascade once."""
    met = set()
    for kind in ("counted", "excluded", "shadows"):
        for seat in decision.get(kind) or ():
            again = (seat["agent"], kind == "shadows") in met
            met.add((seat["agent"], kind == "shadows"))
            yield seat["agent"], seat, "again" if again else kind


def _count(sums: SeatSums, seat: Mapping[str, Any], kind: str, answer: str | None) -> None:
    conduct = seat["conduct"]
    sums.calls += conduct["attempts"]
    sums.cost_nusd += conduct["cost_nusd"]
    sums.unpriced_calls += conduct["unpriced_calls"]
    sums.shadowed += kind == "shadows"
    sums.asked += kind in ("counted", "excluded")
    sums.counted += kind == "counted"
    sums.agreed += kind == "counted" and seat["answer"] == answer
