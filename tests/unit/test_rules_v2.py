"""Rules of v2 where they differ from v1."""

import hypothesis
import pytest
from hypothesis import strategies as st

from schemas.analyses import Attempt
from schemas.decisions import DeadlinePassedV2, DecisionMadeV2
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.panels import PanelAssigned, PanelAssignedV2
from schemas.policies import PolicyAdopted
from schemas.questions import LONGEST_OPTION, OptionDigest, QuestionAsked
from schemas.router import AgentObserved, RouterEntryV2
from streams.processors import route
from streams.processors.deadlines import deadline_of
from streams.processors.learn import LEARN, MOST_FEEDBACK, MOST_IGNORED
from streams.processors.merge import MOST_ANALYSES, MOST_BYTES, MOST_DEADLINES

from ..worlds import (
    FAILED,
    SILENT,
    Folder,
    World,
    analysis,
    decide,
    gold,
    merged,
    merging,
    moment,
    newest,
    overdue,
    policy,
    question,
    retraction,
    said,
    verdict,
)


def asked(*options: str, question_id: str = "q", at: int = 10) -> QuestionAsked:
    """Build a question with these options."""
    return QuestionAsked(occurred_at=moment(at), question_id=question_id, text="Which?", options=options)


def voting(*names: str, **merge: object) -> PolicyAdopted:
    """Build a policy of the newest rules under which all agents vote."""
    return newest(merging("vote", *names, **merge))


def qualities(observed: list[AgentObserved]) -> dict[str, int | None]:
    """Give the quality observed of each agent."""
    return {one.agent: one.quality_ppb for one in observed}


REFUSED = Attempt(outcome="refused", error="run_budget", latency_ms=0)


# --- what an event says of itself ------------------------------------------------------------------------------------


def test_panel_and_decision_carry_options_and_rules() -> None:
    """Under a policy of v2 the panel has the question's options, and the decision has them and the answer's text."""
    world = decide(voting("a"), said(a="B"), asked("Paris", "Lyon  on\tthe Rhone"))
    panel, made = world.assignment(), world.decision()
    assert isinstance(panel, PanelAssignedV2)
    assert isinstance(made, DecisionMadeV2)
    assert panel.options == made.options == ("Paris", "Lyon on the Rhone")
    assert made.answer_text == "Lyon on the Rhone"
    assert panel.rules == made.rules
    assert made.extractor == "answers.v2"


def test_long_option_travels_as_its_hash() -> None:
    """Of an option that is too long the hash travels; equal ones have equal hashes, and the answer has no text."""
    long = "x" * (LONGEST_OPTION + 1)
    world = decide(voting("a"), said(a="A"), asked(long, "y", long))
    made = world.decision()
    assert isinstance(made, DecisionMadeV2)
    assert isinstance(made.options[0], OptionDigest)
    assert made.options[0] == made.options[2]
    assert made.answer_text is None


def test_unset_field_of_v2_is_not_written() -> None:
    """What is unset is neither written nor hashed."""
    made = decide(voting("a"), said(a="A")).decision()
    assert b"even_sums" not in made.encode()
    assert b'"posts"' not in made.encode()
    assert b'"tie_break":null' in made.encode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": ("a",)},
        {"candidates": ()},
        {"option_count": 3},
        {"answer_type": "number"},
        {"later": (("a",),)},
        {"reserve": ("z",)},
        {"merger": "z"},
        {"explored": "z"},
        {"stage": {"number": 1, "role": "analyst", "seats": ({"agent": "a"},)}},
        {"stage": {"number": 0, "role": "merger", "seats": ({"agent": "a"},)}},
        {"stage": {"number": 0, "role": "dispatcher", "seats": ({"agent": "a"},)}},
    ],
    ids=str,
)
def test_panel_of_v2_agrees_with_itself(wrong: dict[str, object]) -> None:
    """A panel whose fields contradict each other cannot be built."""
    panel = decide(voting("a", "b"), said()).assignment()
    fields = {name: getattr(panel, name) for name in type(panel).model_fields if name != "event_id"}
    with pytest.raises(ValueError, match="validation error"):
        PanelAssignedV2(**{**fields, **wrong})


@pytest.mark.parametrize("name", ["first", "second"])
def test_no_agent_is_called_like_a_rank(name: str) -> None:
    """`first` and `second` are words of routing.merger."""
    policy(name)
    with pytest.raises(ValueError, match="is a rank in"):
        newest(policy(name))


# --- merge -----------------------------------------------------------------------------------------------------------


def test_deadline_of_another_panel_does_not_count() -> None:
    """A deadline that does not name the panel is a letter; one that does decides."""
    world = World(voting("a", "b"))
    world.put(question())
    world.put(overdue())
    assert [letter.reason for _, letter in world.letters] == ["unknown_reference"]
    assert world.of(DecisionMadeV2) == []
    world.put(deadline_of(world.assignment(), moment(500)))
    assert world.decision().reason == "deadline"


def test_deadline_waits_for_its_panel() -> None:
    """Before the panel deadlines wait, so many; the one that names the panel counts, a stranger's of 2000 does not."""
    there = World(voting("a"))
    there.put(question())
    named = deadline_of(there.assignment(), moment(500))
    strangers = [
        DeadlinePassedV2(causes=(f"{number:064x}",), occurred_at="2000-01-01T00:00:00.000Z", question_id="q")
        for number in range(MOST_DEADLINES - 1)
    ]
    world = World(voting("a"), reload=True)
    world.put(*strangers, named, overdue(), question())
    assert world.decision().reason == "deadline"
    assert named.event_id in world.decision().causes


def test_deadline_without_a_panel_counts_under_v1() -> None:
    """Under merge.v1 a deadline names nothing, and the first one counts."""
    world = World(merging("vote", "a"))
    world.put(overdue(at=1), question())
    assert world.decision().reason == "deadline"
    assert deadline_of(world.assignment(), moment(5)).kind == "deadline.passed.v1"


@pytest.mark.parametrize(
    "fields",
    [{"attempts": (REFUSED,)}, {"attempts": (REFUSED.model_copy(update={"cost_nusd": 5}),)}],
    ids=["ok without a call", "a refused call with a cost"],
)
def test_analysis_that_contradicts_itself_is_refused(fields: dict[str, object]) -> None:
    """It is a letter with a fixed text that names the version of the rules."""
    world = World(voting("a", "b"))
    world.put(question())
    world.put(analysis(world.assignment(), "a", **fields))
    ((_, letter),) = world.letters
    assert (letter.reason, letter.detail[:9]) == ("invalid", "merge.v2:")


def test_ballot_without_a_call_teaches_nothing_under_v1() -> None:
    """Under v1 the analysis counts, as it did, and `learn` goes on."""
    world = World(merging("vote", "a"))
    world.put(question())
    world.put(analysis(world.assignment(), "a", attempts=(REFUSED,)))
    assert world.decision().answer == "A"
    assert world.of(AgentObserved) == []


def test_analyses_of_one_question_are_bounded() -> None:
    """Beyond a number, or so many bytes, an analysis is a letter, whoever wrote it."""
    world = World(voting("a"))
    other = decide(voting("a"), said()).assignment()
    world.put(*(analysis(other, f"z{number}") for number in range(MOST_ANALYSES + 1)))
    assert [letter.reason for _, letter in world.letters] == ["too_large"]
    world = World(voting("a"))
    text = "x" * 800_000
    world.put(*(analysis(other, f"z{number}", text=text) for number in range(MOST_BYTES // len(text) + 2)))
    assert [letter.reason for _, letter in world.letters] == ["too_large"]


def test_tie_that_the_ballots_settle_is_said() -> None:
    """Of two answers with the same sum the one with more ballots is decided, and the decision names the other."""
    given = newest(merging("weighted", "a", "b", "c"))
    made = decide(given, said(a="A", b="B", c="B"), question(options=2)).decision()
    assert (made.answer, made.tie_break) == ("B", None)
    assert isinstance(made, DecisionMadeV2)
    assert made.even_sums == ("A",)


def test_panel_that_was_not_asked_in_full_is_not_called_complete() -> None:
    """A cascade that ends below its window says so; under v1 the panel was called complete."""
    cascade = merging("cascade", "a", "b", stages=(1, 1), accept_ppb=990_000_000, window_ppb=980_000_000)
    assert decide(newest(cascade), said(a="A")).decision().reason == "below window"
    assert decide(cascade, said(a="A")).decision().reason == "panel complete"


def test_parts_of_a_dispatcher_reach_the_later_stages() -> None:
    """The dispatcher writes a part for each analyst, and a later stage gets those that are left."""
    given = merging("cascade", "a", "b", stages=(1, 1), accept_ppb=990_000_000)
    given = newest(given.model_copy(update={"decomposition": "dispatcher"}))
    world = World(given)
    world.put(question())
    world.put(analysis(world.assignment(), "a", sub_questions=("one", "two")))
    world.put(analysis(world.stage(1), "a"))
    assert [world.stage(number).stage.seats[0].sub_question for number in (1, 2)] == ["one", "two"]


# --- learn -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["B", "b", "(B)", "Lyon", "lyon"])
@pytest.mark.parametrize("early", [False, True])
def test_right_answer_is_read_in_every_form(given: str, early: bool) -> None:
    """A letter, with brackets or without, and the option's own words; before the question or after it."""
    feedback = gold(given)
    world = World(voting("a", "b"))
    world.put(*(feedback,) * early, asked("Paris", "Lyon", "Bern"))
    world.play(said(a="B", b="C"))
    world.put(*(feedback,) * (not early))
    judged = [one for one in world.of(AgentObserved) if one.source == "gold"]
    assert qualities(judged) == {"a": 1_000_000_000, "b": 0}


@pytest.mark.parametrize("early", [False, True])
def test_impossible_answer_judges_nobody(early: bool) -> None:
    """Feedback that names no option judges nobody, and stands till retracted; behind the decision it is a letter."""
    feedback = gold("Rome")
    world = World(voting("a"))
    world.put(*(feedback,) * early, asked("Paris", "Lyon"))
    world.play(said(a="B"))
    assert world.learned(*(feedback,) * (not early)) == []
    assert [(letter.reason, letter.detail[:9]) for _, letter in world.letters] == [("invalid", "learn.v2:")] * (
        not early
    )
    assert world.learned(gold("Lyon", at=3_000), retraction(feedback)) == []
    assert qualities(world.learned(gold("Lyon", at=4_000))) == {"a": 1_000_000_000}


def test_equal_options_are_one_answer() -> None:
    """Ballots for either count together, and gold for either is right for both."""
    world = decide(voting("a", "b", "c"), said(a="A", b="D", c="B"), asked("rise", "stay", "fall", "rise"))
    assert world.decision().tally == {"A": 2, "B": 1}
    assert qualities(world.learned(gold("D"))) == {"a": 1_000_000_000, "b": 1_000_000_000, "c": 0}


def test_repeated_statements_leave_a_bounded_state() -> None:
    """However often the same is said, the state keeps so many ids."""
    world = decide(voting("a"), said(a="A"))
    world.put(*(gold("A", at=2_000 + number) for number in range(MOST_IGNORED + 50)))
    learned = world.folders[2].states["q"]
    assert (len(learned.given), len(learned.ignored)) == (1, MOST_IGNORED)


STATEMENTS = ("A", "a", "(A)", "Paris", "B", "Rome", "7")


@hypothesis.given(
    early=st.integers(0, 8),
    told=st.lists(
        st.tuples(st.sampled_from(STATEMENTS), st.sampled_from(["eve", "ann"]), st.integers(-1, 3)), max_size=8
    ),
)
def test_order_of_decision_and_feedback_does_not_matter(early: int, told: list[tuple[str, str, int]]) -> None:
    """Kafka gives no order between them: states and observations are the same wherever the decision comes."""
    decided = decide(voting("a", "b"), said(a="A", b="B"), asked("Paris", "Lyon", "Rome")).decision()
    events: list[FeedbackGiven | FeedbackRetracted] = []
    for number, (answer, author, retracted) in enumerate(told):
        earlier = [event for event in events if isinstance(event, FeedbackGiven)]
        if 0 <= retracted < len(earlier):
            events.append(retraction(earlier[retracted], at=3_000 + number))
        events.append(gold(answer, author=author, at=2_000 + number))
    ends = []
    for place in (0, min(early, len(events))):
        learn = Folder(LEARN)
        made = learn.put_all([*events[:place], decided, *events[place:]])
        ends.append((LEARN.dump(learn.states["q"]), sorted(event.event_id for event in made)))
    assert ends[0] == ends[1]


def test_feedback_of_one_question_is_bounded() -> None:
    """Beyond so many authors a feedback is a letter."""
    world = decide(voting("a"), said(a="A"))
    given = [verdict("right", author=f"eve{number}") for number in range(MOST_FEEDBACK + 1)]
    for feedback in given:
        world.folders[2].put(feedback)
    (step,) = world.folders[2].put(verdict("right", author="zoe"))
    assert step.rejection is not None
    assert step.rejection.reason == "too_large"
    assert isinstance(given[0], FeedbackGiven)


def test_seat_without_a_call_counts_as_asked_alone() -> None:
    """An agent that is always refused ends its warm-up, and its averages stay; under v1 it is asked for ever."""
    plain = policy("a", "b", routing={"panel_size": 1, "exploration": {"warm_up": 3, "kind": "none"}})
    for given, sizes in ((plain, [2] * 5), (newest(plain), [2, 2, 2, 1, 1])):
        world = World(given)
        for number in range(5):
            world.put(question(f"q{number}", at=10 + number))
            for opener, agent in list(world.waiting()):
                refused = {"attempts": (REFUSED,)} if agent == "b" else {}
                world.put(analysis(opener, agent, FAILED if agent == "b" else "A", **refused))
        assert [len(panel.stage.seats) for panel in world.of(PanelAssigned)] == sizes
    entry = world.entry("b")
    assert isinstance(entry, RouterEntryV2)
    assert entry.observations.model_dump() == {"quality": 0, "latency": 0, "cost": 0, "stability": 0, "asked": 3}


def test_posts_answer_for_their_calls() -> None:
    """A merge agent that never answers loses stability, is not counted as asked, and the vote decides."""
    world = World(newest(merging("agent", "a", "b")))
    world.put(question())
    world.play(merged(FAILED, a="A", b="A"))
    assert world.decision().rule == "weighted.v1"
    (observed,) = [one for one in world.of(AgentObserved) if getattr(one, "post", None) == "merger"]
    assert (observed.stability_ppb, observed.cost_nusd) == (0, None)
    assert world.entry(observed.agent).observations.askings == 1


def test_post_that_was_not_heard_is_silent() -> None:
    """A merge agent whose reply never came, until the deadline, has no stability either."""
    world = World(newest(merging("agent", "a")))
    world.put(question())
    world.play(merged(SILENT, a="A"))
    world.put(deadline_of(world.assignment(), moment(500)))
    (observed,) = [one for one in world.of(AgentObserved) if getattr(one, "post", None) == "merger"]
    assert (observed.stability_ppb, observed.latency_ms) == (0, None)


# --- route and rank --------------------------------------------------------------------------------------------------


def test_explored_agent_sits_in_the_first_stage() -> None:
    """A later stage may never open; the ranks of dispatcher and merge agent stay those of the table."""
    exploration = {"kind": "nth", "every": 2, "warm_up": 0}
    given = policy(
        "a",
        "b",
        "c",
        routing={"panel_size": 2, "exploration": exploration},
        merge={"rule": "cascade", "stages": (1, 1), "merge_agent": True},
    )
    seen = []
    for version in (given, newest(given)):
        panels = []
        for number in range(20):
            world = World(version)
            world.put(question(f"q{number}"))
            panels += [panel for panel in world.of(PanelAssigned) if panel.explored is not None]
        assert panels
        seen.append({(panel.stage.seats[0].agent == panel.explored, panel.merger) for panel in panels})
    assert seen == [{(False, "a")}, {(True, "a")}]


def test_router_table_takes_so_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """From then on a new subject has no lines of its own, and its panel says so; a known one goes on."""
    monkeypatch.setattr(route, "MOST_LINES", 4)
    world = World(newest(policy("a", "b")))
    for number, subject in enumerate(("law", "art", "law", "art")):
        world.put(question(f"q{number}", at=10 + number, subject=subject))
        world.play(said(a="A", b="B"))
    panels = world.of(PanelAssignedV2)
    assert [panel.scopes for panel in panels] == [("*", "law"), ("*",), ("*", "law"), ("*",)]
    assert [panel.crowded for panel in panels] == [None, True, None, True]
    assert {scope for scope, _ in world.entries} == {"*", "law"}


def test_undone_step_of_one_keeps_what_came_before() -> None:
    """Under alpha 1 the average is the last observation; undone, it stays, and does not fall to the cold start."""
    averaging = {"averaging": {"step": "fixed", "alpha_ppb": 1_000_000_000}}
    for given, quality in (
        (policy("a", learning=averaging), 500_000_000),
        (newest(policy("a", learning=averaging)), 0),
    ):
        world = World(given)
        for number, right in enumerate("AB"):
            world.put(question(f"q{number}", at=10 + number))
            world.play(said(a="A"))
            last = gold(right, f"q{number}", at=2_000 + number)
            world.put(last)
        world.put(retraction(last))
        assert world.entry("a").quality_ppb == quality
