"""
Promises of every runtime, tested on each of them.

All runtimes also write the same bytes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEAD_LETTERS,
    DECISIONS,
    OBSERVATIONS,
    QUESTIONS,
    ROUTER,
)

from ..worlds import FAILED, analysis, gold, merging, newest, overdue, policy, question, retraction, verdict
from .hosts import Host, hosted, of

DERIVED = (ASSIGNMENTS, DECISIONS, OBSERVATIONS, ROUTER)


@pytest.fixture(
    params=["embedded", *(pytest.param(kafka, marks=pytest.mark.process) for kafka in ("kafka", "kafka, faust"))]
)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """Give a new, empty log on each runtime."""
    bootstrap = request.getfixturevalue("broker").bootstrap if request.param != "embedded" else None
    with hosted(request.param, tmp_path, bootstrap) as opened:
        yield opened


def panel(host: Host, question_id: str = "q") -> PanelAssigned:
    """Give the one panel of a question."""
    (found,) = (e for e in of(host, ASSIGNMENTS) if isinstance(e, PanelAssigned) and e.question_id == question_id)
    return found


def stages(host: Host) -> list[StageOpened]:
    """List the later stages."""
    return [event for event in of(host, ASSIGNMENTS) if isinstance(event, StageOpened)]


def decisions(host: Host) -> list[DecisionMade]:
    """List the decisions."""
    return [event for event in of(host, DECISIONS) if isinstance(event, DecisionMade)]


def answers(opener: PanelAssigned | StageOpened, *replies: str) -> list[AnalysisPublished]:
    """Let the agents of a stage answer, in seat order."""
    return [analysis(opener, seat.agent, reply) for seat, reply in zip(opener.stage.seats, replies, strict=False)]


def proved(host: Host) -> None:
    """Check that the log proves itself."""
    found = host.replayed()
    assert found.first_difference is None
    assert found.different == 0


@pytest.mark.parametrize("adopted", [policy("a", "b", "c"), newest(policy("a", "b", "c"))], ids=["v1", "v2"])
def test_a_question_becomes_a_decision_and_lessons(host: Host, adopted: PolicyAdopted) -> None:
    """A question is assigned, decided and learned from, under the rules of either version."""
    host.put(adopted, question())
    host.put(*answers(panel(host), "A", "B", "A"))
    (decision,) = decisions(host)
    assert (decision.status, decision.answer) == ("decided", "A")
    assert decision.kind.rpartition(".")[2] == adopted.kind.rpartition(".")[2]
    host.put(gold("A"))
    assert len(of(host, OBSERVATIONS)) == 6
    assert len(of(host, ROUTER)) == 6
    proved(host)


def test_nothing_is_folded_before_there_is_a_policy(host: Host) -> None:
    """Questions may come first; they wait for a policy."""
    if type(host).__name__ == "KafkaHost":
        pytest.skip("optional: a question that waits never settles; tests/integration/kafka/test_stage.py has it")
    host.put(question())
    assert of(host, ASSIGNMENTS) == []
    host.put(policy("a"))
    assert panel(host).question_id == "q"


def test_inputs_twice_change_nothing(host: Host) -> None:
    """Every input may come again, in another record."""
    asked, given = question(), gold("A")
    host.put(policy("a", "b", "c"), asked)
    replies = answers(panel(host), "A", "B", "A")
    host.put(*replies, given)
    before = {topic: host.values()[topic] for topic in DERIVED}
    host.put(asked, *replies, given, overdue())
    assert {topic: host.values()[topic] for topic in DERIVED} == before
    proved(host)


def test_another_question_under_an_id_is_set_aside(host: Host) -> None:
    """The first question of an id counts; the other goes to the dead letters."""
    host.put(policy("a"), question())
    host.put(question(text="Something else?"))
    (letter,) = of(host, DEAD_LETTERS)
    assert isinstance(letter, RecordRejected)
    assert (letter.reason, letter.source_topic, letter.record_key) == ("conflict", QUESTIONS, "q")
    assert len(of(host, ASSIGNMENTS)) == 1
    proved(host)


def test_an_analysis_nobody_asked_for_is_set_aside(host: Host) -> None:
    """An analysis of an agent without a seat is refused, and the question still waits."""
    host.put(policy("a", "b"), question())
    host.put(analysis(panel(host), "stranger"))
    (letter,) = of(host, DEAD_LETTERS)
    assert isinstance(letter, RecordRejected)
    assert (letter.reason, letter.source_topic) == ("unknown_reference", ANALYSES)
    assert decisions(host) == []
    proved(host)


def test_a_deadline_ends_the_wait(host: Host) -> None:
    """What is in when the deadline passes is decided; who was silent is named."""
    host.put(policy("a", "b", "c"), question())
    host.put(*answers(panel(host), "A", "A"))
    host.put(overdue())
    (decision,) = decisions(host)
    assert (decision.reason, [seat.reason for seat in decision.excluded]) == ("deadline", ["no_reply"])
    host.put(*answers(panel(host), "A", "A", "B"))
    assert len(decisions(host)) == 1
    proved(host)


def test_a_cascade_opens_its_stages(host: Host) -> None:
    """Disagreement opens the next stage, and its analyses decide."""
    host.put(merging("cascade", "a", "b", "c", stages=(2, 1)), question())
    host.put(*answers(panel(host), "A", "B"))
    (opened,) = stages(host)
    host.put(*answers(opened, "B"))
    (decision,) = decisions(host)
    assert decision.answer == "B"
    proved(host)


def test_a_merge_agent_has_the_last_word(host: Host) -> None:
    """The merge agent's verdict is an event, and decides."""
    host.put(merging("agent", "a", "b", "c"), question())
    host.put(*answers(panel(host), "A", "A", "B"))
    (opened,) = stages(host)
    host.put(*answers(opened, "B"))
    (decision,) = decisions(host)
    assert (decision.answer, decision.reason) == ("B", "merge agent")
    proved(host)


def test_too_few_ballots_are_an_explicit_undecided(host: Host) -> None:
    """Agents that all fail leave a decision that says so."""
    host.put(policy("a", "b"), question())
    host.put(*answers(panel(host), FAILED, FAILED))
    (decision,) = decisions(host)
    assert (decision.status, decision.answer) == ("undecided", None)
    proved(host)


def test_feedback_may_come_first_late_twice_and_be_retracted(host: Host) -> None:
    """Whatever its order, each feedback counts once, and a retraction takes it back."""
    early, late = gold("A"), verdict("right", author="anna")
    host.put(policy("a", "b"), early, question())
    host.put(*answers(panel(host), "A", "B"))
    host.put(late, late, retraction(early), gold("B", author="bob"))
    observed = of(host, OBSERVATIONS)
    assert sum(getattr(event, "corrects", None) is not None for event in observed) == 2
    proved(host)


def test_a_crash_changes_nothing(host: Host) -> None:
    """A host that dies between any two inputs and comes back writes the same log."""
    host.put(policy("a", "b", "c"))
    host.crash()
    host.put(question())
    host.crash()
    first, *others = answers(panel(host), "A", "B", "A")
    host.put(first)
    host.crash()
    host.put(*others)
    host.crash()
    host.put(gold("A"))
    host.crash()
    assert [decision.answer for decision in decisions(host)] == ["A"]
    assert len(of(host, OBSERVATIONS)) == 6
    proved(host)


def story() -> Iterator[Event]:
    """Tell inputs that do not depend on what followed from those before."""
    yield policy("a", "b", "c", merge={"rule": "weighted"})
    for number in range(6):
        yield question(f"q{number}", at=10 + number, subject="law" if number % 2 else None)


@pytest.mark.slow
def test_both_runtimes_write_the_same_bytes(broker: object, tmp_path: Path) -> None:
    """One list of inputs with times given leads to the same events on both, to the byte."""
    logs = []
    for runtime in ("embedded", "kafka"):
        folder = tmp_path / runtime
        folder.mkdir()
        with hosted(runtime, folder, getattr(broker, "bootstrap")) as host:  # noqa: B009
            for event in story():
                host.put(event)
                if isinstance(event, QuestionAsked):
                    host.put(*answers(panel(host, event.question_id), "A", "B", FAILED if "3" in event.key else "A"))
                    host.put(gold("A", event.question_id))
            host.put(overdue("q9"), question("q9"), question("q0", text="Another?"))
            proved(host)
            logs.append(host.values())
    embedded, kafka = logs
    assert {topic: len(values) for topic, values in embedded.items()} == {
        topic: len(values) for topic, values in kafka.items()
    }
    assert embedded == kafka
