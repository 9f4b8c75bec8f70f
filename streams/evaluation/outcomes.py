"""Outcome of one arm for one question in one order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from schemas.decisions import Ballot, DecisionMade, Exclusion


class GradedQuestion(NamedTuple):
    """A question of the evaluation."""

    question_id: str
    gold: str
    subject: str = ""
    dataset: str = ""


class ArmOutcome(NamedTuple):
    """
    One row of the long form.

    Attributes:
        place: RowPlace of the question in the order, from 0.
        answer: None if undecided or unreadable.
        calls: Attempts that were made.
        input_tokens, output_tokens: Known tokens of these calls; None where none is known.
        cost_nusd: Known cost of these calls.
        unpriced_calls: Calls whose cost is not known; if there are any, the cost is a lower bound.
        latency_ms: Time of the calls one after another: of each stage the slowest. None where it is not known.
        posterior_ppb: Probability that the rule gave its answer; None where the rule gives none.
    """

    place: int
    question_id: str
    answer: str | None
    correct: bool
    calls: int
    input_tokens: int | None
    output_tokens: int | None
    cost_nusd: int
    unpriced_calls: int
    latency_ms: int | None
    posterior_ppb: int | None = None


class Given(NamedTuple):
    """
    What one agent gave for one question, in the log in which everybody was asked.

    Attributes:
        answer: As it was read; None if it was unreadable or there was none.
    """

    answer: str | None
    calls: int
    input_tokens: int | None
    output_tokens: int | None
    cost_nusd: int
    unpriced_calls: int
    latency_ms: int | None


Tokens = Mapping[str, tuple[int | None, int | None]]
"""Input and output tokens by the id of an analysis."""
Answers = Mapping[str, Mapping[str, Given]]
"""By question id, then agent."""
Vote = Callable[[Iterable[Ballot], tuple[str, ...]], str | None]
"""A plain vote of ballots, ties by the priority given."""


def outcome_of(decision: DecisionMade, place: int, gold: str, tokens: Tokens) -> ArmOutcome:
    """
    Give the outcome of a decision.

    Args:
        decision: The decision.
        place: RowPlace of its question in the order.
        gold: The right answer, in the form of decisions.
        tokens: Tokens of its analyses; those of others are not looked for.
    """
    seats: list[Ballot | Exclusion] = [*decision.counted, *decision.excluded]
    slowest: dict[int, int] = {}
    for seat in seats:
        slowest[seat.stage] = max(slowest.get(seat.stage, 0), seat.conduct.latency_ms or 0)
    known = [tokens[cause] for cause in decision.causes if cause in tokens]
    return ArmOutcome(
        place,
        decision.question_id,
        decision.answer,
        decision.answer == gold,
        decision.calls,
        total(pair[0] for pair in known),
        total(pair[1] for pair in known),
        decision.cost_nusd,
        decision.unpriced_calls,
        # Recorded outputs without a latency count as 0 ms, which no call takes.
        sum(slowest.values()) or None,
        decision.trace[-1].posterior_ppb,
    )


def given_by(decision: DecisionMade, tokens: Tokens) -> dict[str, Given]:
    """Give what each analyst gave, from a decision of the log in which everybody was asked."""
    found: dict[str, Given] = {}
    seats: list[Ballot | Exclusion] = [*decision.counted, *decision.excluded]
    for seat in seats:
        known = tokens.get(seat.analysis_id or "", (None, None))
        conduct = seat.conduct
        found[seat.agent] = Given(
            seat.answer if isinstance(seat, Ballot) else None,
            conduct.attempts,
            *known,
            conduct.cost_nusd,
            conduct.unpriced_calls,
            conduct.latency_ms or None,
        )
    return found


def total(amounts: Iterable[int | None]) -> int | None:
    """Add the known amounts; None where none is known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def of_members(question: Mapping[str, Given], members: Mapping[str, str]) -> dict[str, Given]:
    """Give what the members of a panel gave; a clone gave what its original did."""
    return {name: question[original] for name, original in members.items() if original in question}


def together(place: int, question_id: str, answer: str | None, gold: str, given: Sequence[Given]) -> ArmOutcome:
    """Give the outcome of an answer that rests on calls made at the same time."""
    latencies = [one.latency_ms for one in given if one.latency_ms is not None]
    return ArmOutcome(
        place,
        question_id,
        answer,
        answer is not None and answer == gold,
        sum(one.calls for one in given),
        total(one.input_tokens for one in given),
        total(one.output_tokens for one in given),
        sum(one.cost_nusd for one in given),
        sum(one.unpriced_calls for one in given),
        max(latencies, default=None),
    )
