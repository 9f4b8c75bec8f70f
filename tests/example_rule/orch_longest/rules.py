"""The answer with the longest analyses."""

from orch_longest.lengths import length
from streams.processors.own_rules import MergeRule, RuleCase, Ruling


def decide(case: RuleCase) -> Ruling:
    """Add up the lengths of the analyses behind each answer."""
    weights = tuple(length(ballot.text) for ballot in case.ballots)
    totals: dict[str, tuple[int, int]] = {}
    for ballot, weight in zip(case.ballots, weights, strict=True):
        total, rank = totals.get(ballot.answer, (0, ballot.rank))
        totals[ballot.answer] = total + weight, min(rank, ballot.rank)
    answer = min(totals, key=lambda each: (-totals[each][0], totals[each][1]))
    return Ruling(answer, weights, f"{totals[answer][0]} characters of {sum(weights)}")


LONGEST = MergeRule(version="v1", decide=decide)
