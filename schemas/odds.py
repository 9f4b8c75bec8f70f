"""Settings, evidence and trace of the merge rule `odds`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.event import Fact
from schemas.quantities import AgentName, Count, EventId, MicroNats, Name, Positive, Ppb
from schemas.questions import LETTERS

ONE = 1 << 16
"""One, in the fixed point of the rule: a weight is a natural log-odds in units of 1/65,536."""
MOST_WEIGHT = 32 * ONE
"""Bound of a weight, both ways: e^32 to one is beyond what any number of lessons can support."""
MOST_PRECISION = 2**44
"""Bound of a precision: 64 agents share a weight, so one lesson adds at most 64^2 x ONE, and 512 lessons are kept."""
MOST_SEATS = 64
"""Analysts that one question may have."""
MOST_GIVEN = 100
"""
Numbers of a question that travel with its panel. A question with more of them is no calculation, and whether a text
uses them all tells nothing.
"""

Weight = Annotated[int, Field(ge=-MOST_WEIGHT, le=MOST_WEIGHT)]
Precision = Annotated[int, Field(ge=1, le=MOST_PRECISION)]
Share = Annotated[int, Field(ge=0, le=ONE)]
"""A probability in units of 1/65,536."""

QuestionKind = Literal["texts", "values", "number"]
"""`texts`: options of which fewer than 80 % hold a number; `values`: the others; `number`: no options."""
Grounds = Literal["text", "bare", "derived", "stated", "absent", "good", "bad", "none"]
"""
What an answer rests on in its own text.

`text`: options are no numbers, nothing is looked for. Options that are numbers: `bare`, the text has none; `derived`,
the option's number is among its last three; `stated`, it comes before those; `absent`, it does not occur. Numeric
answers: `good`, the text has equations and all hold; `bad`, one is false; `none`, it has none.
"""
GROUNDS: dict[QuestionKind, tuple[Grounds, ...]] = {
    "texts": ("text",),
    "values": ("bare", "derived", "stated", "absent"),
    "number": ("good", "bad", "none"),
}
"""Grounds that answers to a question of each kind may have."""

LearnFrom = Literal["feedback", "agreement"]
AskingMode = Literal["untaught", "warm-up", "audit", "whole panel", "by gain"]

ExactNumber = Annotated[str, StringConstraints(max_length=220, pattern=r"^-?[0-9]+(/[0-9]+)?$")]
"""A fraction in lowest terms, such as `-7/2`; a whole number without a denominator."""
Shape = Annotated[str, StringConstraints(max_length=30, pattern=r"^[a-z]+/[a-z0-9 ]+$")]
"""Name of an option's form: `value/0` (the least number) to `value/8`, `length/longest`."""
TermName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Odds(Fact):
    """How the merge rule `odds` asks and learns."""

    learn_from: LearnFrom = "feedback"
    """
    What teaches the weights. `agreement`: the agents' own agreement, where nobody gives feedback; it asks the whole
    panel, counts plain votes where the answer is a number, and gives no posterior.
    """
    cascade: bool = True
    """Whether agents are asked one by one while that is worth a call; otherwise the whole panel is asked at once."""
    gain_per_call_ppb: Ppb = 6_000_000
    """Right answers that one more call must be expected to win: 0.006; 0.002 is careful."""
    warm_up_lessons: Annotated[int, Field(ge=0, le=1_000_000)] = 50
    """Everybody is asked until so many lessons were learned, or until `warm_up_panels`, whichever comes first."""
    warm_up_panels: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    """Questions on which each agent was asked, at which the warm-up ends though there were few lessons."""
    audit_every: Annotated[int, Field(ge=0, le=1_000_000)] = 25
    """One question in so many, chosen by its id, asks the whole panel; 0: none."""
    option_shapes: bool = False
    """Whether an option's form counts: the rank of its value, the length of its text. It learns how exams are made."""

    @property
    def asks_in_stages(self) -> bool:
        """Whether agents may be asked one after another; agreement needs the whole panel."""
        return self.cascade and self.learn_from == "feedback"


class QuestionFacts(Fact):
    """What the rule must know of a question's text, which only `route` sees."""

    kind: QuestionKind
    negated: bool
    """Whether a choice is asked for by a negation: not, except, least, incorrect, false, never, cannot, without."""
    given: Annotated[tuple[ExactNumber, ...], Field(max_length=MOST_GIVEN)] | None
    """Numbers in the question's text, each once; None where there are more than `MOST_GIVEN`."""
    values: Annotated[tuple[ExactNumber | None, ...], Field(max_length=len(LETTERS))]
    """First number of each option, where the kind is `values`; else empty."""
    shapes: Annotated[tuple[Shape, ...], Field(max_length=len(LETTERS))] | None
    """Shape of each option; empty for a number, whose shape follows from the value; None where shapes do not count."""


class Member(Fact):
    """One agent of a policy as the table of weights knows it, for the kind of the question."""

    agent: AgentName
    skill: Share
    """How often it was right when asked, shrunk to one half."""
    mean: Weight
    """Mean weight of its answers."""
    weights: dict[TermName, Weight]
    """Its own weights that were learned: `agent`, `negated`, and one for each of the grounds."""


class PanelOdds(Fact):
    """The share of the table of weights that one question needs, and how its agents are asked."""

    scope: Name
    """Whose weights: the policy's name."""
    settings: Odds
    mode: AskingMode
    """
    `untaught`: without any lesson the stages and thresholds of `merge` hold, as in a cascade; `warm-up`, `audit`,
    `whole panel`: all agents of the panel are asked in one stage; `by gain`: one by one, while it is worth a call.
    """
    entry_id: EventId | None
    """The entry of the table; None where there is none yet."""
    sequence: Count
    """Its sequence number, which never goes backwards within a partition; 0 without an entry."""
    lessons: Count
    """Lessons behind it."""
    facts: QuestionFacts
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=MOST_SEATS)]
    """All agents of the policy, in the order of its priority list."""
    shared: dict[TermName, Weight]
    """Learned weights that belong to no agent."""


class Gain(Fact):
    """Why the next agent was asked, or not."""

    left: Positive
    """Agents of the panel that are not asked yet."""
    expected_ppb: Count
    """Right answers that asking all of them is expected to win."""
    wanted_ppb: Count
    """Right answers that so many calls must be expected to win."""


class Evidence(Fact):
    """What one counted answer rests on."""

    agent: AgentName
    grounds: Grounds
    uses: bool | None
    """Whether the text has all numbers of the question; None where that is no evidence."""
    repeats: Annotated[int, Field(ge=0, le=3)] | None
    """How often a numeric answer occurs in its text, at most 3; None for an option."""


class Term(Fact):
    """One weight in the score of an answer."""

    name: TermName
    weight: Weight
    times: Annotated[int, Field(ge=1, le=MOST_SEATS)]


class OddsLine(Fact):
    """The score of one answer, term by term."""

    answer: str
    score_unats: MicroNats
    """Sum of the terms, in micro-nats, as in the tally."""
    posterior_ppb: Ppb | None
    """None where the weights were learned from agreement, which makes them too sure."""
    terms: tuple[Term, ...]
    """The largest first."""


class DecisionOdds(Fact):
    """What a decision rests on under the rule `odds`, for readers and for learning."""

    scope: Name
    learn_from: LearnFrom
    kind: QuestionKind
    negated: bool
    shapes: Annotated[tuple[Shape, ...], Field(max_length=len(LETTERS))] | None
    first: AgentName
    """The first agent in the policy's priority list."""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=MOST_SEATS)]
    """For each counted ballot, in the same order."""
    lines: Annotated[tuple[OddsLine, ...], Field(max_length=16)]
    """The best answers, the leader first; empty where another rule decided for want of lessons."""
