"""
Laws of counterfactual changes, for any small panel.

A change is applied by asking the question again with other replies, through all processors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdopted
from schemas.quantities import PPB
from streams.audit.explain.counterfactual.rederivation import DecidedQuestion
from streams.audit.explain.counterfactual.weight_margin import weight_margins
from streams.audit.explain.counterfactual.would_change import WouldChange, would_change
from streams.processors.deadlines import deadline_of

from ..worlds import (
    FAILED,
    SILENT,
    UNREADABLE,
    World,
    by_odds,
    decide,
    entry,
    gold,
    merged,
    merging,
    moment,
    newest,
    question,
    said,
)

AGENTS = ("ann", "bob", "cyd", "dee")
LETTERS = "ABC"


@dataclass(frozen=True)
class Case:
    """One question: what its panel was, and what was said."""

    policy: PolicyAdopted = field(repr=False)
    quality: Mapping[str, int]
    replies: Mapping[str, str]
    verdict: str
    options: int
    lessons: int = 0

    def play(self) -> World:
        """Ask the question; agents without a reply are silent until the deadline, if there was one."""
        world = World(self.policy)
        world.put(*(entry(agent, quality_ppb=value) for agent, value in self.quality.items()))
        for number in range(self.lessons):
            world.put(question(f"before{number}", at=number, options=self.options))
            world.play(said(**{agent: LETTERS[(number + place) % 2] for place, agent in enumerate(self.quality)}))
            world.put(gold("A", f"before{number}", at=5))
        world.put(question(options=self.options))
        world.play(merged(self.verdict, **self.replies))
        return world


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a rule, its settings, qualities and replies."""
    names = AGENTS[: draw(st.integers(1, 4))]
    rule = draw(st.sampled_from(["vote", "weighted", "cascade", "cascade", "agent", "odds"]))
    options = draw(st.integers(2, 3))
    quality = {name: draw(st.sampled_from([50, 300, 500, 600, 700, 900])) * PPB // 1000 for name in names}
    replies = st.sampled_from([*LETTERS[:options], *LETTERS[:options], *LETTERS[:options], FAILED, UNREADABLE, SILENT])
    said_by = {name: draw(replies) for name in names}
    merge = {"quorum": draw(st.integers(1, min(2, len(names))))}
    if rule == "odds":
        policy: PolicyAdopted = by_odds(*names, merge=merge, odds={"warm_up_lessons": 1, "audit_every": 0})
        return Case(policy, quality, said_by, "", options, draw(st.integers(0, 3)))
    if rule == "cascade":
        merge |= {
            "stages": draw(st.sampled_from([(1,) * len(names), (2, *(1,) * (len(names) - 2)), (len(names),)]))
            if len(names) > 1
            else (1,),
            "accept_ppb": draw(st.sampled_from([600, 800, 950])) * PPB // 1000,
            "window_ppb": draw(st.sampled_from([0, 500])) * PPB // 1000,
            "merge_agent": draw(st.booleans()),
        }
    built = merging(rule, *names, **merge)
    static = built.routing.model_copy(update={"rule": "static"})
    policy = newest(built.model_copy(update={"routing": static})) if draw(st.booleans()) else built
    return Case(policy, quality, said_by, draw(st.sampled_from([*LETTERS[:options], UNREADABLE])), options)


def told(case: Case) -> tuple[World, WouldChange, bool]:
    """Play a case, with the deadline if somebody is silent."""
    world = case.play()
    late = any(world.waiting("q"))
    if late:
        world.put(deadline_of(world.assignment(), moment(1_000)))
    return world, would_change(world.assignment(), world.log, world.decision()), late


def asked(world: World) -> dict[tuple[str, str], tuple[str, ...]]:
    """Give who was asked, a merge agent with what it read."""
    openers = [*world.of(PanelAssigned, "q"), *world.of(StageOpened, "q")]
    return {(one.stage.role, seat.agent): one.stage.material for one in openers for seat in one.stage.seats}


def answered(case: Case, recorded: World, late: bool, changes: Mapping[tuple[str, str], str | None]) -> str | None:
    """Give the answer under other replies; "open" where it rests on what nobody said."""
    told_again = dict(case.replies)
    verdict = case.verdict
    for (role, agent), answer in changes.items():
        if role == "merger":
            verdict = answer or FAILED
        else:
            told_again[agent] = answer or FAILED
    known = asked(recorded)
    for agent in case.replies:
        if ("analyst", agent) not in known:
            told_again[agent] = SILENT
    world = replace(case, replies=told_again, verdict=verdict).play()
    if late and any(world.waiting("q")):
        world.put(deadline_of(world.assignment(), moment(1_000)))
    read_others = any(role == "analyst" for role, _ in changes) and known
    for voice, material in asked(world).items():
        if voice not in known or (read_others and known[voice] != material):
            return "open"
    return world.decision().answer


def every_change(case: Case, voices: list[tuple[str, str]], size: int) -> Iterator[dict[tuple[str, str], str | None]]:
    """Give every change of so many voices, to whatever answer."""
    for chosen in combinations(voices, size):
        for answers in product(LETTERS[: case.options], repeat=size):
            yield dict(zip(chosen, answers, strict=True))


@settings(max_examples=20)
@given(cases())
def test_no_smaller_change_of_ballots_gives_another_answer(case: Case) -> None:
    """The change that is told gives its answer when the question is asked again so; every smaller one does not."""
    world, found, late = told(case)
    decision, ballots = world.decision(), found["ballots"]
    assert found["not_derived"] is None
    if ballots is None:
        return
    voices = [(b["role"], b["agent"]) for b in found["missing"]]
    if decision.answer is None:
        voices = [("analyst", one.agent) for one in decision.excluded]
    smallest = ballots["smallest"]
    if smallest is not None:
        change = {(b["role"], b["agent"]): b["after"] for b in smallest["ballots"]}
        assert len(change) == ballots["nothing_below"]
        assert answered(case, world, late, change) == smallest["follows"]["answer"] != decision.answer
    for size in range(1, min(ballots["nothing_below"], 4)):
        for change in every_change(case, voices, size):
            assert answered(case, world, late, change) in (decision.answer, None, "open"), change


@settings(max_examples=12)
@given(cases())
def test_one_ballot_less_or_more(case: Case) -> None:
    """What is told of a missing ballot, and of an excluded agent's answer, follows when the question is asked so."""
    world, found, late = told(case)
    for missing in found["missing"]:
        follows = answered(case, world, late, {(missing["role"], missing["agent"]): None})
        assert follows == (missing["follows"]["answer"] if missing["follows"]["state"] != "open" else "open")
        assert missing["changes"] == (follows not in ("open", world.decision().answer))
    turning = {(one["role"], one["agent"], one["answer"]) for one in found["added"]}
    if world.decision().answer is not None:
        for one in world.decision().excluded:
            for letter in LETTERS[: case.options]:
                follows = answered(case, world, late, {("analyst", one.agent): letter})
                expected = ("analyst", one.agent, letter) in turning
                assert expected == (follows not in ("open", None, world.decision().answer)) or letter not in seen(found)


def seen(found: WouldChange) -> list[str]:
    """Give the answers that were tried."""
    return [] if found["ballots"] is None else found["ballots"]["answers_tried"]


@settings(max_examples=15)
@given(cases(), st.lists(st.integers(0, 999), min_size=6, max_size=6))
def test_no_smaller_change_of_a_weight_gives_another_answer(case: Case, places: list[int]) -> None:
    """The weight that is told gives another answer, and no value between it and the recorded one does."""
    world, found, _ = told(case)
    decision = world.decision()
    if found["weights"] is None or not found["weights"]["agents"]:
        return
    record = DecidedQuestion.of(world.assignment(), world.log, decision)
    for margin in weight_margins(record, decision):
        dial = margin.dial
        ends = (dial.least, dial.most) if margin.flips_at is None else (margin.flips_at,)
        for end in ends:
            tried = [dial.value + (end - dial.value) * place // 1000 for place in places]
            if margin.flips_at is None:
                tried.append(end)
            else:
                there = record.outcome(panel=dial.set(record.panel, end))
                assert there.state == "decided"
                assert there.answer != decision.answer
                tried.append(end - (1 if end > dial.value else -1))
            for value in tried:
                if value != margin.flips_at:
                    outcome = record.outcome(panel=dial.set(record.panel, value))
                    assert outcome.state != "decided" or outcome.answer == decision.answer


@settings(max_examples=10)
@given(cases())
def test_weight_is_what_the_router_would_have_known(case: Case) -> None:
    """Had the router known the quality that is told, the question asked again would have the other answer."""
    world, found, late = told(case)
    if found["weights"] is None or world.assignment().candidates[0].score_ppb is not None:
        return
    for told_of in found["weights"]["agents"]:
        if told_of["quantity"] == "quality_ppb" and told_of["flips_at"] is not None and told_of["follows"] is not None:
            other = {**case.quality, told_of["agent"]: told_of["flips_at"]}
            assert answered(replace(case, quality=other), world, late, {}) == told_of["follows"]["answer"]


def test_no_panel_is_empty() -> None:
    """A question that nobody answered is told as one that any answer would have decided."""
    world = decide(merging("vote", "ann", "bob"), said(ann=FAILED, bob=FAILED))
    found = would_change(world.assignment(), world.log, world.decision())
    assert found["ballots"] is not None
    assert found["ballots"]["smallest"] is not None
    assert [one["before"] for one in found["ballots"]["smallest"]["ballots"]] == [None]
    assert found["missing"] == []
