"""Simulated agents: known skill, no randomness."""

import asyncio
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.agents import CallLimits, SimulatedAgent
from schemas.quantities import PPB
from schemas.questions import LETTERS, QuestionAsked
from streams.agents.agent import AgentError, Reply, Task
from streams.agents.calls.retry import drive, take_seat, wait_before
from streams.agents.simulated import NUMBER_SLIPS, SimulatedPlayer, truth, truth_number
from streams.processors.answers.v1 import read_choice, read_number

MANY = 4_000
OPTIONS = tuple("abcdefghij")


def task(question_id: str = "q", **changes: Any) -> Task:
    """Make a task with ten options."""
    fields: dict[str, Any] = {
        "question_id": question_id,
        "text": "Which one?",
        "options": OPTIONS,
        "answer_type": "choice",
        "subject": None,
        "role": "analyst",
        "stage": 0,
    }
    return Task(**{**fields, **changes})


def reply(spec: SimulatedAgent, given_task: Task) -> Reply:
    """Ask a virtual agent."""
    return drive(SimulatedPlayer(spec).reply(given_task))


def answers(spec: SimulatedAgent, many: int = MANY, **changes: Any) -> list[str | None]:
    """Ask an agent many questions and read its answers."""
    player = SimulatedPlayer(spec)
    texts = (drive(player.reply(task(f"q{number}", **changes))).text for number in range(many))
    return [read_choice(text, len(OPTIONS), None).answer for text in texts]


def truths(many: int = MANY) -> list[str]:
    """Give the right letters of many questions."""
    return [LETTERS[truth(0, f"q{number}", len(OPTIONS))] for number in range(many)]


def right(spec: SimulatedAgent, **changes: Any) -> int:
    """Count right answers."""
    return sum(answer == truth for answer, truth in zip(answers(spec, **changes), truths(), strict=True))


def bounds(probability: float, many: int = MANY) -> tuple[float, float]:
    """Give four standard deviations around what is expected of so many draws."""
    reach = 4 * (many * probability * (1 - probability)) ** 0.5
    return many * probability - reach, many * probability + reach


@pytest.mark.parametrize("skill", [0.0, 0.25, 0.7, 1.0])
def test_an_agent_is_right_as_often_as_its_skill_says(skill: float) -> None:
    """Over many questions the share of right answers is the skill."""
    low, high = bounds(skill)
    assert low <= right(SimulatedAgent(name="a", skill_ppb=int(skill * PPB))) <= high


def test_skill_depends_on_the_subject() -> None:
    """A subject with a skill of its own uses it; any other subject the general one."""
    spec = SimulatedAgent(name="a", skill_ppb=0, skills_ppb={"law": PPB})
    assert right(spec, subject="law") == MANY
    assert right(spec, subject="art") == 0


def test_agents_err_together_more_than_by_chance() -> None:
    """Two agents that are both wrong agree in about 0.41 of the cases with ten options."""
    first, second = (answers(SimulatedAgent(name=name, skill_ppb=0)) for name in "ab")
    low, high = bounds(0.41)
    assert low <= sum(one == other for one, other in zip(first, second, strict=True)) <= high


def test_the_truth_is_spread_over_the_options() -> None:
    """Every option is right about equally often."""
    found = truths()
    low, high = bounds(1 / len(OPTIONS))
    assert all(low <= found.count(letter) <= high for letter in LETTERS[: len(OPTIONS)])


@given(
    seed=st.integers(0, 2**53 - 1),
    question_id=st.from_regex(r"[a-z\u00e4-]{1,12}", fullmatch=True),
    options=st.integers(2, 26),
    role=st.sampled_from(["analyst", "dispatcher", "merger"]),
    number=st.booleans(),
    skill_ppb=st.integers(0, PPB),
    latency_ms=st.integers(0, 10**6),
)
def test_the_same_task_gets_the_same_reply(
    seed: int,
    question_id: str,
    options: int,
    role: Literal["analyst", "dispatcher", "merger"],
    number: bool,
    skill_ppb: int,
    latency_ms: int,
) -> None:
    """A reply depends on the policy and the task alone, is readable, and comes between half and double the median."""
    spec = SimulatedAgent(name="a", seed=seed, skill_ppb=skill_ppb, latency_ms=latency_ms)
    given_task = task(
        question_id,
        options=() if number else tuple("x" for _ in range(options)),
        answer_type="number" if number else "choice",
        role=role,
        seats=3,
    )
    once = reply(spec, given_task)
    assert once == reply(spec, given_task)
    assert once.latency_ms is not None
    assert latency_ms // 2 <= once.latency_ms <= 2 * latency_ms
    if role != "dispatcher":
        reading = read_number(once.text, None) if number else read_choice(once.text, options, None)
        assert reading.answer is not None


def test_a_reply_is_known_by_heart() -> None:
    """The draws stay what they are in every version: a change here changes every simulated log."""
    found = reply(SimulatedAgent(name="a", seed=7), task("q1"))
    assert found.text == "Going through the options one by one, (H) fits the question best. The answer is (H)."
    assert (found.latency_ms, found.input_tokens, found.output_tokens) == (599, 5, 21)
    assert (truth(7, "q1", 10), truth_number(7, "q1")) == (5, 415)


def test_half_of_the_calls_are_faster_than_the_median() -> None:
    """The configured latency is the median."""
    player = SimulatedPlayer(SimulatedAgent(name="a", latency_ms=1_000))
    faster = sum((drive(player.reply(task(f"q{number}"))).latency_ms or 0) < 1_000 for number in range(MANY))
    low, high = bounds(0.5)
    assert low <= faster <= high


def test_numbers_are_right_or_near() -> None:
    """A question for a number gets the world's number or one of the known slips from it."""
    player = SimulatedPlayer(SimulatedAgent(name="a", skill_ppb=PPB // 2))
    distances = []
    for number in range(MANY):
        text = drive(player.reply(task(f"q{number}", options=(), answer_type="number"))).text
        distances.append(int(read_number(text, None).answer or "0") - truth_number(0, f"q{number}"))
    assert set(distances) == {0, *NUMBER_SLIPS}
    low, high = bounds(0.5)
    assert low <= distances.count(0) <= high


def test_fates_are_as_frequent_as_configured() -> None:
    """Failures, hanging and unreadable replies exclude each other and come as often as the policy says."""
    spec = SimulatedAgent(name="a", failure_ppb=PPB // 10, hang_ppb=PPB // 5, malformed_ppb=PPB // 4, latency_ms=1)
    player = SimulatedPlayer(spec)
    counts = {"failed": 0, "hung": 0, "unreadable": 0}
    for number in range(MANY):
        try:
            found = drive(player.reply(task(f"q{number}")))
        except AgentError:
            counts["failed"] += 1
            continue
        if (found.latency_ms or 0) > spec.limits.timeout_ms:
            counts["hung"] += 1
        elif read_choice(found.text, len(OPTIONS), None).answer is None:
            counts["unreadable"] += 1
    for fate, probability in (("failed", 0.1), ("hung", 0.2), ("unreadable", 0.25)):
        low, high = bounds(probability)
        assert low <= counts[fate] <= high


def test_a_failure_may_pass() -> None:
    """A simulated failure is a server's, taking as long as a reply, and worth another try."""
    with pytest.raises(AgentError) as caught:
        reply(SimulatedAgent(name="a", failure_ppb=PPB, latency_ms=100), task())
    assert (caught.value.error, caught.value.retriable) == ("server_error", True)
    assert 50 <= (caught.value.latency_ms or 0) <= 200


def test_a_second_attempt_meets_a_fate_of_its_own() -> None:
    """Attempts of one seat are drawn apart, so that trying again can help."""
    spec = SimulatedAgent(name="a", failure_ppb=PPB // 2)
    opener = QuestionAsked(occurred_at="2026-01-01T00:00:00.000Z", question_id="q", text="?", options=("a", "b"))
    player = SimulatedPlayer(spec)
    counts = {len(drive(take_seat(player, task(f"q{number}"), opener)).attempts) for number in range(50)}
    assert counts == {1, 2, 3}


def test_a_virtual_agent_that_hangs_times_out_in_no_time() -> None:
    """Every attempt that never answers takes the limit as data."""
    opener = QuestionAsked(occurred_at="2026-01-01T00:00:00.000Z", question_id="q", text="?", options=("a", "b"))
    event = drive(take_seat(SimulatedPlayer(SimulatedAgent(name="a", hang_ppb=PPB)), task(), opener))
    assert [(attempt.outcome, attempt.latency_ms) for attempt in event.attempts] == [("timeout", 60_000)] * 3
    waits = [wait_before(attempt, CallLimits(), f"{opener.event_id} a") for attempt in (2, 3)]
    assert event.latency_ms == 3 * 60_000 + sum(waits)


def test_an_agent_that_waits_takes_its_time() -> None:
    """It is not virtual, says the same as the virtual one, and leaves measuring to the caller."""
    spec = SimulatedAgent(name="a", waits=True, latency_ms=2)
    player = SimulatedPlayer(spec)
    found = asyncio.run(player.reply(task()))
    assert not player.virtual
    assert found.latency_ms is None
    assert found.text == reply(spec.model_copy(update={"waits": False}), task()).text


def test_a_waiting_agent_that_hangs_never_answers() -> None:
    """Only a limit from outside ends the call."""

    async def ask() -> Reply:
        async with asyncio.timeout(0.01):
            return await SimulatedPlayer(SimulatedAgent(name="a", waits=True, hang_ppb=PPB, latency_ms=0)).reply(task())

    with pytest.raises(TimeoutError):
        asyncio.run(ask())


@pytest.mark.parametrize("seats", [0, 1, 6])
def test_a_dispatcher_fills_every_seat(seats: int) -> None:
    """As many sub-questions are written as there are seats."""
    found = reply(SimulatedAgent(name="a"), task(role="dispatcher", seats=seats))
    assert len(found.sub_questions) == seats


def test_a_malformed_dispatcher_writes_no_sub_questions() -> None:
    """What cannot be read has no parts, so the fixed ones take their place."""
    spec = SimulatedAgent(name="a", malformed_ppb=PPB)
    assert reply(spec, task(role="dispatcher", seats=3)).sub_questions == ()


def test_a_merger_follows_the_majority() -> None:
    """The answer that most analyses end with is the verdict, whatever the merger's own skill."""
    said = tuple(f"So the answer is ({letter})." for letter in "BCC")
    found = reply(SimulatedAgent(name="a", skill_ppb=0), task(role="merger", analyses=said))
    assert read_choice(found.text, len(OPTIONS), None).answer == "C"


@pytest.mark.parametrize("letters", ["BC", "", "Z"])
def test_a_merger_without_a_majority_thinks_for_itself(letters: str) -> None:
    """Where the analyses are equal, absent or outside the options, the merger's own skill decides."""
    said = tuple(f"So the answer is ({letter})." for letter in letters)
    found = reply(SimulatedAgent(name="a", skill_ppb=PPB), task(role="merger", analyses=said))
    assert read_choice(found.text, len(OPTIONS), None).answer == LETTERS[truth(0, "q", len(OPTIONS))]


def test_tokens_follow_the_length_of_the_text() -> None:
    """All a task shows counts as input, the reply as output, four characters a token, rounded up."""
    found = reply(SimulatedAgent(name="a"), task(text="x" * 9, options=("y", "y"), sub_question="zz"))
    assert found.input_tokens == 4
    assert found.output_tokens == -(-len(found.text) // 4)
