"""Table of weights that one lesson reads and moves."""

from dataclasses import dataclass, field

from schemas.odds import MOST_PRECISION, MOST_WEIGHT, ONE, QuestionKind
from schemas.weights import MOST_AGENTS, AgentWeights, Standing, WeightsEntry
from streams.processors.odds.switches import SHARED, Switch, prior_of, start_of

_SHRINKAGE = 10
"""Observations that the prior skill of one half is worth."""
NO_STANDING = Standing(right=ONE // 2, asked=0, mean=ONE)
"""Standing of an agent without a lesson."""


def skill_of(standing: Standing) -> int:
    """Give how often an agent is right when asked, shrunk to one half, in units of 1/65,536."""
    return (standing.right * standing.asked + ONE // 2 * _SHRINKAGE) // (standing.asked + _SHRINKAGE)


@dataclass(slots=True)
class Table:
    """A copy of one table, to be changed by one lesson."""

    weights: dict[Switch, int] = field(default_factory=dict)
    precisions: dict[Switch, int] = field(default_factory=dict)
    standings: dict[tuple[str, QuestionKind], Standing] = field(default_factory=dict)
    taught: dict[str, int] = field(default_factory=dict)
    """Agents in the order of their first lesson, with the sequence number of the last one."""

    @classmethod
    def of(cls, entry: WeightsEntry | None) -> "Table":
        """Read an entry; without one the table is empty."""
        table = cls()
        if entry is None:
            return table
        groups = [(SHARED, entry.shared), *((line.agent, line.weights) for line in entry.agents)]
        for owner, weights in groups:
            for name, (weight, precision) in weights.items():
                table.weights[owner, name], table.precisions[owner, name] = weight, precision
        for line in entry.agents:
            table.taught[line.agent] = line.taught
            table.standings.update({(line.agent, kind): standing for kind, standing in line.standing.items()})
        return table

    def weight(self, switch: Switch) -> int:
        """Give a weight, in units of 1/65,536."""
        found = self.weights.get(switch)
        return start_of(switch) if found is None else found

    def precision(self, switch: Switch) -> int:
        """Give a precision, in units of 1/65,536."""
        found = self.precisions.get(switch)
        return prior_of(switch) if found is None else found

    def move(self, switch: Switch, weight: int, precision: int) -> tuple[int, int]:
        """Add to a weight and to its precision, within their bounds; give what was added."""
        old_weight, old_precision = self.weight(switch), self.precision(switch)
        moved = min(max(old_weight + weight, -MOST_WEIGHT), MOST_WEIGHT)
        firmer = min(max(old_precision + precision, prior_of(switch)), MOST_PRECISION)
        self.weights[switch], self.precisions[switch] = moved, firmer
        return moved - old_weight, firmer - old_precision

    def standing(self, agent: str, kind: QuestionKind) -> Standing:
        """Give how an agent has fared on questions of one kind."""
        return self.standings.get((agent, kind), NO_STANDING)

    def note(self, agents: tuple[str, ...], sequence: int) -> None:
        """Mark agents as taught; of more than `MOST_AGENTS` forget those whose last lesson is oldest."""
        self.taught.update(dict.fromkeys(agents, sequence))
        if len(self.taught) <= MOST_AGENTS:
            return
        # Equal numbers: the one that is in the table longer goes first, for sorting keeps the order.
        oldest = sorted(self.taught, key=self.taught.__getitem__)[: len(self.taught) - MOST_AGENTS]
        gone = dict.fromkeys(oldest)
        self.taught = {agent: at for agent, at in self.taught.items() if agent not in gone}
        self.weights = {switch: weight for switch, weight in self.weights.items() if switch[0] not in gone}
        self.precisions = {switch: value for switch, value in self.precisions.items() if switch[0] not in gone}
        self.standings = {key: standing for key, standing in self.standings.items() if key[0] not in gone}

    def shared(self) -> dict[str, tuple[int, int]]:
        """Give the weights that belong to no agent, each with its precision."""
        return {name: self._both((owner, name)) for owner, name in self.weights if owner == SHARED}

    def lines(self) -> tuple[AgentWeights, ...]:
        """Give what is known of each agent."""
        weights: dict[str, dict[str, tuple[int, int]]] = {agent: {} for agent in self.taught}
        standings: dict[str, dict[QuestionKind, Standing]] = {agent: {} for agent in self.taught}
        for owner, name in self.weights:
            if owner in weights:
                weights[owner][name] = self._both((owner, name))
        for (agent, kind), standing in self.standings.items():
            if agent in standings:
                standings[agent][kind] = standing
        return tuple(
            AgentWeights(agent=agent, taught=at, weights=weights[agent], standing=standings[agent])
            for agent, at in self.taught.items()
        )

    def _both(self, switch: Switch) -> tuple[int, int]:
        return self.weights[switch], self.precision(switch)
