"""From a policy to its agents."""

import pytest

from schemas.policies import AgentSpec, PolicyAdopted, RecordedAgent, Routing, SimulatedAgent
from streams.errors import UsageError
from streams.workers.recorded import Output, Outputs, RecordedPlayer
from streams.workers.registry import make_agents
from streams.workers.simulated import SimulatedPlayer

OUTPUTS = Outputs({"there": {"q": Output("t", None, None, None, None, None)}}, [])


def policy(*agents: AgentSpec) -> PolicyAdopted:
    """Make a policy of these agents."""
    return PolicyAdopted(
        occurred_at="2026-01-01T00:00:00.000Z", policy_id="p", agents=agents, routing=Routing(panel_size=1)
    )


def test_every_agent_of_the_policy_is_made() -> None:
    """Agents come by name, in the policy's order, each as its kind."""
    made = make_agents(policy(SimulatedAgent(name="s"), RecordedAgent(name="r", model="there")), OUTPUTS)
    assert [(name, type(agent)) for name, agent in made.items()] == [("s", SimulatedPlayer), ("r", RecordedPlayer)]
    assert made["r"].spec.name == "r"


def test_a_model_that_is_not_in_the_files_is_named() -> None:
    """The error says which model is missing, which there are, and what to do."""
    with pytest.raises(UsageError) as caught:
        make_agents(policy(RecordedAgent(name="r", model="missing")), OUTPUTS)
    assert "'missing', which are not in the files given; these hold there." in str(caught.value)
    assert "--outputs" in caught.value.remedy


def test_recorded_agents_need_files() -> None:
    """Without any outputs the error says that a file has to be named."""
    with pytest.raises(UsageError, match="no outputs were given"):
        make_agents(policy(RecordedAgent(name="r", model="there")), None)


def test_simulated_agents_need_no_files() -> None:
    """A policy of simulated agents works without outputs."""
    assert list(make_agents(policy(SimulatedAgent(name="s")), None)) == ["s"]


def test_a_long_list_of_models_is_cut() -> None:
    """Where the files hold very many models, the error names some and counts the rest."""
    outputs = Outputs({f"m{number:02}": {} for number in range(25)}, [])
    with pytest.raises(UsageError, match="m19 and 5 more"):
        make_agents(policy(RecordedAgent(name="r", model="missing")), outputs)
