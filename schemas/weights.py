"""Table of weights of the merge rule `odds`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schemas.event import Event, Fact
from schemas.odds import Precision, QuestionKind, Share, TermName, Weight
from schemas.quantities import AgentName, Count, EventId, Name, Positive
from schemas.rules import TuneRules

MOST_AGENTS = 128
"""
Agents in one table, twice as many as a policy has. Beyond that the one whose last lesson is oldest is forgotten, and
starts anew should it come back.
"""

WeightAndPrecision = tuple[Weight, Precision]
"""A weight in units of 1/65,536 nat, and its precision (inverse step) in units of 1/65,536."""


class Standing(Fact):
    """How one agent has fared on questions of one kind."""

    right: Share
    """Moving average of being right when asked, in units of 1/65,536."""
    asked: Annotated[int, Field(ge=0, le=100)]
    """Lessons behind it, counted up to 100."""
    mean: Weight
    """Moving average of the weight of its answers."""


class AgentWeights(Fact):
    """All that the table knows of one agent."""

    agent: AgentName
    taught: Positive
    """Sequence number of the last entry that it was part of."""
    weights: dict[TermName, WeightAndPrecision]
    """`agent`, `negated`, and one for each of the grounds that its answers had."""
    standing: dict[QuestionKind, Standing]


class WeightsEntry(Event):
    """The whole table of one policy after one lesson; it names the entry before it, so the table is a chain."""

    topic: ClassVar[str] = "orch.weights"

    kind: Literal["weights.entry.v1"] = "weights.entry.v1"
    scope: Name
    """Name of the policy."""
    question_id: Name
    """The question of the lesson."""
    lesson_id: EventId
    """The lesson that made this entry."""
    sequence: Positive
    """Place in the chain of this scope, from 1."""
    previous: EventId | None
    lessons: Count
    """Lessons that count; those that were taken back do not."""
    agents: Annotated[tuple[AgentWeights, ...], Field(max_length=MOST_AGENTS)]
    """In the order in which they first had a lesson."""
    shared: dict[TermName, WeightAndPrecision]
    """Weights that belong to no agent: `supporters/2`, `uses/true`, `letter/A`."""
    tune: TuneRules
    """Rules by which it was computed."""

    @property
    def key(self) -> str:
        return self.scope
