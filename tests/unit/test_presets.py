"""Presets as policies that decide."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import content_id
from schemas.decisions import DecisionMade, DecisionMadeV2
from schemas.panels import PanelAssignedV2, StageOpened
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from streams.errors import UsageError
from streams.presets import preset
from streams.settings import Config, build_policy

from ..worlds import EPOCH, FAILED, OUTSIDE, UNREADABLE, World, gold, question, said

NAMES = ("ann", "bo", "cy", "di", "eve", "flo")
WARM_UP = {"exploration": {"warm_up": 3}}
"""Shorter than the preset's, so that a log of a few questions goes beyond it."""


def configured(agents: int, rules: Any = "v2", **tables: Any) -> PolicyAdopted:
    """Build the policy of a configuration that names agents and, where it says more, single tables."""
    specs = [{"kind": "simulated", "name": name} for name in NAMES[:agents]]
    return build_policy(Config(fields=tables, rules=rules), EPOCH, agents=specs)


def earlier(agents: int) -> PolicyAdopted:
    """Build the policy that `default` stood for before it learned odds."""
    return configured(agents, routing=WARM_UP, merge={"rule": "cascade"})


def told(decision: DecisionMade) -> dict[str, Any]:
    """Give all that a decision says, without the ids of what it rests on and what only learned odds add."""
    assert isinstance(decision, DecisionMadeV2)
    fields = decision.model_dump(exclude={"event_id", "causes", "verdict_id", "rules", "odds"})
    for voice in (*fields["counted"], *fields["excluded"]):
        voice.pop("analysis_id")
    for step in fields["trace"]:
        assert step.pop("gain") is None
    return fields


def reply_of(agent: str, question_id: str, seed: int) -> str:
    """Draw a reply by a hash: mostly one of three options, sometimes none."""
    mark = int(content_id(f"{agent}/{question_id}/{seed}".encode()), 16)
    return (FAILED, UNREADABLE, OUTSIDE)[mark % 3] if mark % 11 == 0 else "ABC"[mark % 3]


@settings(max_examples=6, deadline=None)
@given(agents=st.integers(1, 6), options=st.sampled_from((0, 3, 4)), seed=st.integers(0, 10**6))
def test_default_without_feedback_decides_as_before_it_learned(agents: int, options: int, seed: int) -> None:
    """Without any lesson each panel, stage and decision of `default` says what that of the earlier cascade says."""
    worlds = World(configured(agents, routing=WARM_UP)), World(earlier(agents))
    for number in range(12):
        for world in worlds:
            world.put(question(f"q{number}", at=number, options=options))
            world.play(said(**{name: reply_of(name, f"q{number}", seed) for name in NAMES[:agents]}))
    now, before = ([told(decision) for decision in world.of(DecisionMade)] for world in worlds)
    assert now == before
    assert len(now) == 12
    now_asked, before_asked = (
        [(opened.reason, opened.stage.seats) for opened in world.of(StageOpened)] for world in worlds
    )
    assert now_asked == before_asked
    panels = worlds[0].of(PanelAssignedV2)
    assert {panel.odds and panel.odds.mode for panel in panels} == {"untaught"}


def test_default_learns_from_the_first_feedback_on() -> None:
    """Once an answer is known, panels of `default` carry weights, and its questions are decided by odds."""
    world = World(configured(4))
    for number in range(2):
        world.put(question(f"q{number}", at=number))
        world.play(said(ann="A", bo="A", cy="B", di="C"))
        world.put(gold("A", f"q{number}", at=number))
    first, second = world.of(DecisionMade)
    assert {step.rule for step in first.trace} == {"cascade.v1"}
    assert {step.rule for step in second.trace} == {"odds.v1"}


@pytest.mark.parametrize("agents", [1, 2, 3, 5, 6])
def test_default_under_v1_is_the_cascade_of_release_0_1(agents: int) -> None:
    """The rules of v1 have no learned odds, so a log that programs of 0.1 read keeps the cascade."""
    policy, newer = configured(agents, "v1"), configured(agents)
    assert not isinstance(policy, PolicyAdoptedV2)
    assert (policy.merge.rule, newer.merge.rule) == ("cascade", "odds")
    assert policy.merge.stages == newer.merge.stages
    assert policy.routing.model_dump() == newer.routing.model_dump(exclude={"shadow"})
    assert preset("default", agents, "v1")["merge"]["stages"] == list(policy.merge.stages)


def test_merge_agent_beside_learned_odds_is_refused() -> None:
    """A configuration that asks a merge agent where the rule of its preset asks none is told, with the remedy."""
    with pytest.raises(UsageError, match="asks no merge agent") as refused:
        configured(3, merge={"merge_agent": True})
    assert 'merge.rule = "cascade"' in str(refused.value.remedy)
    assert configured(3, merge={"merge_agent": True, "rule": "cascade"}).merge.merge_agent
