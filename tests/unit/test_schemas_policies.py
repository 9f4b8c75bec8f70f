"""
Policies, and the refusal of contradictory configurations.

A refusal says what to change.
"""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.agents import OpenAIAgent, OpenAIAgentV2, SimulatedAgent
from schemas.canonical import canonical_json
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.rules import NEWEST_RULES

from ..worlds import policy

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "panel of more than there are": (
        {"routing": {"panel_size": 4}},
        "panel_size 4 and merge.reserve 0 need more than the 3",
    ),
    "reserve of more than there are": (
        {"merge": {"reserve": 1}},
        "panel_size 3 and merge.reserve 1 need more than the 3",
    ),
    "quorum of more than there are": ({"merge": {"quorum": 4}}, "merge.quorum 4 is more than all who can be asked"),
    "stages below the panel": (
        {"merge": {"rule": "cascade", "stages": (1, 1)}},
        "merge.stages add up to 2, .*panel_size is 3",
    ),
    "stages above the panel": (
        {"merge": {"rule": "cascade", "stages": (2, 2)}},
        "merge.stages add up to 4, .*panel_size is 3",
    ),
    "unknown priority": (
        {"routing": {"priority": ("d",)}},
        "routing.priority: no agent is called 'd'; there are a, b, c",
    ),
    "unknown merger": ({"routing": {"merger": "d"}}, "routing.merger: no agent is called 'd'; there are a, b, c"),
    "no panel": ({"routing": {"panel_size": 0}}, "routing.panel_size"),
    "no quorum": ({"merge": {"quorum": 0}}, "merge.quorum"),
    "alpha of nothing": ({"learning": {"averaging": {"alpha_ppb": 0}}}, "alpha_ppb"),
    "alpha above one": ({"learning": {"averaging": {"alpha_ppb": 10**9 + 1}}}, "alpha_ppb"),
    "exploring every question": ({"routing": {"exploration": {"every": 1}}}, "routing.exploration.every"),
    "no deadline": ({"deadline_ms": 0}, "deadline_ms"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_contradiction_is_refused(case: str) -> None:
    """What cannot be carried out is refused when it is adopted, not when the first question fails."""
    changes, message = REFUSED[case]
    with pytest.raises(ValidationError, match=message):
        policy("a", "b", "c", **changes)


def test_name_that_is_there_twice_is_refused() -> None:
    """Each agent has a name of its own."""
    with pytest.raises(ValidationError, match="agents: 'a' is there twice; give each agent a name of its own"):
        policy("a", "b", "a")


def test_policy_without_agents_is_refused() -> None:
    """A policy names somebody to ask."""
    with pytest.raises(ValidationError, match="agents"):
        policy(routing={"panel_size": 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"routing": {"panel_size": 2}, "merge": {"reserve": 1, "quorum": 3}},
        {"merge": {"rule": "cascade", "stages": (2, 1)}},
        {"merge": {"rule": "vote", "stages": (9,)}},
        {"routing": {"merger": "c", "priority": ("b",)}},
    ],
    ids=["reserve and quorum", "stages", "stages of no cascade", "named agents"],
)
def test_policy_that_uses_all_there_is_is_taken(changes: dict[str, Any]) -> None:
    """The bounds themselves are allowed."""
    assert policy("a", "b", "c", **changes).key == "p"


def test_priority_names_all_agents() -> None:
    """Agents without a fixed priority follow in the order of the policy."""
    assert policy("a", "b", "c", routing={"priority": ("c",)}).priority == ("c", "a", "b")


def test_defaults_match_the_reference() -> None:
    """The weights of the score are those of the published script."""
    given = PolicyAdopted(occurred_at=0, policy_id="p", agents=(SimulatedAgent(name="a"),), routing={"panel_size": 1})
    weights, cold = given.routing.weights, given.learning.averaging.cold_start
    assert (weights.stability_ppb, weights.latency_ppb, weights.cost_ppb) == (100_000_000, 300_000_000, 100_000_000)
    assert (weights.latency_scale_ms, weights.cost_scale_nusd, weights.cap) == (5_000, 2_000_000, 3)
    assert (cold.quality_ppb, cold.latency_ms, cold.cost_nusd, cold.stability_ppb) == (
        500_000_000,
        2_000,
        0,
        900_000_000,
    )


def test_agreement_weighs_nothing_by_default() -> None:
    """A router is not fed on its own consensus unless a policy insists."""
    weights = policy("a").learning.source_weights
    assert weights.agreement == 0
    assert min(weights.gold, weights.human, weights.downstream, weights.judge) > 0


def test_unset_name_of_the_output_limit_is_not_written() -> None:
    """An agent without it has the bytes of an agent of v1, so no id of a policy changes; with it, the name is there."""
    fields: dict[str, Any] = {"occurred_at": 0, "policy_id": "p", "routing": {"panel_size": 1}, "rules": NEWEST_RULES}
    plain = OpenAIAgent(name="a", model="m")
    unset = PolicyAdoptedV2(**fields, agents=(OpenAIAgentV2(name="a", model="m"),))
    assert canonical_json(unset.agents[0]) == canonical_json(plain)
    assert b"output_limit" not in unset.encode()
    named = PolicyAdoptedV2(**fields, agents=(OpenAIAgentV2(name="a", model="m", output_limit="max_tokens"),))
    assert b'"output_limit":"max_tokens"' in named.encode()
    assert PolicyAdoptedV2.decode(named.encode()) == named


def test_policy_of_v1_knows_no_name_of_the_output_limit() -> None:
    """Its agents are published, and stay as they are."""
    with pytest.raises(ValidationError, match="output_limit"):
        PolicyAdopted.model_validate(
            {
                "occurred_at": 0,
                "policy_id": "p",
                "routing": {"panel_size": 1},
                "agents": ({"kind": "openai", "name": "a", "model": "m", "output_limit": "max_tokens"},),
            }
        )
