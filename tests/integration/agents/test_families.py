"""Model families by name, and panels of one family."""

import pytest

from schemas.agents import AgentSpec, LiteLLMAgent, OpenAIAgent, RecordedAgent, SimulatedAgent
from streams.agents.families import family_of, only_family


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("openai/gpt-4.1-mini", "openai"),
        ("azure/o3-mini", "openai"),
        ("groq/openai/gpt-oss-20b", "openai"),
        ("anthropic/claude-haiku-4-5", "anthropic"),
        ("bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic"),
        ("gemini/gemini-2.5-flash", "google"),
        ("ollama/gemma3", "google"),
        ("ollama/llama3.2", "meta"),
        ("bedrock/meta.llama3-1-70b-instruct-v1:0", "meta"),
        ("Meta-Llama-3_1-70B-Instruct", "meta"),
        ("hosted_vllm/Qwen/Qwen2.5-7B-Instruct", "qwen"),
        ("mistral/mistral-small-latest", "mistral"),
        ("deepseek/deepseek-chat", "deepseek"),
        ("somebody/Wombat-9B", "wombat"),
        ("7B", "7b"),
    ],
)
def test_family_follows_from_the_name(model: str, family: str) -> None:
    """Names of services and organisations before a model's own do not count; an unknown one is a family of its own."""
    assert family_of(LiteLLMAgent(name="a", model=model)) == family
    assert family_of(RecordedAgent(name="a", model=model)) == family


def test_policy_may_say_whose_it_is() -> None:
    """What the policy says comes before the name."""
    assert family_of(OpenAIAgent(name="a", model="our-deployment", family="openai")) == "openai"


@pytest.mark.parametrize(
    ("panel", "only"),
    [
        ([], None),
        ([OpenAIAgent(name="a", model="gpt-4.1")], None),
        ([OpenAIAgent(name="a", model="gpt-4.1"), LiteLLMAgent(name="b", model="azure/o3")], "openai"),
        ([OpenAIAgent(name="a", model="gpt-4.1"), RecordedAgent(name="b", model="llama3")], None),
        ([OpenAIAgent(name="a", model="gpt-4.1"), SimulatedAgent(name="b")], None),
        ([SimulatedAgent(name="a"), SimulatedAgent(name="b")], None),
    ],
)
def test_panel_of_one_family_is_seen(panel: list[AgentSpec], only: str | None) -> None:
    """A panel is of one family if it has two agents or more, all of it; simulated agents have no model."""
    assert only_family(panel) == only
