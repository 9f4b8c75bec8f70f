"""Live agents: requests, outcomes, cost estimates and hidden keys."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from schemas.agents import LiteLLMAgent, LiveLimits, OpenAIAgent, Price
from schemas.analyses import ProviderCall
from schemas.prompts import Prompts
from schemas.quantities import MAX_CALL_NUSD
from streams.agents import live
from streams.agents.agent import AgentError, Reply, Task
from streams.agents.calls.limits import CallLimiter
from streams.agents.live import LivePlayer
from streams.agents.prompts import messages_of, schema_of
from streams.agents.providers.completion import Completion, Request

KEY = "sk-planted-0123456789"
TASK = Task(
    question_id="q",
    text="Which?",
    options=("this", "that"),
    answer_type="choice",
    subject=None,
    role="analyst",
    stage=0,
)
SPEC = OpenAIAgent(
    name="agent", model="m-1", base_url="http://127.0.0.1:1/v1", temperature_ppb=5, seed=None, max_output_tokens=50
)
GOOD = Completion(
    text="The answer is (B).",
    reported_model="m-1-2026",
    fingerprint="fp",
    finish_reason="stop",
    input_tokens=10,
    output_tokens=20,
)


class Stub:
    """A client that gives what it has."""

    def __init__(self, gives: Completion | AgentError = GOOD) -> None:
        self.gives = gives
        self.sent: list[Request] = []
        self.closed = 0

    async def ready(self) -> None: ...

    async def send(self, request: Request) -> Completion:
        self.sent.append(request)
        if isinstance(self.gives, AgentError):
            raise self.gives
        return self.gives

    async def close(self) -> None:
        self.closed += 1


class Drawer(dict[str, Completion]):
    """Replies that are kept."""

    def put(self, request_hash: str, completion: Completion) -> None:
        self[request_hash] = completion


def player(client: Stub, spec: LiteLLMAgent | OpenAIAgent = SPEC, **given: Any) -> LivePlayer:
    """Make an agent that hides the key."""
    limiter = CallLimiter(spec.name, LiveLimits(), lambda: 0.0)
    arguments = {"alone": False, "limiter": limiter, "mask": lambda text: text.replace(KEY, "[key]")}
    return LivePlayer(spec, Prompts(), client, **(arguments | given))


def ask(agent: LivePlayer, task: Task = TASK) -> Reply:
    """Ask an agent."""
    return asyncio.run(agent.reply(task))


def failed(agent: LivePlayer, task: Task = TASK) -> AgentError:
    """Ask an agent that fails."""
    with pytest.raises(AgentError) as caught:
        ask(agent, task)
    return caught.value


def test_a_task_becomes_a_request() -> None:
    """Model, address and parameters are the policy's; the messages are those of the task."""
    client = Stub()
    ask(player(client))
    assert client.sent == [
        Request(
            model="m-1",
            base_url="http://127.0.0.1:1/v1",
            messages=messages_of(TASK, Prompts(), alone=False),
            max_output_tokens=50,
            temperature_ppb=5,
            seed=None,
            schema=None,
        )
    ]


@pytest.mark.parametrize("kind", [LiteLLMAgent, OpenAIAgent])
def test_the_form_of_the_reply_goes_along_where_the_policy_says_so(kind: type[LiteLLMAgent | OpenAIAgent]) -> None:
    """So does the baseline's instruction, where there is one agent only."""
    client = Stub()
    ask(player(client, kind(name="agent", model="m", output="json_schema"), alone=True))
    assert client.sent[0].schema == schema_of(TASK)
    assert client.sent[0].messages == messages_of(TASK, Prompts(), alone=True)


def test_a_completion_becomes_a_reply() -> None:
    """With its tokens, and what the provider said of itself."""
    client = Stub()
    agent = player(client)
    reply = ask(agent)
    assert reply == Reply(
        "The answer is (B).",
        input_tokens=10,
        output_tokens=20,
        provider=ProviderCall(
            model="m-1",
            request_hash=client.sent[0].hash,
            reported_model="m-1-2026",
            fingerprint="fp",
            finish_reason="stop",
        ),
    )


def test_what_is_asked_is_known_before_the_call() -> None:
    """Nothing is sent for it, and each attempt asks the same."""
    client = Stub()
    agent = player(client)
    asked = agent.asked(TASK)
    assert not client.sent
    ask(agent, replace(TASK, attempt=2))
    assert asked == agent.asked(replace(TASK, attempt=3))
    assert asked == ProviderCall(model="m-1", request_hash=client.sent[0].hash)


def test_a_request_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounding, asking and telling of it look at the same one."""
    built: list[Task] = []

    def counting(task: Task, prompts: Prompts, *, alone: bool) -> Any:
        built.append(task)
        return messages_of(task, prompts, alone=alone)

    monkeypatch.setattr(live, "messages_of", counting)
    agent = player(Stub())
    for attempt in (1, 2):
        task = replace(TASK, attempt=attempt)
        agent.most_nusd(task), ask(agent, task), agent.asked(task)
    assert built == [TASK]


def test_it_is_an_agent_that_takes_its_time() -> None:
    """It says so, and leads to its gate; closing it closes its client."""
    client = Stub()
    limiter = CallLimiter("agent", LiveLimits(), lambda: 0.0)
    agent = player(client, limiter=limiter)
    assert not agent.virtual
    assert agent.live is agent
    assert agent.live.limiter is limiter
    assert agent.spec is SPEC
    asyncio.run(agent.close())
    assert client.closed == 1


def test_what_a_provider_says_of_itself_is_made_to_fit() -> None:
    """Control characters go, secrets are hidden even where these had hidden them, and the rest is cut."""
    said = replace(
        GOOD,
        text=f"{KEY}: the answer is (B).",
        reported_model=f"{'m' * 195}{KEY}",
        fingerprint="".join(f"{character}\x00\u202e" for character in KEY),
        finish_reason="\x1b\n",
    )
    reply = ask(player(Stub(said)))
    assert reply.text == "[key]: the answer is (B)."
    assert reply.provider is not None
    assert reply.provider.reported_model == f"{'m' * 195}[key]"
    assert reply.provider.fingerprint == "[key]"
    assert reply.provider.finish_reason is None
    long = ask(player(Stub(replace(GOOD, fingerprint="\ud800" + "x" * 500)))).provider
    assert long is not None
    assert long.fingerprint == "x" * 200


@pytest.mark.parametrize("tokens", [-1, 2**53, 10**30])
def test_tokens_that_cannot_be_are_not_known(tokens: int) -> None:
    """An event could not hold them."""
    reply = ask(player(Stub(replace(GOOD, input_tokens=tokens, output_tokens=0))))
    assert (reply.input_tokens, reply.output_tokens) == (None, 0)


def test_an_earlier_reply_costs_nothing() -> None:
    """It is kept without secrets, read as if it had come now, and marked as kept."""
    client, drawer = Stub(replace(GOOD, text=f"{KEY}. The answer is (B).\ud800", fingerprint=KEY)), Drawer()
    first = ask(player(client, replies=drawer))
    assert KEY not in str(drawer)
    assert [kept.text for kept in drawer.values()] == ["[key]. The answer is (B).\ufffd"]

    second = ask(player(client, replies=drawer))
    assert len(client.sent) == 1
    assert first.provider is not None
    assert second == replace(
        first,
        input_tokens=0,
        output_tokens=0,
        cost_nusd=0,
        provider=first.provider.model_copy(update={"cached": True}),
    )
    assert (first.provider.cached, first.cost_nusd) == (False, None)


def test_another_request_is_asked_anew() -> None:
    """Whatever decides a completion is part of what it is found by."""
    client, drawer = Stub(), Drawer()
    ask(player(client, replies=drawer))
    ask(player(client, replies=drawer), replace(TASK, text="Which one?"))
    ask(player(client, SPEC.model_copy(update={"seed": 1}), replies=drawer))
    assert len(drawer) == len(client.sent) == 3


def test_a_reply_that_was_no_use_is_not_kept() -> None:
    """The failure names the provider's call, and what it cost."""
    drawer = Drawer()
    error = failed(player(Stub(replace(GOOD, text="<think>Hm", finish_reason="length")), replies=drawer))
    assert not drawer
    assert (error.error, error.retriable) == ("empty_reply", False)
    assert error.spent is not None
    assert (error.spent.input_tokens, error.spent.output_tokens) == (10, 20)
    assert error.spent.provider is not None
    assert (error.spent.provider.finish_reason, error.spent.provider.reported_model) == ("length", "m-1-2026")


@pytest.mark.parametrize("signed", [False, True])
def test_what_a_failed_call_has_spent_is_kept(signed: bool) -> None:
    """With the provider's call, whether the client named it or not; its words and secrets are not."""
    provider = ProviderCall(model="?", request_hash="0" * 64, finish_reason=KEY) if signed else None
    spent = Reply(KEY, input_tokens=-3, output_tokens=5, provider=provider)
    agent = player(Stub(AgentError("tool_call", retriable=True, spent=spent)))
    error = failed(agent)
    expected = agent.asked(TASK).model_copy(update={"finish_reason": "[key]" if signed else None})
    assert error.spent == Reply("", input_tokens=None, output_tokens=5, provider=expected)


def test_a_failure_without_a_reply_stays_as_it_is() -> None:
    """Whether to try again is what the client says."""
    error = AgentError("rate_limited", retriable=True, retry_after_ms=5, free=True)
    assert failed(player(Stub(error))) is error
    assert error.spent is None


def test_a_call_costs_at_most_its_bytes_and_all_its_output() -> None:
    """By the policy's price; without one nothing is known, and beyond what an event holds it is the most it can."""
    price = Price(input_nusd_per_ktoken=1_000, output_nusd_per_ktoken=3_000)
    client = Stub()
    agent = player(client, SPEC.model_copy(update={"price": price}))
    ask(agent)
    assert agent.most_nusd(TASK) == client.sent[0].most_input_tokens + 50 * 3
    assert player(Stub()).most_nusd(TASK) is None
    dear = Price(input_nusd_per_ktoken=10**15, output_nusd_per_ktoken=0)
    assert player(Stub(), SPEC.model_copy(update={"price": dear})).most_nusd(TASK) == MAX_CALL_NUSD


def test_many_are_asked_at_a_time() -> None:
    """Each gets the reply to its own question, however they end."""

    class Echo(Stub):
        async def send(self, request: Request) -> Completion:
            number = request.messages[1].content.splitlines()[1].removeprefix("Which? ")
            for _ in range(int(number) % 7):
                await asyncio.sleep(0)
            return replace(GOOD, text=f"{number}. The answer is (A).")

    async def ask_all() -> list[Reply]:
        agent = player(Echo())
        tasks = [replace(TASK, question_id=f"q{n}", text=f"Which? {n}") for n in range(300)]
        return await asyncio.gather(*(agent.reply(task) for task in tasks))

    assert [reply.text.partition(".")[0] for reply in asyncio.run(ask_all())] == [str(n) for n in range(300)]
