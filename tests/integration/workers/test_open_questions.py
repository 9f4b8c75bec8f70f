"""
Open questions with strange, repeated or late records.

The laws are in `stateful/`.
"""

from collections.abc import Mapping, Sequence
from itertools import islice

import pytest

from schemas.event import Event
from schemas.questions import QuestionAsked
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, QUESTIONS
from streams.workers import open_questions
from streams.workers.open_questions import OpenQuestions
from streams.workers.question_state import QuestionState, claim_of

from ...record_builders import decision, ids_at, panel, record_of, stage
from ...worlds import analysis, policy, question

ALL = (QUESTIONS, ASSIGNMENTS, ANALYSES, DECISIONS)
HERE = 2
FIRST, SECOND, THIRD = map(question, islice(ids_at(HERE), 3))
AB = policy("a", "b")
MERGED = policy("a", "b", merge={"rule": "agent"})


class Reading:
    """A open questions and the log it reads."""

    def __init__(self, topics: Sequence[str] = ALL, begin: Mapping[str, int] | None = None) -> None:
        self.ends = dict.fromkeys(topics, 0)
        self.load = OpenQuestions(HERE, begin or self.ends)

    def read(self, *events: Event) -> list[QuestionState | None]:
        """Write events, and read them at once."""
        changed = []
        for event in events:
            offset = self.ends[event.topic]
            self.ends[event.topic] = offset + 1
            changed.append(self.load.take(record_of(event, offset, partition=HERE), event))
        return changed

    def tick(self) -> dict[str, int]:
        """Learn where the topics end, and commit."""
        self.load.ask()
        self.load.mark(dict(self.ends))
        return self.load.commits()

    def seats(self) -> list[tuple[str, str]]:
        """List the seats to be taken, by question and agent."""
        return [(case.question_id, claim_of(call)[3]) for case in self.load.cases() for _, call in case.calls()]


def routed(asked: QuestionAsked) -> list[Event]:
    """Ask a question and assign it."""
    return [asked, panel(asked, AB)]


def test_an_open_question_holds_every_topic_at_its_own_first_record() -> None:
    """What came before it may be committed, what came after may not."""
    reading = Reading()
    early = panel(FIRST, AB)
    reading.read(
        FIRST, early, decision(early), SECOND, panel(SECOND, AB), analysis(panel(SECOND, AB), "a"), *routed(THIRD)
    )
    reading.tick()
    assert reading.tick() == {QUESTIONS: 1, ASSIGNMENTS: 1, ANALYSES: 0, DECISIONS: 0}
    reading.read(decision(panel(SECOND, AB)), decision(panel(THIRD, AB)))
    reading.tick()
    assert reading.tick() == reading.ends


def test_a_decision_read_before_its_question_is_remembered_until_that_is_read() -> None:
    """Else the question would look open."""
    reading = Reading()
    made = decision(panel(FIRST, AB))
    reading.read(made)
    reading.ends = {QUESTIONS: 1, ASSIGNMENTS: 1, ANALYSES: 0, DECISIONS: 1}
    assert reading.tick()[DECISIONS] == 0
    assert reading.load.remembered == 1
    for event in routed(FIRST):
        assert reading.load.take(record_of(event, 0), event) is None
    assert reading.seats() == []
    assert reading.tick() == reading.ends


def test_what_is_decided_while_the_ends_are_looked_up_waits_for_the_next_time() -> None:
    """The ends may be older than it."""
    reading = Reading()
    reading.tick()
    ends = dict(reading.ends)
    reading.load.ask()
    reading.read(decision(panel(FIRST, AB)))
    reading.load.mark(ends)
    assert reading.load.commits()[DECISIONS] == 0
    assert reading.load.waits
    assert reading.tick()[DECISIONS] == 1


def test_a_record_that_comes_after_the_decision_is_covered_by_it() -> None:
    """As long as that record may be read again, the decision is too."""
    reading = Reading()
    first = panel(FIRST, AB)
    reading.read(SECOND, panel(SECOND, AB), FIRST, first, decision(first))
    reading.tick()
    reading.read(analysis(first, "a"), analysis(panel(SECOND, AB), "a"))
    assert reading.tick()[DECISIONS] == 0


@pytest.mark.parametrize("remembered", [0, 10])
def test_a_question_asked_again_soon_is_not_asked_again(remembered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer's retry, and a panel written once more by a `route` that was killed, cause no calls."""
    monkeypatch.setattr(open_questions, "REMEMBERED", remembered)
    reading = Reading()
    first = panel(FIRST, AB)
    reading.read(FIRST, first, decision(first))
    reading.tick()
    reading.tick()
    reading.read(FIRST, first)
    # What is not remembered looks new, if it is the same to the byte.
    assert len(reading.seats()) == (0 if remembered else 2)


def test_a_question_asked_again_at_another_time_is_another_event() -> None:
    """A panel that was assigned to the first one says nothing of it."""
    reading = Reading()
    again = question(FIRST.question_id, at=999)
    reading.read(again, panel(FIRST, AB))
    assert reading.seats() == []
    reading.read(*routed(SECOND))
    reading.tick()
    reading.tick()
    assert [case.question_id for case in reading.load.cases()] == [SECOND.question_id]


def test_a_question_that_was_refused_is_passed_over() -> None:
    """Once `route` has assigned a later one, it holds nothing any more; an earlier one says nothing of it."""
    reading = Reading()
    reading.read(FIRST, SECOND, THIRD, panel(FIRST, AB))
    assert [reading.tick()[QUESTIONS] for _ in range(3)] == [0, 0, 0]
    assert len(reading.load) == 3
    reading.read(decision(panel(FIRST, AB)), panel(THIRD, AB))
    assert [reading.tick()[QUESTIONS] for _ in range(3)] == [1, 2, 2]
    assert [case.question_id for case in reading.load.cases()] == [THIRD.question_id]


def test_a_panel_whose_question_was_forgotten_is_dropped() -> None:
    """It was written once more by a `route` that was killed; the question had been decided before."""
    reading = Reading()
    reading.read(panel(FIRST, AB))
    assert len(reading.load) == 1
    assert reading.tick() == reading.ends
    assert len(reading.load) == 0


def test_a_panel_waits_for_a_question_that_is_not_read_yet() -> None:
    """It is not dropped before all is read that was there."""
    reading = Reading()
    first = panel(FIRST, AB)
    reading.load.take(record_of(first, 0), first)
    reading.ends = {QUESTIONS: 1, ASSIGNMENTS: 1, ANALYSES: 0, DECISIONS: 0}
    assert reading.tick()[ASSIGNMENTS] == 0
    reading.load.take(record_of(FIRST, 0), FIRST)
    assert len(reading.seats()) == 2


def test_an_analysis_of_a_question_that_was_forgotten_is_dropped() -> None:
    """It came late, or is read again for the sake of others."""
    reading = Reading()
    reading.read(analysis(panel(FIRST, AB), "a"))
    assert reading.tick() == reading.ends
    assert len(reading.load) == 0


def test_a_stage_of_a_question_that_was_forgotten_is_nothing() -> None:
    """Its panel would have been read before it."""
    reading = Reading((ASSIGNMENTS, DECISIONS))
    assert reading.read(stage(panel(FIRST, AB), "b")) == [None]
    assert len(reading.load) == 0


def test_a_question_of_another_partition_is_nothing_here() -> None:
    """Nor is anything about it."""
    reading = Reading()
    stranger = question(next(ids_at(HERE + 1)))
    first = panel(stranger, AB)
    assert reading.read(stranger, first, analysis(first, "a"), decision(first)) == [None] * 4
    assert reading.tick() == reading.ends


def test_a_merge_agent_is_asked_when_all_it_reads_is_there() -> None:
    """Analyses that came before the panel are kept too."""
    reading = Reading()
    first = panel(FIRST, MERGED)
    one, two = analysis(first, "a"), analysis(first, "b", "B")
    reading.read(one, FIRST, first, stage(first, "a", material=[two.event_id, one.event_id]))
    assert [agent for _, agent in reading.seats()] == ["b"]
    reading.read(two)
    assert [agent for _, agent in reading.seats()] == ["a"]
    (case,) = reading.load.cases()
    assert case.texts == {one.event_id: one.text, two.event_id: two.text}


def test_texts_that_nobody_will_read_are_not_kept() -> None:
    """Without a merge agent an analysis takes its seat, and that is all."""
    reading = Reading()
    first = panel(FIRST, AB)
    reading.read(analysis(first, "a"), FIRST, first, analysis(first, "b"))
    (case,) = reading.load.cases()
    assert case.texts == {}
    assert reading.seats() == []


def test_an_analysis_with_strange_causes_takes_no_seat() -> None:
    """The merge does not count it either."""
    reading = Reading()
    first = panel(FIRST, AB)
    other = panel(SECOND, AB).event_id
    strange = [analysis(first, "a", causes=causes) for causes in ((), (first.event_id, other), (other,))]
    reading.read(FIRST, first, *strange, analysis(first, "b", stage=1))
    assert [agent for _, agent in reading.seats()] == ["a", "b"]


def test_nobody_is_caught_up_before_the_ends_are_known_and_reached() -> None:
    """What lies between records, marks of transactions, counts as read too."""
    reading = Reading()
    reading.read(FIRST)
    assert not reading.load.caught_up
    reading.ends[DECISIONS] = 3
    reading.tick()
    assert not reading.load.caught_up
    reading.load.reach(DECISIONS, 3)
    assert reading.load.caught_up
    reading.ends[DECISIONS] = 9
    reading.tick()
    assert reading.load.caught_up


def test_a_lost_partition_leaves_nothing_to_do() -> None:
    """All its cases are closed."""
    reading = Reading()
    reading.read(*routed(FIRST), *routed(SECOND))
    cases = list(reading.load.cases())
    assert reading.load.lose() == cases
    assert all(case.closed and not list(case.calls()) for case in cases)
