"""Changes of behaviour behind an agent's name."""

import random
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audit.behaviour import SIGNALS, BehaviourChange, BehaviourWatch, Seen, against_others, told

AGENTS = ("ann", "bo", "cy", "di")
Habit = Callable[[random.Random, str], Seen]


def habit(
    *, characters: float = 300, latency_ms: float = 900, right: float = 0.7, unreadable: float = 0.02, law: float = 2
) -> Habit:
    """Give how a model answers: texts and latencies are spread, and questions on law take it more words."""

    def answer(chance: random.Random, subject: str) -> Seen:
        said = None if chance.random() < unreadable else "A" if chance.random() < right else chance.choice("BCDE")
        longer = law if subject == "law" else 1
        return Seen(
            said,
            round(characters * longer * chance.lognormvariate(0, 0.4)),
            round(latency_ms * chance.lognormvariate(0, 0.6)),
        )

    return answer


def course(
    habits: Mapping[str, Habit], after: Mapping[str, Habit], seed: int, subjects: Callable[[int], str] = lambda n: "law"
) -> list[tuple[int, BehaviourChange]]:
    """BehaviourWatch 800 questions; from the 400th on the agents have the later habits."""
    chance, watch, found = random.Random(seed), BehaviourWatch(), []
    for number in range(800):
        now = after if number >= 400 else habits
        subject = subjects(number)
        panel = {agent: now[agent](chance, subject) for agent in AGENTS}
        found += [(number, change) for change in watch.see(f"q{number}", subject, panel)]
    return found


USUAL = {agent: habit(characters=150 * (place + 1), right=0.6 + 0.1 * place) for place, agent in enumerate(AGENTS)}


@pytest.mark.parametrize(
    ("signal", "other", "rises"),
    [
        ("length", habit(characters=800), True),
        ("length", habit(characters=150), False),
        ("latency", habit(latency_ms=2_000, characters=450, right=0.8), True),
        ("unreadable", habit(unreadable=0.3, characters=450, right=0.8), True),
        ("agreement", habit(right=0.3, characters=450), False),
    ],
)
def test_swapped_model_is_noticed(signal: str, other: Habit, rises: bool) -> None:
    """A model swapped behind a name is noticed by its signal within 150 questions, and nobody else is blamed."""
    found = course(USUAL, {**USUAL, "cy": other}, seed=5)
    number, first = next((number, change) for number, change in found if change.signal == signal)
    assert {change.agent for _, change in found} == {"cy"}
    assert (first.rises, 400 <= number < 550) == (rises, True)
    assert 380 <= int(first.began[1:]) <= number
    assert (first.after > first.before) == rises
    assert told(first).startswith("cy: ")


def test_calm_agents_give_no_alarm() -> None:
    """Agents that stay as they are give no alarm, whatever they are like."""
    assert [course(USUAL, USUAL, seed) for seed in range(6)] == [[]] * 6


def test_another_subject_is_no_change() -> None:
    """A stream that turns to a subject on which one agent writes more gives no alarm."""
    habits = {**USUAL, "cy": habit(law=12)}
    assert course(habits, habits, seed=2, subjects=lambda number: "law" if number >= 300 else "maths") == []


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=9), st.integers(-(10**6), 10**6), st.sampled_from(range(9)))
def test_what_all_agents_share_cancels_out(amounts: list[int], shift: int, who: int) -> None:
    """Each agent is compared with the median of the others, so what a question adds to all of them changes nothing."""
    measure = against_others(lambda seen: float(seen.characters))
    values = measure({str(place): Seen("A", amount, 0) for place, amount in enumerate(amounts)})
    assert values == measure({str(place): Seen("A", amount + shift, 0) for place, amount in enumerate(amounts)})
    own = who % len(amounts)
    others = sorted(amount for place, amount in enumerate(amounts) if place != own)
    middle = (others[len(others) // 2] + others[(len(others) - 1) // 2]) / 2
    assert values[str(own)] == amounts[own] - middle


@given(st.dictionaries(st.sampled_from(AGENTS), st.sampled_from([None, "A", "B"])))
def test_agreement_adds_up_to_nothing(answers: dict[str, str | None]) -> None:
    """Who agrees more than the others do is balanced by who agrees less; two readable answers tell nothing."""
    values = SIGNALS["agreement"]({agent: Seen(answer, 1, 1) for agent, answer in answers.items()})
    assert sum(values.values()) == pytest.approx(0)
    assert bool(values) == (sum(answer is not None for answer in answers.values()) >= 3)
