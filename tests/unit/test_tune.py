"""Fold `tune`: lessons, steps, retractions, and the chain of entries."""

import pytest

from schemas.lessons import LessonGiven
from schemas.odds import ONE
from schemas.quantities import PPB
from schemas.weights import MOST_AGENTS, WeightsEntry
from streams.processors.tune import MEMORY, TUNE

from ..worlds import EPOCH, Folder, moment


def lesson(number: int = 0, right: str | None = "A", **fields: object) -> LessonGiven:
    """Make a lesson: ann answers A, bo answers B, cy's answer cannot be read."""
    answers = fields.pop("answers", {"ann": "A", "bo": "B", "cy": None})
    assert isinstance(answers, dict)
    return LessonGiven(
        **{
            "occurred_at": moment(number),
            "scope": "p",
            "question_id": f"q{number}",
            "source": "gold",
            "right": right,
            "wrong": None,
            "weight_ppb": PPB,
            "question_kind": "texts",
            "negated": False,
            "choices": 4,
            "shapes": None,
            "answers": tuple(
                {"agent": agent, "answer": answer, "grounds": answer and "text", "uses": None, "repeats": None}
                for agent, answer in answers.items()
            ),
            "first": "ann",
            "tune": "tune.v1",
            **fields,
        }
    )


def entries(*lessons: LessonGiven, reload: bool = True) -> list[WeightsEntry]:
    """Fold lessons in order and give the entries."""
    made = Folder(TUNE, reload=reload).put_all(lessons)
    return [entry for entry in made if isinstance(entry, WeightsEntry)]


def weight(entry: WeightsEntry, agent: str, name: str = "agent") -> int:
    """Give one weight of an agent."""
    (line,) = (line for line in entry.agents if line.agent == agent)
    return line.weights[name][0]


def numbers(entry: WeightsEntry) -> object:
    """Give all numbers of a table."""
    return entry.shared, [(line.agent, line.weights, line.standing) for line in entry.agents], entry.lessons


def test_lesson_moves_weights_towards_the_right_answer() -> None:
    """What the right answer had gains, what wrong answers had loses; an answer that cannot be read was wrong."""
    (entry,) = entries(lesson())
    assert weight(entry, "ann") > ONE > weight(entry, "bo")
    assert weight(entry, "ann", "text") > 0 > weight(entry, "bo", "text")
    standing = {line.agent: line.standing["texts"] for line in entry.agents}
    assert standing["ann"].right > ONE // 2 > standing["bo"].right == standing["cy"].right
    assert [standing[agent].asked for agent in ("ann", "bo", "cy")] == [1, 1, 1]


def test_wrong_verdict_teaches_that_it_is_one_of_the_others() -> None:
    """The answer that was called wrong loses, the others gain by their posterior."""
    (entry,) = entries(lesson(right=None, wrong="B", source="human"))
    assert weight(entry, "ann") > ONE > weight(entry, "bo")


def test_source_is_worth_its_weight() -> None:
    """A source of half the weight moves half as far."""
    whole, half = (entries(lesson(weight_ppb=worth))[0] for worth in (PPB, PPB // 2))
    assert weight(whole, "ann") - ONE == pytest.approx(2 * (weight(half, "ann") - ONE), abs=2)


def test_entries_are_a_chain() -> None:
    """Each entry names its lesson and the entry before, and counts on."""
    lessons = [lesson(number) for number in range(3)]
    made = entries(*lessons)
    assert [entry.lesson_id for entry in made] == [taught.event_id for taught in lessons]
    assert [entry.previous for entry in made] == [None, made[0].event_id, made[1].event_id]
    assert [(entry.sequence, entry.lessons) for entry in made] == [(1, 1), (2, 2), (3, 3)]


def test_policies_have_tables_of_their_own() -> None:
    """Lessons of one policy leave the other's weights alone."""
    first, second = entries(lesson(), lesson(1, scope="other", right="B"))
    assert (first.scope, second.scope, second.sequence) == ("p", "other", 1)
    assert weight(second, "ann") < ONE


def test_repeated_lesson_changes_nothing() -> None:
    """A lesson is applied once, also after the state was stored and loaded."""
    assert len(entries(lesson(), lesson(1), lesson(), lesson(1))) == 2


def back(taught: LessonGiven, **fields: object) -> LessonGiven:
    """Take a lesson back."""
    kept = {name: getattr(taught, name) for name in LessonGiven.model_fields if name not in ("event_id", "kind")}
    return LessonGiven(**{**kept, "corrects": taught.event_id, "causes": (taught.event_id,), **fields})


def test_retraction_of_the_last_lesson_restores_the_table() -> None:
    """All numbers are again what they were, exactly."""
    before, _, after = entries(lesson(), lesson(1, "B"), back(lesson(1, "B")))
    shared, agents, lessons = numbers(before)  # type: ignore[misc]
    assert after.lessons == lessons
    assert [(line.agent, line.standing) for line in after.agents] == [(agent, s) for agent, _, s in agents]
    assert {name: after.shared[name] for name in shared} == shared
    assert [{name: line.weights[name] for name in w} for line, (_, w, _) in zip(after.agents, agents, strict=True)] == [
        w for _, w, _ in agents
    ]


def test_retraction_subtracts_the_step_that_was_taken() -> None:
    """Behind other lessons the weights lose what the lesson had added, not what it would add now."""
    alone, *_ = entries(lesson(0, "B"))
    made = entries(lesson(0, "B"), *(lesson(number) for number in range(1, 9)), back(lesson(0, "B")))
    added = weight(alone, "bo") - ONE
    assert weight(made[-2], "bo") - weight(made[-1], "bo") == added


def test_lesson_is_taken_back_once() -> None:
    """A second retraction of one lesson changes nothing."""
    taught = lesson(1)
    assert len(entries(lesson(), taught, back(taught), back(taught, occurred_at=moment(99)))) == 3


def test_old_lesson_is_taken_back_by_the_step_it_would_take_now() -> None:
    """Beyond the memory the step is computed anew; the weight moves back, by no more than a step."""
    old, others = lesson(0, "B"), [lesson(number) for number in range(1, MEMORY + 2)]
    made = entries(old, *others, back(old))
    assert made[-1].lessons == len(others)
    assert 0 < weight(made[-2], "bo") - weight(made[-1], "bo") < ONE


def test_retraction_with_other_answers_is_rejected() -> None:
    """A correction whose answers are not those of its lesson becomes a letter."""
    folder, taught = Folder(TUNE, reload=True), lesson()
    folder.put_all([taught])
    (step,) = folder.put(back(taught, answers=()))
    assert step.rejection is not None
    assert (step.events, step.rejection.reason) == ((), "invalid")


def test_table_forgets_the_agents_that_were_taught_longest_ago() -> None:
    """However many agents lessons name, a table holds no more than its bound, and keeps the newest."""
    crowd = [lesson(number, answers={f"m{number}-{place}": "A" for place in range(60)}) for number in range(4)]
    made = entries(*crowd, lesson(9, answers={"m3-0": "A"}))
    assert [len(entry.agents) for entry in made] == [60, 120, MOST_AGENTS, MOST_AGENTS, MOST_AGENTS]
    held = [line.agent for line in made[-1].agents]
    assert held[-60:] == [f"m3-{place}" for place in range(60)]
    assert "m0-0" not in held


def test_right_answer_that_nobody_gave() -> None:
    """All who answered lose, and the table stays sound."""
    (entry,) = entries(lesson(right="D"))
    assert weight(entry, "ann") < ONE
    assert weight(entry, "bo") < ONE


def test_lesson_without_answers() -> None:
    """If nobody could be read, everybody was wrong, and no weight moves."""
    (entry,) = entries(lesson(answers={"ann": None}))
    assert entry.shared == {}
    assert entry.agents[0].weights == {}
    assert entry.occurred_at == EPOCH


# --- agreement -------------------------------------------------------------------------------------------------------


def agreed(number: int = 0, **answers: str) -> LessonGiven:
    """Make a lesson without a known answer."""
    return lesson(number, None, source="agreement", answers=answers)


def test_agreement_trusts_those_who_agree() -> None:
    """Who stands with the majority gains, who stands alone loses; the agent listed first starts ahead."""
    entry = entries(*(agreed(number, ann="A", bo="A", cy="B") for number in range(20)))[-1]
    assert weight(entry, "ann", "text") > weight(entry, "bo", "text") > 0 > weight(entry, "cy", "text")


def test_agreement_is_taken_back_too() -> None:
    """A correction restores the weights."""
    before, _, after = entries(agreed(0, ann="A", bo="A"), agreed(1, ann="A", bo="B"), back(agreed(1, ann="A", bo="B")))
    assert numbers(before) == numbers(after)
