"""One reply, read alike whichever agent it came from."""

import asyncio
import re
from collections.abc import Sequence

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.agents import AgentSpec, LiteLLMAgent, OpenAIAgent, RecordedAgent
from schemas.policies import PolicyAdopted, Routing
from streams.agents.agent import Agent, AgentError, Task, dismiss
from streams.agents.factory import make_agents
from streams.agents.providers.completion import Completion
from streams.agents.recorded import RecordedOutput, RecordedOutputs
from streams.agents.reply_parser import read_reply
from streams.processors.answers import EXTRACTORS, Options

from ...reply_corpus import OPTIONS, REPLIES
from .provider_endpoint import BOTH_KINDS, KEY, Kind, saying, serving

V2 = EXTRACTORS["answers.v2"]
KNOWN = Options.of(OPTIONS)
UNREADABLE = (None, False)
AT_ONCE = 8

Counted = tuple[str | None, bool]
"""What a ballot makes of a reading: the answer, or none; and whether a letter past the options was named."""


def counted(text: str, answer: str | None) -> Counted:
    """Read a reply as the ballot would."""
    reading = V2.read(text, KNOWN, answer)
    return reading.answer, reading.source == "outside_options"


def task_of(number: int) -> Task:
    """Ask for the reply of a number."""
    return Task(
        question_id=f"q{number}",
        text=f"Reply number {number}.",
        options=OPTIONS,
        answer_type="choice",
        subject=None,
        role="analyst",
        stage=0,
    )


async def heard(agent: Agent) -> list[Counted]:
    """Read every reply of an agent; one with nothing in it is unreadable."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Counted:
        async with room:
            try:
                reply = await agent.reply(task_of(number))
            except AgentError as error:
                return UNREADABLE if error.error == "empty_reply" else (error.error, True)
            return counted(reply.text, reply.answer)

    return await asyncio.gather(*map(one, range(len(REPLIES))))


def policy_of(spec: AgentSpec) -> PolicyAdopted:
    """Write the policy of one agent."""
    return PolicyAdopted(
        occurred_at="2026-01-01T00:00:00.000Z", policy_id="p", agents=(spec,), routing=Routing(panel_size=1)
    )


def from_recorded(replies: Sequence[str]) -> list[Counted]:
    """Read the replies of a recorded agent."""
    outputs = {f"q{number}": RecordedOutput(text, *(None,) * 5) for number, text in enumerate(replies)}
    policy = policy_of(RecordedAgent(name="a", model="m"))
    return asyncio.run(heard(make_agents(policy, RecordedOutputs({"m": outputs}, []))["a"]))


def test_the_corpus_has_five_hundred_replies_that_tell_readers_apart() -> None:
    """Every outcome is among them, and not rarely."""
    readings = from_recorded(REPLIES)
    assert len(readings) == 500
    assert {answer for answer, _ in readings} == {"B", "C", None}
    assert readings.count(("C", False)) > 150
    assert readings.count((None, True)) > 20


@BOTH_KINDS
def test_live_and_recorded_agents_are_read_alike(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred replies, the same bytes over HTTP and from a file, give the same answers."""
    monkeypatch.setenv("PLANTED_KEY", KEY)

    async def handler(request: web.Request) -> web.StreamResponse:
        number = re.findall(r"Reply number (\d+)\.", str(await request.json()))[0]
        return web.json_response(saying({"content": REPLIES[int(number)]}))

    async def listen() -> list[Counted]:
        async with serving(handler) as endpoint:
            where = {"base_url": endpoint.url, "key_env": "PLANTED_KEY"}
            spec: AgentSpec
            if kind == "litellm":
                spec = LiteLLMAgent(name="a", model="openai/m", **where)
            else:
                spec = OpenAIAgent(name="a", model="m", **where)
            agents = make_agents(policy_of(spec), None)
            readings = await heard(agents["a"])
            await dismiss(agents)
            return readings

    live, recorded = asyncio.run(listen()), from_recorded(REPLIES)
    different = [(text, one, two) for text, one, two in zip(REPLIES, live, recorded, strict=True) if one != two]
    assert different == []


fragments = st.sampled_from(
    (
        *("<think>", "</think>", "[THINK]", "<|channel|>final<|message|>", "<|channel|>analysis<|message|>", "<|end|>"),
        *(
            "The answer is (C).",
            "Answer: Rome",
            '{"answer": "A"}',
            '{"analysis": "',
            '", "answer": "B"}',
            "```",
            "{",
            "}",
        ),
        *(
            "(A)",
            "is not what I say.",
            "perhaps",
            "C",
            '"answer"',
            "\\boxed{C}",
            "Wait, ",
            " or ",
            "A. ",
            "analysis",
            "\n",
        ),
        *("assistantfinal", '{"answer": ["A", "B"]}', '{"analysis": "The answer is (D).", "answer": "unknown"}'),
    )
)


@given(st.lists(fragments | st.text(max_size=4), max_size=9).map("".join) | st.text())
@example('{"analysis": "{\\"analysis\\": \\"So (C).\\", \\"answer\\": \\"B\\"}", "answer": null}')
@example("<think>It is so.\nThe answer is (C).")
@example("The answer is (C).\n<think>The answer is (A).")
def test_what_is_taken_apart_is_read_as_the_whole(text: str) -> None:
    """Text and answer that a live agent publishes are read as the raw text would be."""
    try:
        reply = read_reply(task_of(0), Completion(text=text), lambda text: text)
    except AgentError:
        assert counted(text, None) == UNREADABLE
    else:
        assert counted(reply.text, reply.answer) == counted(text, None)
