"""
Reservations of a budget in the order of their topic.

Each counts or is refused, and all readers agree on which.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import Event
from schemas.spending import BudgetReserved, BudgetSettled
from streams.processors import budget
from streams.processors.budget import Accounts, Verdict

AT = "2026-01-01T00:00:00.000Z"
POLICY, OTHER = "a" * 64, "b" * 64


def reserved(
    amount: int,
    number: int = 0,
    *,
    question: str = "q",
    policy: str = POLICY,
    question_limit: int | None = None,
    run_limit: int | None = None,
) -> BudgetReserved:
    """Make a reservation; another number makes another one."""
    return BudgetReserved(
        causes=("c" * 64,),
        occurred_at=number,
        question_id=question,
        policy_event_id=policy,
        agent="a",
        stage=0,
        role="analyst",
        attempt=1,
        amount_nusd=amount,
        question_limit_nusd=question_limit,
        run_limit_nusd=run_limit,
    )


def settled(of: BudgetReserved, cost: int | None) -> BudgetSettled:
    """Settle a reservation."""
    return BudgetSettled(causes=(of.event_id,), occurred_at=AT, question_id=of.question_id, cost_nusd=cost)


def verdicts(*events: Event) -> list[str | None]:
    """Fold events; say by which limit each reservation was refused, or None."""
    accounts = Accounts()
    found = [accounts.take(event) for event in events]
    return [verdict.refused_by for verdict in found if verdict is not None]


def test_a_limit_may_be_reached_and_not_passed() -> None:
    """What fits to the last nano-dollar is granted; one more is refused, and what was refused counts nothing."""
    limited = [reserved(60, 1, question_limit=100), reserved(40, 2, question_limit=100)]
    assert verdicts(*limited) == [None, None]
    assert verdicts(*limited, reserved(1, 3, question_limit=100)) == [None, None, "question"]
    assert verdicts(limited[0], reserved(41, 3, question_limit=100), limited[1]) == [None, "question", None]


def test_the_question_and_the_run_have_limits_of_their_own() -> None:
    """Other questions do not touch a question's limit, and other adoptions of a policy not a run's."""
    first = reserved(50, 1, question_limit=60, run_limit=100)
    assert verdicts(first, reserved(50, 2, question="p", question_limit=60, run_limit=100)) == [None, None]
    assert verdicts(first, reserved(60, 2, question="p", question_limit=60, run_limit=100)) == [None, "run"]
    assert verdicts(first, reserved(60, 2, question="p", policy=OTHER, run_limit=100)) == [None, None]


def test_a_settled_call_counts_with_its_cost() -> None:
    """What was reserved and not used is free again; where the cost is not known, all of it stays taken."""
    first = reserved(90, 1, question_limit=100)
    second = reserved(80, 2, question_limit=100)
    assert verdicts(first, settled(first, 20), second) == [None, None]
    assert verdicts(first, settled(first, None), second) == [None, "question"]
    assert verdicts(first, settled(first, 500), second) == [None, "question"]


def test_repeats_and_strangers_change_nothing() -> None:
    """A reservation read again counts once, settled twice it is settled once, and what nobody reserved is nothing."""
    first, last = reserved(90, 1, question_limit=100), reserved(10, 2, question_limit=100)
    assert verdicts(first, first, last) == [None, None]
    again = settled(first, 0)
    assert verdicts(first, again, again, reserved(90, 2, question_limit=100), last) == [None, None, None]
    assert verdicts(settled(last, 1_000), first) == [None]


@given(
    st.lists(
        st.tuples(st.sampled_from("pqr"), st.integers(0, 50), st.none() | st.integers(0, 50), st.booleans()),
        max_size=40,
    )
)
def test_what_was_granted_never_passes_a_limit(calls: list[tuple[str, int, int | None, bool]]) -> None:
    """Whatever is asked for in whatever order, and settled for no more than was reserved, the sums stay within."""
    accounts = Accounts()
    for number, (question, amount, cost, settles) in enumerate(calls):
        call = reserved(amount, number, question=question, question_limit=60, run_limit=120)
        verdict = accounts.take(call)
        assert isinstance(verdict, Verdict)
        if verdict.refused_by is None and settles:
            accounts.take(settled(call, None if cost is None else min(cost, amount)))
        assert all(spent <= 60 for spent in accounts.questions.values())
        assert sum(accounts.questions.values()) == accounts.runs.get(POLICY, 0) <= 120


def test_reservation_that_comes_again_after_its_settlement_changes_nothing() -> None:
    """A record that is read twice does not count twice, before its settlement or after it."""
    accounts, first = Accounts(), reserved(100)
    accounts.take(first)
    accounts.take(BudgetSettled(causes=(first.event_id,), occurred_at=1, question_id="q", cost_nusd=30))
    assert accounts.take(first) is None
    assert accounts.questions == {"q": 30}


def test_questions_long_settled_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts keep the cost of so many questions, and of every question with an open reservation."""
    monkeypatch.setattr(budget, "REMEMBERED_QUESTIONS", 3)
    accounts = Accounts()
    kept = reserved(100, question="open")
    accounts.take(kept)
    for number in range(10):
        one = reserved(100, number, question=f"q{number}")
        accounts.take(one)
        accounts.take(BudgetSettled(causes=(one.event_id,), occurred_at=1, question_id=f"q{number}", cost_nusd=30))
    assert accounts.questions.keys() >= {"open", "q9"}
    accounts.take(BudgetSettled(causes=(kept.event_id,), occurred_at=1, question_id="open", cost_nusd=30))
    assert list(accounts.questions) == ["q8", "q9", "open"]
