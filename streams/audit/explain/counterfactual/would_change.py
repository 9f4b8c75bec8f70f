"""Counterfactual changes of a decision, in JSON shape."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypedDict

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned
from streams.audit.explain.counterfactual.ballot_margin import BallotMargin, ChangeTried, answers_tried, ballot_margin
from streams.audit.explain.counterfactual.rederivation import AskedOf, DecidedQuestion, WhatFollows
from streams.audit.explain.counterfactual.weight_margin import WeightMargin, is_exact, weight_margins
from streams.processors.ballot import deciding_rule
from streams.processors.own_rules import rule_of

_UNDIGESTED = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
"""Errors of a rule that is given events which contradict each other."""


class WouldFollow(TypedDict):
    """What would have followed."""

    state: Literal["decided", "undecided", "open"]
    """`open`: further agents would have been asked, whose answers the log does not hold."""
    answer: str | None
    asked: list[str]
    """Whom an open question would have waited for."""
    role: str | None
    """Their role: a merge agent would have read other analyses."""


class BallotChanged(TypedDict):
    """One ballot with another answer."""

    agent: str
    role: str
    before: str | None
    """None: it did not count."""
    after: str | None


class ChangeFound(TypedDict):
    """Ballots that change together, and what would have followed."""

    ballots: list[BallotChanged]
    follows: WouldFollow


class BallotsWouldChange(TypedDict):
    """The smallest number of ballots from which another answer follows; of an undecided question, any answer."""

    smallest: ChangeFound | None
    """None: no change was found."""
    nothing_below: int
    """No change of fewer ballots than this gives another answer; equal to the smallest one where that is proved."""
    opens: ChangeFound | None
    """A smaller change after which further agents would have been asked."""
    answers_tried: list[str]
    """Answers that ballots were changed to; those that nobody gave stand for all others that nobody gave."""


class BallotMissing(TypedDict):
    """One ballot left out, as if the agent's calls had failed."""

    agent: str
    role: str
    answer: str
    follows: WouldFollow
    changes: bool
    """Whether another answer follows, or none."""


class BallotAdded(TypedDict):
    """A seat that did not count, had it answered."""

    agent: str
    role: str
    answer: str
    follows: WouldFollow


class WeightWouldChange(TypedDict):
    """The nearest weight of one agent from which another answer follows."""

    agent: str
    answer: str
    quantity: Literal["quality_ppb", "weight"]
    """`quality_ppb`, whose log-odds are the ballot's weight; `weight` under `odds`, in units of 1/65,536 nat."""
    value: int
    weight: int
    """Of the ballot, in micro-nats."""
    flips_at: int | None
    """None: no value of this agent alone gives another answer."""
    weight_there: int | None
    follows: WouldFollow | None


class WeightsWouldChange(TypedDict):
    """Weights of single agents, in the order of the ballots."""

    agents: list[WeightWouldChange]
    smallest: str | None
    """The agent whose weight has to move least; None: no weight of one agent gives another answer."""
    exact: bool
    """Whether no smaller change can have been missed."""
    not_derived: str | None
    """Why there are no weights to change."""


class WouldChange(TypedDict):
    """What would have changed a decision, derived again by the rule itself."""

    not_derived: str | None
    """Why nothing could be derived; then all else is empty."""
    ballots: BallotsWouldChange | None
    missing: list[BallotMissing]
    added: list[BallotAdded]
    """Those answers of excluded agents from which another answer follows."""
    weights: WeightsWouldChange | None


def would_change(panel: PanelAssigned, events: Iterable[Event], decision: DecisionMade) -> WouldChange:
    """
    Say what would have changed a decision.

    Args:
        panel: The panel.
        events: Events about the question, those that the decision names among them.
        decision: The decision.
    """
    own = rule_of(panel)
    if own is not None:
        return _nothing(
            f"the merge rule {own.name} of {own.distribution} is none of ours, and its code is not run here"
        )
    try:
        record = DecidedQuestion.of(panel, events, decision)
        derived = record.outcome().decision
    except _UNDIGESTED as error:
        return _nothing(f"the events contradict each other ({type(error).__name__})")
    if derived is None or derived.encode() != decision.encode():
        return _nothing("the decision does not follow from the events that it names; `orch replay` says where")
    analysts = {voice.agent: voice for voice in (*record.analyses, *record.silent) if voice.role == "analyst"}
    counted = [analysts[ballot.agent] for ballot in decision.counted]
    excluded = [analysts[one.agent] for one in decision.excluded]
    mergers = [voice for voice in (*record.analyses, *record.silent) if voice.role == "merger"]
    counted, excluded = (
        (counted, [*excluded, *mergers]) if decision.verdict_id is None else ([*counted, *mergers], excluded)
    )
    voters = counted if decision.answer is not None else excluded
    return WouldChange(
        not_derived=None,
        ballots=_ballots(record, decision, voters),
        missing=_missing(record, decision, counted),
        added=_added(record, decision, excluded) if decision.answer is not None else [],
        weights=_weights(record, decision),
    )


def _nothing(why: str) -> WouldChange:
    return WouldChange(not_derived=why, ballots=None, missing=[], added=[], weights=None)


def _ballots(record: DecidedQuestion, decision: DecisionMade, voters: list[AskedOf]) -> BallotsWouldChange | None:
    if not voters:
        return None
    margin: BallotMargin = ballot_margin(record, decision, voters)
    return BallotsWouldChange(
        smallest=_found(decision, margin.smallest),
        nothing_below=margin.nothing_below,
        opens=_found(decision, margin.opens),
        answers_tried=answers_tried(record, decision, 1),
    )


def _found(decision: DecisionMade, found: ChangeTried | None) -> ChangeFound | None:
    if found is None:
        return None
    ballots = [
        BallotChanged(agent=voice.agent, role=voice.role, before=_answer_of(decision, voice), after=after)
        for voice, after in found.changes.items()
    ]
    return ChangeFound(ballots=ballots, follows=_follows(found.outcome))


def _answer_of(decision: DecisionMade, voice: AskedOf) -> str | None:
    if voice.role == "merger":
        return decision.answer if decision.verdict_id is not None else None
    return next((ballot.answer for ballot in decision.counted if ballot.agent == voice.agent), None)


def _missing(record: DecidedQuestion, decision: DecisionMade, voices: list[AskedOf]) -> list[BallotMissing]:
    missing = []
    for voice in voices:
        outcome = record.outcome({voice: None})
        missing.append(
            BallotMissing(
                agent=voice.agent,
                role=voice.role,
                answer=_answer_of(decision, voice) or "",
                follows=_follows(outcome),
                changes=outcome.state != "open" and outcome.answer != decision.answer,
            )
        )
    return missing


def _added(record: DecidedQuestion, decision: DecisionMade, excluded: list[AskedOf]) -> list[BallotAdded]:
    added = []
    for voice in excluded:
        for answer in answers_tried(record, decision, 1):
            outcome = record.outcome({voice: answer})
            if outcome.state == "decided" and outcome.answer != decision.answer:
                added.append(BallotAdded(agent=voice.agent, role=voice.role, answer=answer, follows=_follows(outcome)))
    return added


def _weights(record: DecidedQuestion, decision: DecisionMade) -> WeightsWouldChange | None:
    if decision.answer is None:
        return None
    none: Mapping[str, str] = {
        "vote": "every ballot counts one under `vote`",
        "verdict": "the merge agent's verdict decides, whatever the ballots weigh",
    }
    why = "verdict" if decision.verdict_id is not None and deciding_rule(record.panel) == "agent" else ""
    if deciding_rule(record.panel) == "vote":
        why = "vote"
    if why:
        return WeightsWouldChange(agents=[], smallest=None, exact=True, not_derived=none[why])
    margins = weight_margins(record, decision)
    return WeightsWouldChange(
        agents=[_weight(margin) for margin in margins],
        smallest=_least(margins),
        exact=is_exact(decision),
        not_derived=None,
    )


def _weight(margin: WeightMargin) -> WeightWouldChange:
    return WeightWouldChange(
        agent=margin.dial.agent,
        answer=margin.ballot.answer,
        quantity=margin.dial.quantity,
        value=margin.dial.value,
        weight=margin.ballot.weight,
        flips_at=margin.flips_at,
        weight_there=margin.weight,
        follows=None if margin.outcome is None else _follows(margin.outcome),
    )


def _least(margins: list[WeightMargin]) -> str | None:
    """Name the agent whose ballot's weight has to move least; of equal ones the first."""

    def moved(margin: WeightMargin) -> int:
        return abs((margin.weight or 0) - margin.ballot.weight)

    flipping = [margin for margin in margins if margin.flips_at is not None]
    return min(flipping, key=moved).dial.agent if flipping else None


def _follows(outcome: WhatFollows) -> WouldFollow:
    return WouldFollow(state=outcome.state, answer=outcome.answer, asked=list(outcome.asked), role=outcome.role)
