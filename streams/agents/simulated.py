"""
Simulated agents with a known skill, deterministic by hash.

The same policy and question give the same reply on any machine: a draw is an integer from the SHA-256 of its inputs.
Two draws of one digest use different bytes. The right answer follows from the world's seed and the question's id, so
agents need no gold answer.
"""

import asyncio
import hashlib
import struct
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from schemas.agents import SimulatedAgent
from schemas.quantities import PPB
from schemas.questions import LETTERS
from streams.agents.agent import Agent, AgentError, Reply, Task
from streams.agents.asked_again import first_id
from streams.processors.answers.v1 import read_choice, read_number

POPULAR_PPB = 580_000_000
"""
Probability that a wrong answer is the question's popular wrong one, the same for all agents of a world; else it is any
wrong one. Two agents that are both wrong then agree in 0.41 of the cases with ten options, as the eight models of the
recorded MMLU-Pro outputs do; without it, in 0.11.
"""

NUMBER_SLIPS = (-100, -10, -2, -1, 1, 2, 10, 100)
"""Wrong answers to a question for a number, as differences from the right number."""

CHARACTERS_A_TOKEN = 4
"""Usual length of a token of English text."""

_UNREADABLE = "The question leaves too much open; more details are needed before committing to anything."
_ASPECTS = (
    "Which rule, definition or method decides this question?",
    "Which answers can be ruled out, and by which detail?",
    "What follows if the question is worked out step by step?",
    "Which detail of the question is easily overlooked?",
)


class _Draws(NamedTuple):
    """Independent draws for one attempt, each from 0 up to 2^32."""

    outcome: int
    skill: int
    popular: int
    choice: int
    latency: int


_DRAWS = struct.Struct(">5I12x")
_HALF_DRAW = 1 << 31


def truth(seed: int, question_id: str, choices: int) -> int:
    """Give the index of the right option in the world of *seed*; generated questions place it there."""
    return _hashed("truth", seed, question_id) % choices


def truth_number(seed: int, question_id: str) -> int:
    """Give the right number, 200 to 999, in the world of *seed*; generated questions are built around it."""
    return 200 + _hashed("truth", seed, question_id) % 800


def popular_slip(seed: int, question_id: str, wrong: int) -> int:
    """Give the index, among *wrong* wrong answers, of the popular one."""
    return _hashed("popular", seed, question_id) % wrong


@lru_cache(maxsize=16_384)
def _hashed(purpose: str, seed: int, question_id: str) -> int:
    # A question that is asked again has the right answer that it had.
    digest = hashlib.sha256(f"{purpose}\n{seed}\n{first_id(question_id)}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _ppb(draw: int) -> int:
    """Spread a draw evenly over 0 to one billion, exclusive."""
    return draw * PPB >> 32


class SimulatedPlayer:
    """
    Player of a policy's simulated agent.

    Each attempt has one outcome: it fails (`failure_ppb`), never answers (`hang_ppb`), cannot be read
    (`malformed_ppb`), or is a proper reply. An analyst is right with the probability of its skill in the subject. A
    merger takes the most frequent answer of the analyses; if there is none, it answers as an analyst. A dispatcher
    writes one sub-question for each seat.
    """

    def __init__(self, spec: SimulatedAgent) -> None:
        self.spec = spec
        self.virtual = not spec.waits
        self.live = None

    async def reply(self, task: Task) -> Reply:
        """
        Draw the attempt's outcome, wait if the agent takes wall time, and answer.

        Raises:
            AgentError: `server_error`, with the probability `failure_ppb`.
        """
        spec, draws = self.spec, self._draw(task)
        outcome = _ppb(draws.outcome)
        hangs = spec.failure_ppb <= outcome < spec.failure_ppb + spec.hang_ppb
        latency_ms = spec.limits.timeout_ms + 1 if hangs else _latency_ms(spec.latency_ms, draws.latency)
        if spec.waits:
            await (asyncio.Event().wait() if hangs else asyncio.sleep(latency_ms / 1000))
        known_ms = None if spec.waits else latency_ms
        if outcome < spec.failure_ppb:
            raise AgentError("server_error", retriable=True, latency_ms=known_ms)
        readable = outcome >= spec.failure_ppb + spec.hang_ppb + spec.malformed_ppb
        parts = _sub_questions(task.seats) if readable and task.role == "dispatcher" else ()
        text = self._text(task, draws, parts) if readable else _UNREADABLE
        return Reply(text, None, parts, known_ms, _input_tokens(task), _tokens(len(text)))

    def _draw(self, task: Task) -> _Draws:
        spec = self.spec
        # Names and ids hold no line breaks, so no two attempts share this text.
        named = f"{spec.seed}\n{spec.name}\n{task.question_id}\n{task.role}\n{task.attempt}"
        return _Draws(*_DRAWS.unpack(hashlib.sha256(named.encode()).digest()))

    def _text(self, task: Task, draws: _Draws, parts: tuple[str, ...]) -> str:
        if task.role == "dispatcher":
            return "\n".join(f"{number}. {part}" for number, part in enumerate(parts, 1))
        answer = _majority(task) if task.role == "merger" else None
        if answer is None:
            answer = self._answer(task, draws)
        if task.answer_type == "number":
            return f"Working it out step by step gives {answer}.\n#### {answer}"
        return f"Going through the options one by one, ({answer}) fits the question best. The answer is ({answer})."

    def _answer(self, task: Task, draws: _Draws) -> str:
        """Give the right answer with the probability of the agent's skill, else a wrong one."""
        spec = self.spec
        numeric = task.answer_type == "number"
        wrong = len(NUMBER_SLIPS) if numeric else len(task.options) - 1
        skill_ppb = spec.skill_ppb if task.subject is None else spec.skills_ppb.get(task.subject, spec.skill_ppb)
        right = _ppb(draws.skill) < skill_ppb
        if _ppb(draws.popular) < POPULAR_PPB:
            slip = popular_slip(spec.seed, task.question_id, wrong)
        else:
            slip = draws.choice * wrong >> 32
        if numeric:
            return str(truth_number(spec.seed, task.question_id) + (0 if right else NUMBER_SLIPS[slip]))
        index = truth(spec.seed, task.question_id, wrong + 1)
        return LETTERS[index if right else (index + 1 + slip) % (wrong + 1)]


def _latency_ms(median_ms: int, draw: int) -> int:
    """Draw a latency from half to double the median: both sides equally likely, each side uniform."""
    half = draw % _HALF_DRAW
    if draw < _HALF_DRAW:
        return (median_ms + (median_ms * half >> 31)) // 2
    return median_ms + (median_ms * half >> 31)


class SimulatedMerger:
    """
    An agent whose verdicts as a merge agent are simulated, because its outputs hold none: the most frequent answer of
    the analyses it reads, on a tie that of the first one. Analysts' replies are its own.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.spec, self.virtual, self.live = agent.spec, agent.virtual, agent.live

    async def reply(self, task: Task) -> Reply:
        """
        Answer as the agent does, or give a simulated verdict.

        Raises:
            AgentError: `not_recorded`: no analysis has an answer that can be read.
        """
        if task.role != "merger":
            return await self._agent.reply(task)
        answers = [answer for answer in _answers(task) if answer is not None]
        if not answers:
            raise AgentError("not_recorded", retriable=False, latency_ms=0)
        verdict = max(answers, key=answers.count)
        return Reply(f"The answer is ({verdict}).", verdict, (), 0)


def _answers(task: Task) -> Iterator[str | None]:
    """Read the answer of each analysis that a merge agent reads."""
    for text in task.analyses:
        reading = read_number(text, None) if task.answer_type == "number" else None
        yield (reading or read_choice(text, len(task.options), None)).answer


def _majority(task: Task) -> str | None:
    """Return the most frequent answer of the analyses; None on a tie, or if no analysis is readable."""
    ranked = Counter(answer for answer in _answers(task) if answer is not None).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def _sub_questions(seats: int) -> tuple[str, ...]:
    return tuple(_ASPECTS[seat % len(_ASPECTS)] for seat in range(seats))


def _tokens(characters: int) -> int:
    """Count tokens by length, rounded up."""
    return -(-characters // CHARACTERS_A_TOKEN)


def _input_tokens(task: Task) -> int:
    words = (task.text, task.sub_question or "", *task.options, *task.analyses)
    return _tokens(sum(map(len, words)))
