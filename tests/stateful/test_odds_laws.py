"""Laws of the rule `odds` and of the fold `tune`."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.decisions import DecisionMade
from schemas.event import MAX_EVENT_BYTES
from schemas.lessons import LessonGiven
from schemas.odds import MOST_PRECISION, MOST_WEIGHT, ONE
from schemas.weights import WeightsEntry
from streams.processors.merge import MERGE
from streams.processors.tune import TUNE

from ..odds_strategies import lessons
from ..worlds import Folder, World, analysis, by_odds, question

NAMES = ["ann", "bo", "cy", "di"]
some_agents = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
one_scope = some_agents.flatmap(lambda agents: lessons(agents, scope="p", corrects=None))
few = settings(max_examples=30)


def numbered(course: list[LessonGiven]) -> list[LessonGiven]:
    """Tell the lessons of a course apart, as their causes do in a log."""
    return [changed(lesson, causes=(f"{place:064x}",)) for place, lesson in enumerate(course)]


def folded(*events: LessonGiven) -> list[WeightsEntry]:
    """Fold lessons; each state is stored and loaded in between."""
    made = Folder(TUNE, reload=True).put_all(events)
    return [entry for entry in made if isinstance(entry, WeightsEntry)]


def changed(lesson: LessonGiven, **fields: Any) -> LessonGiven:
    """Copy a lesson with some fields changed."""
    kept = {name: getattr(lesson, name) for name in LessonGiven.model_fields if name not in ("event_id", "kind")}
    return LessonGiven(**{**kept, **fields})


courses = st.lists(one_scope, min_size=1, max_size=5).map(numbered)


def table(entry: WeightsEntry) -> dict[str, Any]:
    """Give all numbers of an entry by name, whatever their order."""
    lines = {line.agent: (dict(line.weights), dict(line.standing)) for line in entry.agents}
    return {"shared": dict(entry.shared), "agents": lines, "lessons": entry.lessons}


@few
@given(courses, st.randoms(use_true_random=False))
def test_order_of_answers_does_not_matter(course: list[LessonGiven], chance: Any) -> None:
    """Whoever's answer stands first in a lesson, the numbers are the same."""
    shuffled = []
    for lesson in course:
        answers = list(lesson.answers)
        chance.shuffle(answers)
        shuffled.append(changed(lesson, answers=tuple(answers)))
    first, second = folded(*course), folded(*shuffled)
    assert [table(entry) for entry in first] == [table(entry) for entry in second]


@few
@given(courses, st.lists(st.integers(0, 7), max_size=8))
def test_repeats_change_nothing(course: list[LessonGiven], repeats: list[int]) -> None:
    """Lessons that come again give no entries, and the table goes on as it would have."""
    with_repeats = [*course, *(course[place % len(course)] for place in repeats)]
    assert folded(*with_repeats) == folded(*course)


@few
@given(courses)
def test_retraction_restores_what_was_before(lessons_given: list[LessonGiven]) -> None:
    """The last lesson, taken back, leaves every number as it was; a weight that it made stands where weights start."""
    *course, lesson = lessons_given
    made = folded(*course, lesson, changed(lesson, corrects=lesson.event_id, causes=(lesson.event_id,)))
    after = table(made[-1])
    before = table(made[len(course) - 1]) if course else {"shared": {}, "agents": {}, "lessons": 0}
    assert after["lessons"] == before["lessons"]
    assert after["shared"].items() >= before["shared"].items()
    for agent, (weights, standing) in before["agents"].items():
        assert after["agents"][agent][0].items() >= weights.items()
        assert after["agents"][agent][1].items() >= standing.items()


@few
@given(courses, st.data())
def test_retraction_in_any_place_moves_back(course: list[LessonGiven], data: st.DataObject) -> None:
    """A lesson taken back behind others subtracts the changes that it made, up to the bounds of the numbers."""
    place = data.draw(st.integers(0, len(course) - 1))
    lesson = course[place]
    made = folded(*course, changed(lesson, corrects=lesson.event_id, causes=(lesson.event_id,)))
    nothing: dict[str, Any] = {"shared": {}, "agents": {}}
    before = table(made[place - 1]) if place else nothing
    step, last, after = table(made[place]), table(made[-2]), table(made[-1])
    for name, (weight, _) in after["shared"].items():
        start = before["shared"].get(name, (0, 0))[0]
        taken = step["shared"][name][0] - start if name in step["shared"] else 0
        assert weight == last["shared"][name][0] - taken


@settings(max_examples=40)
@given(st.lists(lessons(NAMES, scope="p"), min_size=1, max_size=6), st.integers(1, 40))
def test_numbers_stay_within_their_bounds(course: list[LessonGiven], rounds: int) -> None:
    """However often hostile lessons come, every number fits into an event, and the event into the log."""
    folder = Folder(TUNE)
    entry = None
    for turn in range(rounds):
        for lesson in course:
            for step in folder.put(changed(lesson, causes=(f"{turn:064x}",))):
                entry = next((one for one in step.events if isinstance(one, WeightsEntry)), entry)
    if entry is None:
        return
    assert len(entry.encode()) < MAX_EVENT_BYTES // 8
    pairs = [*entry.shared.values(), *(pair for line in entry.agents for pair in line.weights.values())]
    assert all(abs(weight) <= MOST_WEIGHT and 1 <= precision <= MOST_PRECISION for weight, precision in pairs)
    for line in entry.agents:
        assert all(0 <= standing.right <= ONE for standing in line.standing.values())


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from(["A", "B", "C", "<failed>", "<unreadable>"]), min_size=4, max_size=4),
    st.permutations(range(4)),
    st.sampled_from([0, 4]),
)
def test_order_of_analyses_does_not_matter(replies: list[str], order: list[int], options: int) -> None:
    """In whatever order the agents of a stage answer, the decision is the same event."""
    decisions = []
    for places in (range(4), order):
        world = World(by_odds(*NAMES), reload=True)
        world.put(question(options=options, text="How much is 3 + 4?"))
        said = {
            agent: analysis(opener, agent, reply_of(replies[NAMES.index(agent)], options))
            for opener, agent in world.waiting()
        }
        world.put(*(said[NAMES[place]] for place in places))
        decisions.append(world.of(DecisionMade))
    assert decisions[0] == decisions[1]
    assert len(decisions[0]) == 1


def reply_of(reply: str, options: int) -> str:
    """Give a reply to a choice, or one with a number in place of the letter."""
    return reply if options or reply.startswith("<") else str("ABC".index(reply) + 7)


def test_fold_of_merge_takes_no_tables() -> None:
    """All that the rule needs travels with the panel."""
    assert not MERGE.sees_tables
