"""
Feedback in `learn`: early, repeated, contradicting, retracted.

Restarts come in between.
"""

from typing import Any

import pytest

from schemas.event import Event
from schemas.feedback import FeedbackRetracted
from schemas.quantities import PPB
from streams.processors.learn import LEARN

from ..worlds import (
    FAILED,
    UNREADABLE,
    Folder,
    gold,
    moment,
    overdue,
    question,
    retraction,
    verdict,
    voted,
)


def learning(*events: Event, reload: bool = False) -> Folder:
    """Give `learn` after some events."""
    learn = Folder(LEARN, reload=reload)
    learn.put_all(events)
    return learn


# --- early, repeated, contradicting ----------------------------------------------------------------------------------


def test_early_feedback_is_kept_for_the_decision() -> None:
    """Feedback that comes before the decision observes nothing yet, and the same as late feedback then."""
    world, feedback = voted(a="A", b="B"), gold("B")
    early, late = learning(feedback), learning(world.decision())
    assert early.put_all([world.decision()])[2:] == late.put_all([feedback])


def test_order_of_decision_and_feedback_does_not_matter() -> None:
    """Feedback and decision lie in two topics: the same events follow in any order."""
    world = voted(a="A", b="B")
    first, second, decision = gold("B"), verdict("wrong"), world.decision()
    outputs = [
        Folder(LEARN).put_all(order)
        for order in ([decision, first, second], [first, decision, second], [first, second, decision])
    ]
    assert outputs[0] == outputs[1] == outputs[2]


def changes_nothing(learn: Folder, event: Event) -> bool:
    """Fold an event, and say whether it left no trace at all."""
    before = learn.states["q"]
    (step,) = learn.put(event)
    return step.state is before and (step.events, step.rejection) == ((), None)


def test_repeated_decision_changes_nothing() -> None:
    """The decision once more observes nothing, whether or not there was feedback."""
    world = voted(a="A", b="B")
    assert changes_nothing(learning(world.decision()), world.decision())
    assert changes_nothing(learning(world.decision(), gold("B")), world.decision())


def test_repeated_feedback_changes_nothing() -> None:
    """The same feedback once more observes nothing, and is no conflict."""
    world, feedback = voted(a="A", b="B"), gold("B")
    assert changes_nothing(learning(world.decision(), verdict("wrong"), feedback), feedback)


def test_repeated_early_feedback_changes_nothing() -> None:
    """Feedback that waits for its decision waits once."""
    assert changes_nothing(learning(gold("B")), gold("B"))


def test_same_feedback_at_another_time_changes_nothing() -> None:
    """A source that repeats itself is not counted twice."""
    learn = learning(voted(a="A", b="B").decision(), gold("B", at=10))
    (step,) = learn.put(gold(" b", at=20))
    assert (step.events, step.rejection) == ((), None)


@pytest.mark.parametrize("second", [gold("C"), gold("B", author="eve"), gold("B", source="human")], ids=str)
def test_contradiction_is_judged_by_source_and_author(second: Any) -> None:
    """One statement of each source and author counts; another one of the same is a conflict."""
    learn = learning(voted(a="A", b="B").decision(), gold("B"))
    (step,) = learn.put(second)
    same_voice = (second.source, second.author) == ("gold", None)
    assert (step.rejection is not None) == same_voice
    assert bool(step.events) != same_voice


def test_conflict_names_both_statements() -> None:
    """A rejection says what stands, what it contradicts, and what to do."""
    first = gold("B", author="ann")
    (step,) = learning(first).put(gold("C", author="ann"))
    assert step.rejection is not None
    assert step.rejection.reason == "conflict"
    assert "gold feedback by ann: answer 'B' stands already" in step.rejection.detail
    assert first.event_id in step.rejection.detail
    assert "retract the first" in step.rejection.detail


def test_verdict_and_answer_of_one_voice_conflict() -> None:
    """A source that gave the right answer gives no verdict besides."""
    (step,) = learning(gold("B", source="human")).put(verdict("right"))
    assert step.rejection is not None


def test_opposite_verdicts_conflict() -> None:
    """Right and wrong by the same voice cannot both count."""
    (step,) = learning(verdict("right")).put(verdict("wrong"))
    assert step.rejection is not None
    assert "verdict 'right'" in step.rejection.detail


def test_rejected_feedback_teaches_nothing() -> None:
    """Feedback that was a conflict before the decision observes nothing when the decision comes."""
    decision = voted(a="A", b="B").decision()
    observed = Folder(LEARN).put_all([gold("A"), gold("B"), decision])
    assert observed == Folder(LEARN).put_all([gold("A"), decision])


def test_rejected_feedback_cannot_be_taken_back() -> None:
    """What did not count cannot be retracted."""
    (step,) = learning(gold("A"), gold("B")).put(retraction(gold("B")))
    assert step.rejection is not None
    assert step.rejection.reason == "unknown_reference"


def test_repeated_conflict_is_rejected_in_the_same_words() -> None:
    """Feedback that was rejected is rejected once more when it comes once more, whatever happened since."""
    learn = learning(gold("A"))
    (first,) = learn.put(gold("B"))
    learn.put(retraction(gold("A")))
    (repeat,) = learn.put(gold("B"))
    assert first.rejection is not None
    assert repeat.rejection == first.rejection


# --- retractions -----------------------------------------------------------------------------------------------------


def test_retraction_corrects_each_observation() -> None:
    """Each observation is taken back by one with the same values that names it."""
    world, feedback = voted(a="A", b="B"), gold("B")
    observed = world.learned(feedback)
    corrections = world.learned(retraction(feedback))
    assert [one.corrects for one in corrections] == [one.event_id for one in observed]
    same = ("agent", "scopes", "source", "quality_ppb", "weight_ppb", "averaging", "question_id")
    for correction, observation in zip(corrections, observed, strict=True):
        assert all(getattr(correction, name) == getattr(observation, name) for name in same)


def test_correction_rests_on_all_that_led_to_it() -> None:
    """It names decision, feedback, observation and retraction, and has the time of the last."""
    world, feedback = voted(a="A"), gold("A")
    taken = retraction(feedback, at=9_000)
    (observed,) = world.learned(feedback)
    (correction,) = world.learned(taken)
    assert correction.causes == (
        world.decision().event_id,
        feedback.event_id,
        observed.event_id,
        taken.event_id,
    )
    assert correction.occurred_at == moment(9_000)


def test_retraction_that_claims_to_be_older_has_the_observations_time() -> None:
    """A correction cannot be older than what it corrects."""
    world, feedback = voted(a="A"), gold("A")
    (observed,) = world.learned(feedback)
    (correction,) = world.learned(retraction(feedback, at=1))
    assert correction.occurred_at == observed.occurred_at


def test_retraction_before_the_decision_comes_with_its_feedback() -> None:
    """Feedback taken back before the decision leaves an observation and its correction: the history stays."""
    world, feedback = voted(a="A"), gold("A")
    early = learning(feedback, retraction(feedback)).put_all([world.decision()])
    late = Folder(LEARN).put_all([world.decision(), feedback, retraction(feedback)])
    assert early == late


def test_retraction_of_what_was_not_given_is_rejected() -> None:
    """A retraction names a feedback that is there."""
    (step,) = learning(gold("B")).put(retraction(gold("C")))
    assert step.rejection is not None
    assert step.rejection.reason == "unknown_reference"
    assert f"no feedback {gold('C').event_id} was given on question 'q'" in step.rejection.detail


def test_retraction_picks_its_feedback() -> None:
    """Of several feedbacks the one that is named is taken back."""
    world = voted(a="A")
    first, second = gold("A"), verdict("right")
    world.learned(first, second)
    (correction,) = world.learned(retraction(second))
    assert correction.source == "human"


def test_repeated_retraction_changes_nothing() -> None:
    """The same retraction once more corrects nothing."""
    world, feedback = voted(a="A", b="B"), gold("B")
    assert changes_nothing(learning(world.decision(), feedback, retraction(feedback)), retraction(feedback))


def test_second_retraction_changes_nothing() -> None:
    """What was taken back is not taken back again by another retraction."""
    feedback = gold("B")
    learn = learning(voted(a="A").decision(), feedback, retraction(feedback))
    assert changes_nothing(learn, retraction(feedback, at=4_000))


def test_retracted_feedback_stays_retracted() -> None:
    """Retracted feedback that comes once more does not count again."""
    world, feedback = voted(a="A"), gold("A")
    assert changes_nothing(learning(world.decision(), feedback, retraction(feedback)), feedback)


def test_after_a_retraction_the_source_may_speak_again() -> None:
    """What was a conflict before is welcome after the retraction."""
    world, feedback = voted(a="A", b="B"), gold("B")
    world.learned(feedback, retraction(feedback))
    assert [one.quality_ppb for one in world.learned(gold("A"))] == [PPB, 0]


@pytest.mark.parametrize("reload", [False, True], ids=["kept", "reloaded"])
@pytest.mark.parametrize("ignored", [gold("B", at=20), gold("A", at=20)], ids=["same statement", "conflict"])
def test_ignored_feedback_stays_ignored(ignored: Event, reload: bool) -> None:
    """A repeat of feedback that did not count still does not count after the first one was retracted."""
    feedback = gold("B", at=10)
    learn = learning(voted(a="A").decision(), feedback, ignored, retraction(feedback), reload=reload)
    (step,) = learn.put(ignored)
    assert step.events == ()


# --- states ----------------------------------------------------------------------------------------------------------


def scenes() -> dict[str, list[Event]]:
    """Give orders of decision, feedback and retraction."""
    decision = voted(
        asked=question(subject="law"), learning={"averaging": {"step": "fixed"}}, a="A", b="B", c=UNREADABLE, d=FAILED
    ).decision()
    first, second = gold("B"), verdict("wrong", author="ann")
    return {
        "late": [decision, first, second, retraction(first)],
        "early": [first, second, retraction(first), decision, retraction(second)],
        "conflict": [decision, first, gold("C"), retraction(first), gold("C", at=2_500)],
        "undecided": [voted(a=FAILED).decision(), first, second],
    }


@pytest.mark.parametrize("scene", ["late", "early", "conflict", "undecided"])
def test_restart_between_any_two_events_changes_nothing(scene: str) -> None:
    """A state that went through its JSON form observes the same."""
    events = scenes()[scene]
    assert Folder(LEARN, reload=True).put_all(events) == Folder(LEARN).put_all(events)


def test_reloaded_state_does_not_learn_twice() -> None:
    """After a restart a repeated decision or feedback observes nothing new."""
    world = voted(a="A")
    events = [world.decision(), gold("A"), retraction(gold("A"))]
    learn = learning(*events, reload=True)
    assert learn.put_all(events) == []


def test_other_events_have_no_key() -> None:
    """`learn` reads decisions and feedback of a question."""
    assert LEARN.keys(overdue()) == ()
    assert LEARN.keys(gold("A")) == LEARN.keys(retraction(gold("A"))) == ("q",)
    assert not LEARN.open(None)


def test_fold_leaves_other_events_alone() -> None:
    """An event of another kind observes nothing."""
    learn = learning(gold("A"))
    assert LEARN.fold(learn.states["q"], overdue(), "q", learn.tables).state == learn.states["q"]


def test_retraction_without_any_state_is_rejected() -> None:
    """A retraction may be the first thing that is heard of a question."""
    (step,) = Folder(LEARN).put(FeedbackRetracted(occurred_at=0, question_id="q", feedback_id="0" * 64))
    assert step.rejection is not None
