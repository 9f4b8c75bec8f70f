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


Pair = tuple[int, int]
"""A weight and its precision, in units of 1/65,536."""


@dataclass(slots=True)
class Table:
    """One table, to be changed by one lesson; what that does not touch is shared with the entry it was read from."""

    pairs: dict[str, dict[str, Pair]] = field(default_factory=dict)
    """By owner and name; those of an owner are copied before they are changed."""
    standings: dict[tuple[str, QuestionKind], Standing] = field(default_factory=dict)
    """Those that the lesson changed."""
    taught: dict[str, int] = field(default_factory=dict)
    """Agents in the order of their first lesson, with the sequence number of the last one."""
    _copied: dict[str, dict[str, Pair]] = field(default_factory=dict)
    _read: dict[str, AgentWeights] = field(default_factory=dict)
    """Lines of the entry, which go on as they are where no lesson taught the agent since."""

    @classmethod
    def of(cls, entry: WeightsEntry | None) -> "Table":
        """Read an entry; without one the table is empty."""
        table = cls()
        if entry is None:
            return table
        table.pairs[SHARED] = entry.shared
        for line in entry.agents:
            table.pairs[line.agent] = line.weights
            table.taught[line.agent] = line.taught
            table._read[line.agent] = line
        return table

    def pair(self, switch: Switch) -> Pair | None:
        """Give a weight with its precision; None before any lesson."""
        owned = self.pairs.get(switch[0])
        return None if owned is None else owned.get(switch[1])

    def weight(self, switch: Switch) -> int:
        """Give a weight, in units of 1/65,536."""
        found = self.pair(switch)
        return start_of(switch) if found is None else found[0]

    def precision(self, switch: Switch) -> int:
        """Give a precision, in units of 1/65,536."""
        found = self.pair(switch)
        return prior_of(switch) if found is None else found[1]

    def move(self, switch: Switch, weight: int, precision: int) -> Pair:
        """Add to a weight and to its precision, within their bounds; give what was added."""
        owner, name = switch
        old_weight, old_precision = self.pair(switch) or (start_of(switch), prior_of(switch))
        moved = min(max(old_weight + weight, -MOST_WEIGHT), MOST_WEIGHT)
        firmer = min(max(old_precision + precision, prior_of(switch)), MOST_PRECISION)
        if owner not in self._copied:
            self._copied[owner] = self.pairs[owner] = dict(self.pairs.get(owner, ()))
        self._copied[owner][name] = moved, firmer
        return moved - old_weight, firmer - old_precision

    def standing(self, agent: str, kind: QuestionKind) -> Standing:
        """Give how an agent has fared on questions of one kind."""
        changed, line = self.standings.get((agent, kind)), self._read.get(agent)
        if changed is not None or line is None:
            return changed or NO_STANDING
        return line.standing.get(kind, NO_STANDING)

    def note(self, agents: tuple[str, ...], sequence: int) -> None:
        """Mark agents as taught; of more than `MOST_AGENTS` forget those whose last lesson is oldest."""
        self.taught.update(dict.fromkeys(agents, sequence))
        if len(self.taught) <= MOST_AGENTS:
            return
        # Equal numbers: the one that is in the table longer goes first, for sorting keeps the order.
        oldest = sorted(self.taught, key=self.taught.__getitem__)[: len(self.taught) - MOST_AGENTS]
        gone = dict.fromkeys(oldest)
        self.taught = {agent: at for agent, at in self.taught.items() if agent not in gone}
        self.pairs = {owner: pairs for owner, pairs in self.pairs.items() if owner not in gone}
        self.standings = {key: standing for key, standing in self.standings.items() if key[0] not in gone}

    def shared(self) -> dict[str, Pair]:
        """Give the weights that belong to no agent, each with its precision."""
        return self.pairs.get(SHARED, {})

    def lines(self) -> tuple[AgentWeights, ...]:
        """Give what is known of each agent."""
        return tuple(self._line(agent, at) for agent, at in self.taught.items())

    def _line(self, agent: str, at: int) -> AgentWeights:
        read = self._read.get(agent)
        if read is not None and read.taught == at:
            return read
        standing = {} if read is None else dict(read.standing)
        standing.update({kind: changed for (owner, kind), changed in self.standings.items() if owner == agent})
        return AgentWeights(agent=agent, taught=at, weights=self.pairs.get(agent, {}), standing=standing)
