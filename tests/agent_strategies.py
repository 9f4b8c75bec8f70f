"""
Hypothesis strategies for agents.

They make settings, prompts, budgets, providers' replies and costs of calls.
"""

from typing import Any

from hypothesis import strategies as st

from schemas.agents import (
    CallLimits,
    LiteLLMAgent,
    LiveLimits,
    OpenAIAgent,
    OpenAIAgentV2,
    Price,
    RecordedAgent,
    SimulatedAgent,
)
from schemas.analyses import ProviderCall
from schemas.canonical import MAX_INTEGER
from schemas.policies import Budget
from schemas.prompts import PLACES, Instructions, Prompts
from schemas.quantities import MAX_CALL_NUSD, MAX_MS, PPB, instant_of_ms
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled

counts = st.integers(0, MAX_INTEGER)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
parts = st.integers(0, PPB)
call_costs = st.integers(0, MAX_CALL_NUSD)

provider_calls = st.builds(
    ProviderCall,
    model=words,
    request_hash=hashes,
    reported_model=st.none() | words,
    fingerprint=st.none() | words,
    finish_reason=st.none() | words,
    cached=st.booleans(),
)
prices = st.builds(Price, input_nusd_per_ktoken=counts, output_nusd_per_ktoken=counts)
budgets = st.builds(Budget, question_nusd=st.none() | counts, run_nusd=st.none() | counts)
live_limits = st.builds(
    LiveLimits,
    timeout_ms=st.integers(1, 3_600_000),
    max_attempts=st.integers(1, 20),
    backoff_ms=st.integers(0, MAX_MS),
    concurrent=st.none() | st.integers(1, 100_000),
    calls_per_minute=st.none() | st.integers(1, 10_000_000),
    breaker_failures=st.integers(0, 1_000),
    breaker_ms=st.integers(0, MAX_MS),
)
instructions = st.lists(words.map(lambda word: word.replace("{", "").replace("}", "")), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([*PLACES, None]).map(
        lambda place: "x" + (f"{{{place}}}" if place else "").join(parts)
    )
)
prompts = st.builds(
    Prompts,
    version=st.sampled_from(["1", "two", "mine"]),
    **{
        role: st.builds(Instructions, choice=instructions, number=instructions)
        for role in ("analyst", "dispatcher", "merger", "baseline")
    },
    reminder=words,
)
base_urls = st.sampled_from(["https://models.example/v1", "http://127.0.0.1:11434/v1", "http://[::1]:8000"])


def live_agents(name: str, openai: type[OpenAIAgent] = OpenAIAgent) -> st.SearchStrategy[LiteLLMAgent | OpenAIAgent]:
    """Draw a live agent with the given name; it has a price, for the policy may have a budget."""
    settings: dict[str, Any] = {
        "name": st.just(name),
        "model": st.from_regex(r"[a-z]{1,9}/[A-Za-z0-9._:-]{1,20}", fullmatch=True),
        "key_env": st.none() | st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True),
        "family": st.none() | st.sampled_from(["one", "another"]),
        "temperature_ppb": st.none() | st.integers(0, 2_000_000_000),
        "seed": st.none() | st.integers(0, 2**31 - 1),
        "max_output_tokens": st.integers(1, 1_000_000),
        "output": st.sampled_from(["text", "json_schema"]),
        "price": prices,
        "limits": live_limits,
    }
    litellm = st.builds(LiteLLMAgent, **settings, base_url=st.none() | base_urls)
    if openai is OpenAIAgentV2:
        settings["output_limit"] = st.sampled_from([None, "max_tokens", "max_completion_tokens"])
    return litellm | st.builds(openai, **settings, base_url=base_urls)


limits = st.builds(
    CallLimits,
    timeout_ms=st.integers(1, 3_600_000),
    max_attempts=st.integers(1, 20),
    backoff_ms=st.integers(0, MAX_MS),
)


@st.composite
def agents(
    draw: st.DrawFn, name: str, openai: type[OpenAIAgent] = OpenAIAgent
) -> RecordedAgent | SimulatedAgent | LiteLLMAgent | OpenAIAgent:
    """Draw an agent of any kind with the given name."""
    kind = draw(st.sampled_from(["live", "recorded", "simulated"]))
    if kind == "live":
        return draw(live_agents(name, openai))
    if kind == "recorded":
        return RecordedAgent(name=name, model=draw(words), price=draw(st.none() | prices), limits=draw(limits))
    return SimulatedAgent(
        name=name,
        seed=draw(counts),
        skills_ppb=draw(st.dictionaries(st.sampled_from(["algebra", "law"]), parts, max_size=2)),
        latency_ms=draw(st.integers(0, MAX_MS)),
        waits=draw(st.booleans()),
        price=draw(st.none() | prices),
        limits=draw(limits),
        **draw(st.fixed_dictionaries(dict.fromkeys(("skill_ppb", "failure_ppb", "hang_ppb", "malformed_ppb"), parts))),
    )


_common: dict[str, st.SearchStrategy[Any]] = {
    "causes": st.lists(hashes, max_size=3).map(tuple),
    "occurred_at": st.integers(0, 2**40).map(instant_of_ms),
    "question_id": st.sampled_from(["q1", "another question"]),
}
SPENDING: dict[str, st.SearchStrategy[Any]] = {
    "budget.reserved.v1": st.builds(
        BudgetReserved,
        **_common,
        policy_event_id=hashes,
        agent=st.sampled_from(["ann", "bob"]),
        stage=counts,
        role=st.sampled_from(["analyst", "dispatcher", "merger"]),
        attempt=st.integers(1, 100),
        amount_nusd=call_costs,
        question_limit_nusd=st.none() | counts,
        run_limit_nusd=st.none() | counts,
    ),
    "budget.settled.v1": st.builds(BudgetSettled, **_common, cost_nusd=st.none() | call_costs),
    "budget.refused.v1": st.builds(
        BudgetRefused, **_common, limit=st.sampled_from(["question", "run"]), spent_nusd=counts
    ),
}
"""A strategy for each kind of the topic of budgets, by its published name."""
