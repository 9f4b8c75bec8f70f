"""Generated questions and outputs, and the server that plays them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

from infra.bench.live.plan import Kind
from infra.bench.workload import AT, OPTIONS, questions
from infra.models import ModelProcess
from infra.models.chance import share
from schemas.agents import LiteLLMAgent, LiveLimits, OpenAIAgent
from schemas.policies import Merge, PolicyAdopted, Routing
from schemas.questions import LETTERS, QuestionAsked
from streams.agents.agent import Task
from streams.agents.simulated import truth

QUESTIONS = 1_000
"""Number of different questions: more than an agent's cache of built requests, so that each call builds its own."""
MODELS = ("recorded-1", "recorded-2", "recorded-3")
MERGER = "judge"
SKILL = 0.7
"""Share of right outputs: panels disagree, and merge agents have something to decide."""

_SENTENCE = "Step {number}: what the rule says of case {case} is compared with this statement, and it holds in part. "
_SENTENCES = 8
"""An analysis of some 800 characters, 200 tokens."""

# A call that fails is an error of the benchmark and is not tried again, so that every call counts once.
_LIMITS = LiveLimits(max_attempts=1, breaker_failures=0)


@dataclass(frozen=True)
class World:
    """Files of questions and of models' outputs."""

    questions: Path
    outputs: Path

    @classmethod
    def make(cls, directory: Path) -> Self:
        """Write both files into a directory."""
        made = cls(directory / "questions.jsonl", directory / "outputs.jsonl")
        asked = list(islice(questions(), QUESTIONS))
        _write(
            made.questions,
            ({"question_id": one.question_id, "text": one.text, "options": one.options} for one in asked),
        )
        _write(made.outputs, (_output(model, one.question_id) for one in asked for model in MODELS))
        return made

    def server(self, latency_ms: int, spread_ms: int = 0) -> ModelProcess:
        """Make a server that takes so long for each call."""
        waits = ("--latency-ms", str(latency_ms), "--spread-ms", str(spread_ms))
        return ModelProcess(self.questions, self.outputs, "--model", MERGER, *waits)


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


def _output(model: str, question_id: str) -> dict[str, Any]:
    right = truth(0, question_id, len(OPTIONS))
    slip = 0 if share("right", model, question_id) < SKILL else 1 + int(share("slip", question_id) * 2)
    answer = LETTERS[(right + slip) % len(OPTIONS)]
    steps = "".join(_SENTENCE.format(number=number, case=question_id) for number in range(1, _SENTENCES + 1))
    text = f"{steps}\nThe answer is ({answer})."
    return {"question_id": question_id, "model": model, "text": text, "answer": answer}


def single_policy(kind: Kind, url: str) -> PolicyAdopted:
    """Make a policy with one agent of this kind."""
    agent = _agent(kind, "caller", MODELS[0], url)
    return PolicyAdopted(
        occurred_at=AT, policy_id="single", agents=(agent,), routing=Routing(rule="static", panel_size=1)
    )


def panel_policy(url: str) -> PolicyAdopted:
    """Make the policy of the published sequential reference: always the same three analysts, then a merge agent."""
    analysts = (_agent("openai", f"analyst-{number}", model, url) for number, model in enumerate(MODELS, 1))
    return PolicyAdopted(
        occurred_at=AT,
        policy_id="panel",
        agents=(*analysts, _agent("openai", "merger", MERGER, url)),
        routing=Routing(rule="static", panel_size=len(MODELS), merger="merger"),
        merge=Merge(rule="agent"),
    )


def _agent(kind: Kind, name: str, model: str, url: str) -> LiteLLMAgent | OpenAIAgent:
    if kind == "litellm":
        # The provider of litellm that speaks OpenAI's interface.
        return LiteLLMAgent(name=name, model=f"openai/{model}", base_url=url, limits=_LIMITS)
    return OpenAIAgent(name=name, model=model, base_url=url, limits=_LIMITS)


def analyst_task(question: QuestionAsked) -> Task:
    """Ask a question of an analyst."""
    return Task(
        question_id=question.question_id,
        text=question.text,
        options=question.options,
        answer_type=question.answer_type,
        subject=question.subject,
        role="analyst",
        stage=0,
    )
