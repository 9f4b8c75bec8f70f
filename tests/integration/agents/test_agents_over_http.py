"""
Agents of the factory against the recorded-model server.

Each fault of the server has its outcome.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from infra.models import Behaviour, FaultPlan
from infra.models.server import ModelServer
from schemas.agents import AgentSpec, LiteLLMAgent, LiveLimits, OpenAIAgent
from schemas.policies import PolicyAdopted, Routing
from schemas.questions import QuestionAsked
from streams.agents.agent import AgentError, Reply, Task, dismiss
from streams.agents.api_keys import HIDDEN
from streams.agents.calls.attempt import call_and_wait
from streams.agents.calls.retry import monotonic_ms, take_seat
from streams.agents.factory import make_agents
from streams.agents.providers.send_slots import AT_ONCE
from streams.agents.reply_cache import ReplyCache

from ...limits import LIMIT_S
from .provider_endpoint import BOTH_KINDS, KEY, Kind, replying, serving

pytestmark = BOTH_KINDS

QUESTION = {"question_id": "q", "text": "Which one is it?", "options": ["this", "that"], "answer_type": "choice"}
OUTPUT = {"question_id": "q", "model": "m", "text": "Surely that. The answer is (B).", "answer": "B"}
TASK = Task(
    question_id="q",
    text="Which one is it?",
    options=("this", "that"),
    answer_type="choice",
    subject=None,
    role="analyst",
    stage=0,
)


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """A server with one recorded answer, for callers with the key."""
    with ModelServer([QUESTION], [OUTPUT], Behaviour(key=KEY, drip_s=60)) as running:
        yield running


def spec_of(kind: Kind, url: str, limits: LiveLimits | None = None) -> AgentSpec:
    """Describe an agent of the server's model."""
    limits = limits or LiveLimits()
    if kind == "litellm":
        return LiteLLMAgent(name="a", model="openai/m", base_url=url, key_env="PLANTED_KEY", limits=limits)
    return OpenAIAgent(name="a", model="m", base_url=url, key_env="PLANTED_KEY", limits=limits)


def policy_of(spec: AgentSpec) -> PolicyAdopted:
    """Write the policy of one agent."""
    return PolicyAdopted(
        occurred_at="2026-01-01T00:00:00.000Z", policy_id="p", agents=(spec,), routing=Routing(panel_size=1)
    )


def asked(spec: AgentSpec, times: int = 1, replies: ReplyCache | None = None) -> list[Reply | AgentError]:
    """Ask the agent its question several times, one after the other."""

    async def ask() -> list[Reply | AgentError]:
        agents = make_agents(policy_of(spec), None, replies=replies)
        outcomes: list[Reply | AgentError] = []
        for _ in range(times):
            try:
                async with asyncio.timeout(LIMIT_S):
                    outcomes.append(await agents["a"].reply(TASK))
            except AgentError as error:
                outcomes.append(error)
        await dismiss(agents)
        return outcomes

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("rate-limit", ("rate_limited", True, True, 1_000)),
        ("no-credit", ("no_credit", False, True, None)),
        ("server-error", ("server_error", True, False, None)),
        ("overloaded", ("overloaded", True, False, None)),
        ("unauthorized", ("unauthorized", False, True, None)),
        ("cut", ("connection", True, False, None)),
        ("malformed", ("malformed", True, False, None)),
        ("empty", ("empty_reply", True, False, None)),
        ("tool-call", ("tool_call", True, False, None)),
        ("error-200", ("no_credit", False, True, None)),
        ("finish-error", ("server_error", True, False, None)),
        ("streamed", ("stream", False, False, None)),
        ("html-page", ("html_page", True, False, None)),
    ],
)
def test_a_fault_is_an_error_and_the_next_call_is_well(
    kind: Kind, server: ModelServer, monkeypatch: pytest.MonkeyPatch, fault: str, expected: tuple[object, ...]
) -> None:
    """Each fault of the server is told apart, costs one request, holds no key, and leaves the agent as good as new."""
    monkeypatch.setenv("PLANTED_KEY", KEY)
    server.fail_next("m", fault)
    before = server.stats()["requests"]["total"]
    error, reply = asked(spec_of(kind, server.url), times=2)
    assert isinstance(error, AgentError)
    assert (error.error, error.retriable, error.free, error.retry_after_ms) == expected
    assert KEY not in repr(vars(error))
    assert isinstance(reply, Reply)
    assert reply.text.startswith("Surely that.")
    assert server.stats()["requests"]["total"] == before + 2


@pytest.mark.parametrize("fault", ["hang", "slow-drip"])
def test_what_does_not_come_in_time_is_given_up(
    kind: Kind, server: ModelServer, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A call that hangs, or drips, ends at the limit of the attempt."""
    monkeypatch.setenv("PLANTED_KEY", KEY)
    # Not as the fault of the next request, which is another test's where this one's was given up before it was sent.
    monkeypatch.setattr(server, "behaviour", Behaviour(key=KEY, drip_s=60, faults=FaultPlan(every={"m": fault})))
    spec = spec_of(kind, server.url, LiveLimits(timeout_ms=500))

    async def call() -> str:
        agents = make_agents(policy_of(spec), None)
        made = await call_and_wait(agents["a"], TASK, monotonic_ms)
        await dismiss(agents)
        return made.outcome

    assert asyncio.run(call()) == "timeout"


def test_a_call_that_waits_for_its_answer_holds_no_turn(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """More calls than there are turns reach a provider who answers none of them before all are there."""
    monkeypatch.setenv("PLANTED_KEY", KEY)
    calls = 3 * AT_ONCE
    opener = QuestionAsked(occurred_at=0, question_id="q", text=TASK.text, options=TASK.options)

    async def check() -> list[str]:
        arrived, answer = [], replying()

        async def patient(request: web.Request) -> web.StreamResponse:
            arrived.append(request)
            while len(arrived) < calls:
                await asyncio.sleep(0.001)
            return await answer(request)

        async with asyncio.timeout(LIMIT_S), serving(patient) as endpoint:
            spec = spec_of(kind, endpoint.url)
            agents = make_agents(policy_of(spec), None)
            seats = await asyncio.gather(*(take_seat(agents["a"], TASK, opener) for _ in range(calls)))
            await dismiss(agents)
            return [seat.status for seat in seats]

    assert asyncio.run(check()) == ["ok"] * calls


def test_an_echoed_key_reaches_neither_the_reply_nor_the_store(
    kind: Kind, server: ModelServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A model that says the key is heard without it, and what is kept of its words is without it too."""
    monkeypatch.setenv("PLANTED_KEY", KEY)
    server.fail_next("m", "echo-key")
    path = tmp_path / "replies.db"
    with ReplyCache(str(path)) as store:
        (reply,) = asked(spec_of(kind, server.url), replies=store)
    assert isinstance(reply, Reply)
    assert HIDDEN in reply.text
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert HIDDEN.encode() in written
    assert KEY.encode() not in repr(reply).encode() + written


def test_a_kept_reply_is_not_asked_for_again(
    kind: Kind, server: ModelServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a store the same request goes out once; the second answer says that it was kept, and costs nothing."""
    monkeypatch.setenv("PLANTED_KEY", KEY)
    before = server.stats()["requests"]["total"]
    with ReplyCache(str(tmp_path / "replies.db")) as store:
        first, second = asked(spec_of(kind, server.url), times=2, replies=store)
    assert isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert first.provider is not None
    assert second.provider is not None
    assert (first.text, first.provider.cached) == (second.text, False)
    assert (second.provider.cached, second.input_tokens, second.cost_nusd) == (True, 0, 0)
    assert server.stats()["requests"]["total"] == before + 1
