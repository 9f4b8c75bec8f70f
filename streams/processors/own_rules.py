"""Merge rules of other distributions: contract and rulings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from schemas.analyses import AnalysisPublished
from schemas.canonical import MAX_INTEGER
from schemas.decisions import LONGEST_NOTE, Ballot
from schemas.own_rules import OwnRule
from schemas.panels import PanelAssigned


class RuleMissingError(Exception):
    """A question's merge rule is none of those that the host was given; the host stops, and a person installs it."""

    def __init__(self, rule: OwnRule) -> None:
        super().__init__(f"a question needs the merge rule {rule}, which is not installed here, or not as it was")
        self.remedy = (
            f"Install {rule.distribution}=={rule.distribution_version} with the files of then, and start again"
        )


@dataclass(frozen=True, slots=True)
class RuleBallot:
    """One readable answer."""

    agent: str
    stage: int
    answer: str
    """A letter, or a canonical number."""
    text: str
    """The analysis."""
    rank: int
    """Place of the agent in the priority list, from 0; it settles ties."""
    quality_ppb: int
    """What the router knew of the agent, in parts per billion."""
    latency_ms: int | None
    cost_nusd: int


@dataclass(frozen=True, slots=True)
class RuleCase:
    """What a rule decides from."""

    ballots: tuple[RuleBallot, ...]
    """At least as many as the quorum, in the order of the seats."""
    choices: int
    """Number of possible answers; for a number, the policy's `number_choices`."""
    number: bool
    """Whether the answer is a number."""
    options: tuple[str | None, ...]
    """Texts of the options in the order of their letters; None for one of more than 1,000 characters."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a rule decides."""

    answer: str | None
    """One of the ballots' answers; None: the question is undecided."""
    weights: tuple[int, ...] = ()
    """Weight of each ballot in the tally, in a unit of the rule's own; empty: each counts 1."""
    note: str = ""
    """What the trace is to say, in at most `LONGEST_NOTE` characters."""


@dataclass(frozen=True, slots=True)
class MergeRule:
    """
    A merge rule of another distribution: the object that its entry point in the group `orch.merge_rules` names.

    Attributes:
        version: Its version; a rule whose answers change gets a new one.
        decide: A pure function: the same case gives the same ruling, on any machine and with any hash seed. It sees no
            clock, no file, no network and no random number, and reckons in integers, for floats differ between
            machines. What it raises, and a ruling that is none, lets `weighted` decide.
    """

    version: str
    decide: Callable[[RuleCase], Ruling]


Rules = Mapping[OwnRule, MergeRule]
"""Installed rules by all that identifies them."""

NO_RULES: Rules = {}


def rule_of(assignment: PanelAssigned) -> OwnRule | None:
    """Give the rule of another distribution that a panel names; None under a rule of ours."""
    return getattr(assignment, "own_rule", None)


def ruling_of(
    rules: Rules,
    assignment: PanelAssigned,
    ballots: Sequence[Ballot],
    analyses: Mapping[str, AnalysisPublished],
) -> Ruling | str:
    """
    Let a panel's own rule decide.

    Args:
        rules: The installed rules.
        assignment: A panel that names one.
        ballots: At least one.
        analyses: Analyses by event id.

    Returns:
        The ruling, with a weight for each ballot; or what was wrong with it.

    Raises:
        RuleMissingError: The rule is not among *rules*.
    """
    named = rule_of(assignment)
    assert named is not None, "route names the rule"
    rule = rules.get(named)
    if rule is None:
        raise RuleMissingError(named)
    case = _case(assignment, ballots, analyses)
    try:
        ruling = rule.decide(case)
    except Exception as error:
        return f"the rule failed: {type(error).__name__}"
    problem = _problem(ruling, case)
    if problem is not None:
        return problem
    return Ruling(ruling.answer, ruling.weights or (1,) * len(ballots), ruling.note)


def _case(assignment: PanelAssigned, ballots: Sequence[Ballot], analyses: Mapping[str, AnalysisPublished]) -> RuleCase:
    quality = {candidate.agent: candidate.quality_ppb for candidate in assignment.candidates}
    options = assignment.carried_options or ()
    return RuleCase(
        tuple(
            RuleBallot(
                ballot.agent,
                ballot.stage,
                ballot.answer,
                analyses[ballot.analysis_id].text,
                assignment.priority.index(ballot.agent),
                quality[ballot.agent],
                ballot.conduct.latency_ms,
                ballot.conduct.cost_nusd,
            )
            for ballot in ballots
        ),
        assignment.option_count or assignment.merge.number_choices,
        assignment.answer_type == "number",
        tuple(option if isinstance(option, str) else None for option in options),
    )


def _problem(ruling: object, case: RuleCase) -> str | None:
    """Say what is wrong with a ruling; None if nothing is."""
    if not isinstance(ruling, Ruling):
        return "the rule gave no ruling"
    if ruling.answer is not None and all(ballot.answer != ruling.answer for ballot in case.ballots):
        return "the rule chose an answer that no ballot gives"
    weights: object = ruling.weights
    if not isinstance(weights, tuple) or (weights and len(weights) != len(case.ballots)):
        return "the rule gave no weight for each ballot"
    if any(type(weight) is not int or abs(weight) * len(weights) > MAX_INTEGER for weight in weights):
        return "a weight is no integer, or too large"
    note: object = ruling.note
    if not isinstance(note, str) or len(note) > LONGEST_NOTE:
        return "the note is no text, or too long"
    return None
