"""
Ballots: the reading, weighing and counting of analyses.

Every merge rule of ours is named and versioned in `RULES`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from schemas.analyses import AnalysisPublished
from schemas.decisions import Ballot, Conduct, Exclusion, ExclusionReason, TieBreak
from schemas.odds import Evidence, PanelOdds
from schemas.panels import PanelAssigned, PanelAssignedV2
from schemas.policies import MergeRuleV2
from schemas.quantities import PPB
from schemas.rules import ExtractorName
from streams.processors.answers import EXTRACTORS, Options, Reading
from streams.processors.fixed import ln_micro, softmax_ppb
from streams.processors.odds.verdict import OddsVerdict, read_evidence, verdict_of
from streams.processors.own_rules import rule_of

RULES: dict[MergeRuleV2, str] = {
    "vote": "vote.v1",
    "weighted": "weighted.v1",
    "agent": "agent.v1",
    "cascade": "cascade.v1",
    "odds": "odds.v1",
}
"""Published name of each merge rule; a rule that changes its answers gets a new version."""

LONGEST_ANSWER = 200
"""Characters, as in feedback. A number of a million digits would make a decision larger than an event may be."""

QUALITY_FLOOR_PPB = 10_000_000
"""
Log-odds clamp qualities to 0.01 to 0.99: an average of a few observations can be 0 or 1, whose log-odds are infinite.
"""


_MOST_REMEMBERED = 10_000
"""Characters of a text that is remembered with its reading; 512 of them are at most some 20 MB."""

NO_CALLS = Conduct(attempts=0, latency_ms=None, cost_nusd=0, unpriced_calls=0)
"""Conduct of a seat without an analysis."""


class Vote(NamedTuple):
    """An analysis whose answer was read."""

    stage: int
    agent: str
    answer: str
    source: str
    analysis: AnalysisPublished


class Unread(NamedTuple):
    """A seat without an answer."""

    stage: int
    agent: str
    analysis: AnalysisPublished | None
    reading: Reading | None


class Count(NamedTuple):
    """
    Votes of the seats so far, in seat order, with their sums.

    Ballots and exclusions are written on demand: a stage that asks further agents needs none.
    """

    votes: tuple[Vote, ...]
    unread: tuple[Unread, ...]
    weights: tuple[int, ...] | None
    """Of each vote; None where the verdict gives them."""
    tally: dict[str, int]
    leader: str | None
    tie_break: TieBreak | None
    evidence: tuple[Evidence, ...] | None = None
    """For each vote, where the question's policy has the merge rule `odds`."""
    verdict: OddsVerdict | None = None
    """Scores of the answers, under the rule `odds`."""

    def ballots(self) -> tuple[Ballot, ...]:
        """Write the ballots."""
        weights = self.weights
        if weights is None:
            assert self.verdict is not None, "somebody weighs the votes"
            weights = self.verdict.ballot_weights()
        return tuple([_ballot(vote, weight) for vote, weight in zip(self.votes, weights, strict=True)])

    def excluded(self) -> tuple[Exclusion, ...]:
        """Say why each of the other seats has no ballot."""
        return tuple([_exclusion(*seat) for seat in self.unread])


def read(analysis: AnalysisPublished, assignment: PanelAssigned) -> Reading:
    """Read the answer of an analysis by the question's answer type, with the extractor that the panel names."""
    text, structured, name = analysis.text, analysis.answer, assignment.rule_versions.extractor
    options = options_of(assignment)
    # Each later stage counts the analyses of the stages before it again.
    if len(text) + len(structured or "") <= _MOST_REMEMBERED:
        return _remembered(name, text, options, structured)
    return _remembered_by_id(name, _LongAnalysis(analysis.event_id, [analysis]), options)


def _read(extractor: ExtractorName, text: str, options: Options | None, structured: str | None) -> Reading:
    reading = EXTRACTORS[extractor].read(text, options, structured)
    return reading if len(reading.answer or "") <= LONGEST_ANSWER else Reading(None, "unreadable")


_remembered = lru_cache(maxsize=512)(_read)


@dataclass(frozen=True, slots=True)
class _LongAnalysis:
    """A long analysis as the key of its reading: its id says what it holds, and the text is not kept."""

    event_id: str
    unread: list[AnalysisPublished] = field(compare=False)
    """The analysis, until it is read."""


@lru_cache(maxsize=512)
def _remembered_by_id(extractor: ExtractorName, long: _LongAnalysis, options: Options | None) -> Reading:
    analysis = long.unread.pop()
    return _read(extractor, analysis.text, options, analysis.answer)


def options_of(assignment: PanelAssigned) -> Options | None:
    """Give the options of the question, as far as its panel knows them; None where the answer is a number."""
    if assignment.answer_type == "number":
        return None
    carried = assignment.carried_options
    return Options.unknown(assignment.option_count) if carried is None else _options(carried)


_options = lru_cache(maxsize=256)(Options.of)


def log_odds(quality_ppb: int, choices: int) -> int:
    """
    Weigh the ballot of an agent that is right with probability q among K choices: log(q (K - 1) / (1 - q)).

    Args:
        quality_ppb: q in parts per billion; bounded by `QUALITY_FLOOR_PPB` on both sides.
        choices: K, at least 2.

    Returns:
        Micro-nats; negative where the agent is worse than chance.

    Source: the optimal weights of independent voters (Nitzan & Paroush 1982), with wrong answers spread evenly over
    the other K - 1 choices.
    """
    quality = min(max(quality_ppb, QUALITY_FLOOR_PPB), PPB - QUALITY_FLOOR_PPB)
    return ln_micro(quality * (choices - 1), PPB - quality)


def count(
    seats: tuple[tuple[int, str], ...],
    analyses: Mapping[tuple[int, str], AnalysisPublished],
    assignment: PanelAssigned,
    rule: MergeRuleV2,
    *,
    with_evidence: bool = True,
) -> Count:
    """
    Count the analysts' votes.

    Args:
        seats: Stage number and agent of every analyst's seat so far, in order.
        analyses: Analyses so far, by seat.
        assignment: Answer type, qualities, priority and merge settings of the question.
        rule: `vote` and `own` weigh each ballot 1; `odds` by learned weights; any other by the log-odds of the
            agent's quality.
        with_evidence: Whether to look for what the rule `odds` weighs, where the panel has it.

    Returns:
        Votes, tally and leader; the leader is None without votes.
    """
    votes: list[Vote] = []
    unread: list[Unread] = []
    for stage, agent in seats:
        analysis = analyses.get((stage, agent))
        reading = None if analysis is None or analysis.status == "failed" else read(analysis, assignment)
        if analysis is None or reading is None or reading.answer is None:
            unread.append(Unread(stage, agent, analysis, reading))
        else:
            votes.append(Vote(stage, agent, reading.answer, reading.source, analysis))
    evidence = verdict = None
    odds = odds_of(assignment)
    if odds is not None and with_evidence:
        evidence = read_evidence(odds, [(vote.agent, vote.answer, vote.analysis.text) for vote in votes])
        if rule == "odds":
            verdict = verdict_of(odds, assignment.option_count, evidence, [vote.answer for vote in votes])
    weights: tuple[int, ...] | None = None
    if verdict is None:
        weights = _weights(votes, assignment, rule)
        tally = _sums(votes, weights)
    else:
        tally = verdict.tally()
    leader, tie_break = lead(tally, votes, assignment.priority)
    return Count(tuple(votes), tuple(unread), weights, tally, leader, tie_break, evidence, verdict)


def _weights(votes: Sequence[Vote], assignment: PanelAssigned, rule: MergeRuleV2) -> tuple[int, ...]:
    """Weigh each vote 1, or by the log-odds of its agent's quality."""
    if rule in ("vote", "odds", "own"):
        return (1,) * len(votes)
    quality = {candidate.agent: candidate.quality_ppb for candidate in assignment.candidates}
    choices = assignment.option_count or assignment.merge.number_choices
    return tuple([log_odds(quality[vote.agent], choices) for vote in votes])


def _ballot(vote: Vote, weight: int) -> Ballot:
    return Ballot(
        agent=vote.agent,
        stage=vote.stage,
        answer=vote.answer,
        weight=weight,
        read_as=vote.source,
        analysis_id=vote.analysis.event_id,
        conduct=conduct(vote.analysis),
    )


def _sums(votes: Sequence[Vote], weights: Sequence[int]) -> dict[str, int]:
    """Add up the weights of each answer."""
    tally: dict[str, int] = {}
    for vote, weight in zip(votes, weights, strict=True):
        tally[vote.answer] = tally.get(vote.answer, 0) + weight
    return tally


def weighed_by(counted: Count, weights: tuple[int, ...], assignment: PanelAssigned) -> Count:
    """Give the count with other weights, one for each vote."""
    tally = _sums(counted.votes, weights)
    leader, tie_break = lead(tally, counted.votes, assignment.priority)
    return counted._replace(weights=weights, tally=tally, leader=leader, tie_break=tie_break)


def rule_name(assignment: PanelAssigned, rule: MergeRuleV2) -> str:
    """Give the published name of the rule that decides a question."""
    own = rule_of(assignment)
    return RULES[rule] if own is None else own.published


def odds_of(assignment: PanelAssigned) -> PanelOdds | None:
    """Give what the panel carries for the merge rule `odds`; None under any other rule."""
    return assignment.odds if isinstance(assignment, PanelAssignedV2) else None


def deciding_rule(assignment: PanelAssigned) -> MergeRuleV2:
    """
    Give the rule that decides a question.

    Under `odds` that is `cascade` until the first lesson; where agreement teaches and the answer is a number it is
    `vote`, for related agents agree on wrong values.
    """
    odds = odds_of(assignment)
    if odds is None:
        return assignment.merge.rule
    if odds.mode == "untaught":
        return "cascade"
    return "vote" if odds.settings.learn_from == "agreement" and odds.facts.kind == "number" else "odds"


def _exclusion(stage: int, agent: str, analysis: AnalysisPublished | None, reading: Reading | None) -> Exclusion:
    if analysis is None:
        return Exclusion(agent=agent, stage=stage, reason="no_reply", analysis_id=None, conduct=NO_CALLS)
    reason: ExclusionReason = "failed" if analysis.calls else "refused"
    if reading is not None:
        reason = "outside_options" if reading.source == "outside_options" else "unreadable"
    return Exclusion(agent=agent, stage=stage, reason=reason, analysis_id=analysis.event_id, conduct=conduct(analysis))


def conduct(analysis: AnalysisPublished) -> Conduct:
    """Sum up how the calls for one seat went."""
    return Conduct(
        attempts=analysis.calls,
        latency_ms=analysis.latency_ms,
        cost_nusd=analysis.cost_nusd,
        unpriced_calls=analysis.unpriced,
    )


def lead(
    tally: Mapping[str, int], votes: Sequence[Vote], priority: tuple[str, ...]
) -> tuple[str | None, TieBreak | None]:
    """
    Find the answer with the largest sum.

    Of equal sums the one with more votes leads: with unknown agents and two options every weight is 0, and a majority
    must still lead. If the votes are equal too, the answer whose supporter comes first in *priority* leads.
    """
    if not tally:
        return None, None
    supporters = [vote.answer for vote in votes]
    standing = {answer: (total, supporters.count(answer)) for answer, total in tally.items()}
    most = max(standing.values())
    tied = tuple(sorted(answer for answer, stands in standing.items() if stands == most))
    if len(tied) == 1:
        return tied[0], None
    first = min((vote for vote in votes if vote.answer in tied), key=lambda vote: priority.index(vote.agent))
    return first.answer, TieBreak(tied=tied, agent=first.agent)


def even_sums(counted: Count) -> tuple[str, ...] | None:
    """Give the other answers with the leader's sum, where the number of ballots settled it; None without any."""
    if counted.leader is None or counted.tie_break is not None:
        return None
    most = counted.tally[counted.leader]
    return tuple(sorted(a for a, total in counted.tally.items() if total == most and a != counted.leader)) or None


def posterior_ppb(counted: Count, choices: int) -> int | None:
    """
    Give the posterior of the leader: ballots independent, prior uniform over the choices.

    Returns:
        Parts per billion; None without a leader.
    """
    if counted.leader is None:
        return None
    others = tuple(total for answer, total in sorted(counted.tally.items()) if answer != counted.leader)
    return softmax_ppb(counted.tally[counted.leader], others, max(choices - len(counted.tally), 0))
