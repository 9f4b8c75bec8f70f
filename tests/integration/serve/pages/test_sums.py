"""Sums over a log, record by record."""

from itertools import pairwise
from typing import Any

from schemas.router import ObservationCountsV2, RouterEntryV2, router_key
from streams.app.workspace import Workspace
from streams.log import Record
from streams.serve.pages.figures.call_sums import MOST_DAYS, SpendSums
from streams.serve.pages.figures.courses import MOST_POINTS, Courses
from streams.serve.pages.figures.seat_sums import MOST_SUBJECTS, OTHER_SUBJECTS, SubjectSums
from streams.serve.pages.figures.spend import spend_model
from streams.serve.pages.figures.tally import LogTally
from streams.topology import POLICIES, ROUTER


def analysis(agent: str, at: str, *attempts: dict[str, Any], stage: int = 0) -> dict[str, Any]:
    """Write an analysis as the log has it, of the fields that count."""
    return {"agent": agent, "occurred_at": at, "stage": stage, "attempts": list(attempts)}


def attempt(outcome: str = "ok", latency_ms: int = 100, **more: Any) -> dict[str, Any]:
    """Write an attempt."""
    return {"outcome": outcome, "latency_ms": latency_ms, **more}


def seat(agent: str, answer: str | None = None, cost_nusd: int = 5) -> dict[str, Any]:
    """Write a seat of a decision, with one call."""
    return {"agent": agent, "answer": answer, "conduct": {"attempts": 1, "cost_nusd": cost_nusd, "unpriced_calls": 0}}


def decision(subject: str | None = None, **seats: list[dict[str, Any]]) -> dict[str, Any]:
    """Write a decision for A."""
    scopes = ["*"] if subject is None else ["*", subject]
    return {"answer": "A", "scopes": scopes, "counted": [], "excluded": [], **seats}


def entry(sequence: int, scope: str = "*", agent: str = "ann") -> Record:
    """Make the record of a router entry whose quality is its number."""
    event = RouterEntryV2(
        occurred_at="2026-01-01T00:00:00.000Z",
        causes=("a" * 64,),
        scope=scope,
        agent=agent,
        question_id="q",
        sequence=sequence,
        previous=None,
        quality_ppb=sequence,
        latency_ns=1,
        cost_pusd=1,
        stability_ppb=1,
        observations=ObservationCountsV2(quality=sequence, asked=sequence),
    )
    return Record(ROUTER, 0, sequence, 0, router_key(scope, agent), event.encode())


def test_calls_are_summed_by_agent_and_day() -> None:
    """Calls that failed, were not made or have no price are counted apart; days are those of the analyses."""
    sums = SpendSums()
    priced = attempt(cost_nusd=7, input_tokens=3, output_tokens=2)
    sums.add(analysis("ann", "2026-03-01T23:59:59.999Z", attempt("error", error="timeout"), priced))
    sums.add(analysis("ann", "2026-03-02T00:00:00.000Z", attempt("refused", 0), stage=0))
    sums.add(analysis("ben", "2026-03-02T00:00:00.000Z", attempt(latency_ms=900, cost_nusd=90), stage=1_000))
    model = spend_model(sums)
    ben, ann = model.agents
    assert (ann.calls, ann.failed, ann.refused, ann.unpriced_calls, ann.cost_nusd) == (2, 1, 1, 1, 7)
    assert (ann.input_tokens, ann.output_tokens, ann.p50_ms, ben.p95_ms) == (3, 2, 100, 900)
    assert (ben.calls, ben.shadow_calls) == (1, 1)
    assert [(day, [row.agent for row in rows]) for day, rows in model.days] == [
        ("2026-03-02", ["ben", "ann"]),
        ("2026-03-01", ["ann"]),
    ]
    assert (model.calls, model.cost_nusd, model.unpriced_calls) == (3, 97, 1)


def test_old_days_go_and_stay_in_the_sums() -> None:
    """Only the newest days are kept apart; an old one that comes late counts in the sums of its agent alone."""
    sums = SpendSums()
    days = [f"2026-{month:02}-{day:02}" for month in range(1, 6) for day in range(1, 29)]
    for day in [*days, days[0]]:
        sums.add(analysis("ann", f"{day}T12:00:00.000Z", attempt(cost_nusd=1)))
    assert sorted(sums.days) == days[-MOST_DAYS:]
    model = spend_model(sums)
    assert model.days_left_out
    assert model.cost_nusd == len(days) + 1


def test_seats_are_counted_by_subject() -> None:
    """An agent that a cascade asked twice was asked once, and what both calls cost counts; shadows stand apart."""
    sums = SubjectSums()
    sums.add(decision("history", counted=[seat("ann", "A"), seat("ben", "B")], excluded=[seat("ann")]))
    sums.add(decision(None, excluded=[seat("ben")], shadows=[seat("ann")]))
    ann, ben = sums.subjects["history"]["ann"], sums.subjects["*"]["ben"]
    assert (ann.asked, ann.counted, ann.agreed, ann.calls, ann.cost_nusd) == (1, 1, 1, 2, 10)
    assert (ben.asked, ben.counted, ben.agreed) == (2, 1, 0)
    assert sums.subjects["*"]["ann"].shadowed == 1
    assert sums.questions == {"*": 2, "history": 1}


def test_subjects_have_a_bound() -> None:
    """Subjects beyond the bound are counted together, and no question is lost."""
    sums = SubjectSums()
    for number in range(MOST_SUBJECTS + 50):
        sums.add(decision(f"s{number}", counted=[seat("ann", "A")]))
    assert len(sums.subjects) <= MOST_SUBJECTS + 1
    assert sum(count for name, count in sums.questions.items() if name != "*") == MOST_SUBJECTS + 50
    assert sums.questions[OTHER_SUBJECTS] > 0


def test_course_is_thinned_and_keeps_its_ends() -> None:
    """However long a chain is, its course has a fixed number of points, in order, with the first and the newest."""
    courses = Courses()
    for sequence in range(1, 5_001):
        courses.add(entry(sequence))
        points = courses.of_scope("*")["ann"]
        assert len(points) <= MOST_POINTS
        assert (points[0].quality_ppb, points[-1].quality_ppb) == (1, sequence)
    assert [point.asked for point in points] == sorted(point.asked for point in points)
    gaps = [after.asked - before.asked for before, after in pairwise(points[1:-1])]
    assert len(set(gaps)) == 1


def test_entry_that_comes_again_changes_nothing() -> None:
    """After a crash an older entry may be written again behind a newer one."""
    courses = Courses()
    for sequence in (1, 2, 3, 2, 1):
        courses.add(entry(sequence))
    assert courses.entries("*")["*", "ann"].sequence == 3
    assert [point.asked for point in courses.of_scope("*")["ann"]] == [1, 2, 3, 3]


def test_scopes_keep_their_names() -> None:
    """A subject with a slash, a percent sign or another's name as its beginning is a scope of its own."""
    courses = Courses()
    for scope in ("*", "a", "a/b", "a%2Fb", "ab"):
        courses.add(entry(1, scope))
    assert courses.scopes() == ["*", "a", "a%2Fb", "a/b", "ab"]
    for scope in courses.scopes():
        assert list(courses.entries(scope)) == [(scope, "ann")]
        assert list(courses.of_scope(scope)) == ["ann"]


def test_repeat_on_kafka_counts_once() -> None:
    """A record that a crash wrote twice is known by its event; what is no event is counted, and the sums go on."""
    tally = LogTally(Workspace("kafka://localhost:9092"))
    broken = Record(POLICIES, 0, 7, 0, "policy", b'{"event_id":"' + b"0" * 64 + b'"}')
    tally.take([entry(1), entry(1), broken, entry(2)])
    state = tally.state()
    assert (state.records, state.unreadable) == (4, 1)
    assert len(tally.courses.of_scope("*")["ann"]) == 3
