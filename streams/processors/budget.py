"""Budget accounts: reservations counted or refused in topic order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from schemas.event import Event
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled

REMEMBERED_CLOSED = 10_000
"""Closed reservations that are recognised when their record comes again."""
REMEMBERED_QUESTIONS = 100_000
"""
Questions whose cost is kept; some 20 MB. The reservations of one question follow each other within its deadline.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on one reservation."""

    reserved: BudgetReserved
    refused_by: Literal["question", "run"] | None
    """The limit it would exceed; None: it fits, and counts."""
    spent_nusd: int
    """Amount that counted against that limit before it; against the question's limit if it fits."""


def refusal(verdict: Verdict) -> BudgetRefused:
    """Build the refusal of a reservation that does not fit."""
    assert verdict.refused_by is not None, "only what is refused has a refusal"
    reserved = verdict.reserved
    return BudgetRefused(
        causes=(reserved.event_id,),
        occurred_at=reserved.occurred_at,
        question_id=reserved.question_id,
        limit=verdict.refused_by,
        spent_nusd=verdict.spent_nusd,
    )


@dataclass(slots=True)
class Accounts:
    """
    Amounts that count against budgets, folded from the single partition of `orch.spending` in order.

    A reservation counts with its whole amount until it is settled, and then with its cost. Whether it fits is decided
    once, when it is folded, from the records before it; so every reader of the topic comes to the same verdict. A
    repeated reservation changes nothing while it is open, nor as long as it is among the last `REMEMBERED_CLOSED` that
    were closed. A settlement without an open reservation changes nothing. Of the questions without an open reservation
    the last `REMEMBERED_QUESTIONS` are kept.
    """

    questions: dict[str, int] = field(default_factory=dict)
    """Cost of each question in nano-dollars, open reservations included; the one that changed last is last."""
    runs: dict[str, int] = field(default_factory=dict)
    """The same by adoption of a policy."""
    _open: dict[str, BudgetReserved] = field(default_factory=dict)
    _open_questions: dict[str, int] = field(default_factory=dict)
    _open_runs: dict[str, int] = field(default_factory=dict)
    """Open reservations within the sums above."""
    _closed: dict[str, None] = field(default_factory=dict)
    """Ids of the reservations closed last, oldest first."""

    def take(self, event: Event) -> Verdict | None:
        """Fold one event; give the verdict on a reservation that is new."""
        if isinstance(event, BudgetSettled):
            self._settle(event)
        elif isinstance(event, BudgetReserved) and not (event.event_id in self._open or event.event_id in self._closed):
            return self._reserve(event)
        return None

    def may_fit_later(self, event: BudgetReserved) -> bool:
        """Whether a reservation would fit if every open reservation were settled at no cost."""
        question = self.questions.get(event.question_id, 0) - self._open_questions.get(event.question_id, 0)
        run = self.runs.get(event.policy_event_id, 0) - self._open_runs.get(event.policy_event_id, 0)
        return _exceeded(event, question, run) is None

    def fits(self, event: BudgetReserved, before: Iterable[BudgetReserved] = ()) -> bool:
        """Whether a reservation fits now, behind others that are on their way to the topic."""
        question, run = self.questions.get(event.question_id, 0), self.runs.get(event.policy_event_id, 0)
        for other in before:
            question += other.amount_nusd if other.question_id == event.question_id else 0
            run += other.amount_nusd if other.policy_event_id == event.policy_event_id else 0
        return _exceeded(event, question, run) is None

    def give_up_open(self) -> None:
        """Count open reservations in full for good: no worker is left that could settle them."""
        for reserved in list(self._open.values()):
            self._close(reserved, None)

    def _reserve(self, event: BudgetReserved) -> Verdict:
        question = self.questions.get(event.question_id, 0)
        run = self.runs.get(event.policy_event_id, 0)
        exceeded = _exceeded(event, question, run)
        if exceeded is None:
            self._open[event.event_id] = event
            _add(self.questions, event.question_id, event.amount_nusd)
            _add(self.runs, event.policy_event_id, event.amount_nusd)
            _add(self._open_questions, event.question_id, event.amount_nusd)
            _add(self._open_runs, event.policy_event_id, event.amount_nusd)
        return Verdict(event, exceeded, run if exceeded == "run" else question)

    def _settle(self, event: BudgetSettled) -> None:
        reserved = self._open.get(event.causes[0]) if event.causes else None
        if reserved is not None:
            self._close(reserved, event.cost_nusd)

    def _close(self, reserved: BudgetReserved, cost_nusd: int | None) -> None:
        del self._open[reserved.event_id]
        self._closed[reserved.event_id] = None
        if len(self._closed) > REMEMBERED_CLOSED:
            del self._closed[next(iter(self._closed))]
        _add(self._open_questions, reserved.question_id, -reserved.amount_nusd)
        _add(self._open_runs, reserved.policy_event_id, -reserved.amount_nusd)
        if cost_nusd is not None:
            _add(self.questions, reserved.question_id, cost_nusd - reserved.amount_nusd)
            _add(self.runs, reserved.policy_event_id, cost_nusd - reserved.amount_nusd)
        self._forget(reserved.question_id)

    def _forget(self, question_id: str) -> None:
        """Move a question to the end, and forget the first ones beyond the limit that have nothing open."""
        if question_id in self.questions:
            self.questions[question_id] = self.questions.pop(question_id)
        while len(self.questions) > REMEMBERED_QUESTIONS:
            oldest = next(iter(self.questions))
            if oldest in self._open_questions:
                break
            del self.questions[oldest]


def _exceeded(event: BudgetReserved, question: int, run: int) -> Literal["question", "run"] | None:
    if event.question_limit_nusd is not None and question + event.amount_nusd > event.question_limit_nusd:
        return "question"
    if event.run_limit_nusd is not None and run + event.amount_nusd > event.run_limit_nusd:
        return "run"
    return None


def _add(sums: dict[str, int], key: str, amount: int) -> None:
    total = sums.get(key, 0) + amount
    if total:
        sums[key] = total
    else:
        sums.pop(key, None)
