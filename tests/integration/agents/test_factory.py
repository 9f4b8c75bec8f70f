"""Agents made from a policy."""

import socket
import subprocess
import sys

import pytest

from schemas.agents import AgentSpec, LiteLLMAgent, OpenAIAgent, RecordedAgent, SimulatedAgent
from schemas.policies import PolicyAdopted, Routing
from streams.agents.factory import make_agents
from streams.agents.live import LivePlayer
from streams.agents.recorded import RecordedOutput, RecordedOutputs, RecordedPlayer
from streams.agents.simulated import SimulatedPlayer
from streams.errors import OperatorError, UsageError
from streams.extras import install_command

OUTPUTS = RecordedOutputs({"there": {"q": RecordedOutput("t", None, None, None, None, None)}}, [])


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
    outputs = RecordedOutputs({f"m{number:02}": {} for number in range(25)}, [])
    with pytest.raises(UsageError, match="m19 and 5 more"):
        make_agents(policy(RecordedAgent(name="r", model="missing")), outputs)


def test_live_agents_are_made_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents of both live kinds are made while no socket may be opened, and wait for their turn at their own gates."""
    monkeypatch.setenv("SOME_KEY", "sk-0123456789")

    def connect(self: socket.socket, address: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(socket.socket, "connect", connect)
    specs = (
        OpenAIAgent(name="o", model="m", key_env="SOME_KEY"),
        LiteLLMAgent(name="l", model="anthropic/m", key_env="SOME_KEY"),
    )
    made = make_agents(policy(*specs), None)
    assert [type(agent) for agent in made.values()] == [LivePlayer, LivePlayer]
    limiters = [agent.live.limiter for agent in made.values() if agent.live is not None]
    assert len({id(limiter) for limiter in limiters}) == 2


def test_agents_of_one_endpoint_share_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kind, address and key together decide which agents share connections."""
    monkeypatch.setenv("SOME_KEY", "sk-0123456789")
    monkeypatch.setenv("SAME_KEY", "sk-0123456789")
    monkeypatch.setenv("OTHER_KEY", "sk-9876543210")
    specs = [
        OpenAIAgent(name="a", model="m", key_env="SOME_KEY"),
        OpenAIAgent(name="b", model="n", key_env="SAME_KEY"),
        OpenAIAgent(name="c", model="m", key_env="OTHER_KEY"),
        OpenAIAgent(name="d", model="m", key_env="SOME_KEY", base_url="http://127.0.0.1:1/v1"),
        LiteLLMAgent(name="e", model="openai/m", key_env="SOME_KEY", base_url="https://api.openai.com/v1"),
    ]
    made = [agent for agent in make_agents(policy(*specs), None).values() if isinstance(agent, LivePlayer)]
    clients = [id(agent._client) for agent in made]
    assert clients[0] == clients[1]
    assert len(set(clients)) == 4


def test_a_missing_key_names_agent_and_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making an agent whose key is not there fails with what to set, as an error of the surroundings."""
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(OperatorError, match="agent 'o': environment variable SOME_KEY") as caught:
        make_agents(policy(OpenAIAgent(name="o", model="m", key_env="SOME_KEY")), None)
    assert caught.value.exit_code == 3
    assert caught.value.remedy is not None
    assert caught.value.remedy.startswith("export SOME_KEY=...")


@pytest.mark.parametrize(
    ("spec", "extra"),
    [(OpenAIAgent(name="o", model="m"), "openai"), (LiteLLMAgent(name="l", model="ollama/m"), "litellm")],
    ids=["openai", "litellm"],
)
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, spec: AgentSpec, extra: str) -> None:
    """Where the library of a live agent is not installed, the error says how to install it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OperatorError) as caught:
        make_agents(policy(spec), None)
    assert (caught.value.exit_code, caught.value.remedy) == (3, install_command(extra))


@pytest.mark.process
def test_nothing_heavy_is_imported_for_agents_that_call_nobody() -> None:
    """A process with recorded and simulated agents alone loads no HTTP client and no litellm."""
    heavy = "{'aiohttp', 'httpx', 'litellm', 'openai'}"
    code = f"import sys; import streams.agents.factory; sys.exit(len({heavy} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
