"""Smallest change of one agent's weight that gives another answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from schemas.decisions import Ballot, DecisionMade
from schemas.odds import MOST_WEIGHT, Member
from schemas.panels import PanelAssigned
from schemas.quantities import PPB
from streams.audit.explain.counterfactual.rederivation import DecidedQuestion, WhatFollows
from streams.processors.ballot import deciding_rule, odds_of
from streams.processors.odds.switches import AGENT, start_of

Quantity = Literal["quality_ppb", "weight"]


@dataclass(frozen=True, slots=True)
class Dial:
    """The one number in a panel that weighs an agent's ballot."""

    agent: str
    quantity: Quantity
    """`quality_ppb`, of which the ballot's weight is the log-odds; `weight` under `odds`, in units of 1/65,536 nat."""
    name: str
    """Of the weight under `odds`: the agent's own, or that of its grounds where agreement teaches."""
    value: int
    least: int
    most: int

    def set(self, panel: PanelAssigned, value: int) -> PanelAssigned:
        """Give the panel with another value."""
        if self.quantity == "quality_ppb":
            candidates = tuple(
                known.model_copy(update={"quality_ppb": value}) if known.agent == self.agent else known
                for known in panel.candidates
            )
            return panel.model_copy(update={"candidates": candidates})
        odds = odds_of(panel)
        assert odds is not None, "a weight of this kind is of a panel under `odds`"
        members = tuple(self._member(member, value) for member in odds.members)
        return panel.model_copy(update={"odds": odds.model_copy(update={"members": members})})

    def _member(self, member: Member, value: int) -> Member:
        if member.agent != self.agent:
            return member
        return member.model_copy(update={"weights": {**member.weights, self.name: value}})


@dataclass(frozen=True, slots=True)
class WeightMargin:
    """How far one agent's weight is from another answer."""

    dial: Dial
    ballot: Ballot
    flips_at: int | None
    """The nearest value from which another answer follows; None: no value of this agent alone gives one."""
    outcome: WhatFollows | None
    """What follows there."""

    @property
    def step(self) -> int | None:
        """Signed distance of that value."""
        return None if self.flips_at is None else self.flips_at - self.dial.value

    @property
    def weight(self) -> int | None:
        """Weight of the ballot there, in micro-nats."""
        decision = None if self.outcome is None else self.outcome.decision
        if decision is None:
            return None
        return next((one.weight for one in decision.counted if one.agent == self.dial.agent), None)


def weight_margins(record: DecidedQuestion, decision: DecisionMade) -> list[WeightMargin]:
    """
    Search, for each agent whose ballot counted, the nearest weight that gives another answer.

    Source of the method: as one weight grows, the score of one answer grows and all others stay, so at each stage the
    leader changes once at most, and while it leads its posterior only rises or only falls. Two values with the same
    leaders and the same outcomes have nothing else between them; all others are halved until they meet.

    Returns:
        In the order of the ballots; empty under `vote`, where every ballot weighs the same.
    """
    return [_margin(record, decision, dial, ballot) for dial, ballot in _dials(record.panel, decision)]


def is_exact(decision: DecisionMade) -> bool:
    """
    Whether nothing nearer can have been missed.

    Where agents are asked as long as a call pays, the expected gain is no plain function of one weight.
    """
    return all(getattr(step, "gain", None) is None for step in decision.trace)


def _dials(panel: PanelAssigned, decision: DecisionMade) -> Iterator[tuple[Dial, Ballot]]:
    rule, odds = deciding_rule(panel), odds_of(panel)
    quality = {candidate.agent: candidate.quality_ppb for candidate in panel.candidates}
    for place, ballot in enumerate(decision.counted):
        if rule == "odds" and odds is not None:
            member = next(member for member in odds.members if member.agent == ballot.agent)
            name = AGENT if odds.settings.learn_from == "feedback" else _grounds(decision, place)
            value = member.weights.get(name, start_of((ballot.agent, name)))
            yield Dial(ballot.agent, "weight", name, value, -MOST_WEIGHT, MOST_WEIGHT), ballot
        elif rule != "vote":
            yield Dial(ballot.agent, "quality_ppb", "quality", quality[ballot.agent], 0, PPB), ballot


def _grounds(decision: DecisionMade, place: int) -> str:
    odds = getattr(decision, "odds", None)
    return AGENT if odds is None else str(odds.evidence[place].grounds)


def _margin(record: DecidedQuestion, decision: DecisionMade, dial: Dial, ballot: Ballot) -> WeightMargin:
    seen: dict[int, WhatFollows] = {}

    def look(value: int) -> WhatFollows:
        if value not in seen:
            seen[value] = record.outcome(panel=dial.set(record.panel, value))
        return seen[value]

    def flips(outcome: WhatFollows) -> bool:
        return outcome.state == "decided" and outcome.answer != decision.answer

    ends = (dial.least, dial.most)
    found = [at for end in ends if (at := nearest(dial.value, end, look, flips)) is not None]
    if not found:
        return WeightMargin(dial, ballot, None, None)
    at = min(found, key=lambda value: (abs(value - dial.value), value))
    return WeightMargin(dial, ballot, at, look(at))


def nearest(
    start: int, end: int, look: Callable[[int], WhatFollows], flips: Callable[[WhatFollows], bool]
) -> int | None:
    """
    Find the value nearest to *start*, on the way to *end*, from which another answer follows.

    Args:
        start: A value from which none follows.
        end: The last value.
        look: Derives with a value.
        flips: Whether that is another answer.
    """
    first, last = look(start), look(end)
    if start == end or (first.state, first.answer, first.course) == (last.state, last.answer, last.course):
        return None
    if abs(end - start) == 1:
        return end if flips(last) else None
    middle = start + (end - start) // 2 if end > start else start - (start - end) // 2
    found = nearest(start, middle, look, flips)
    return nearest(middle, end, look, flips) if found is None else found
