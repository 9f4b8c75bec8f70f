"""A demo log with everything that pages show."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from schemas.registry import build
from streams.app.demo_world import demo_agents, demo_questions
from streams.app.workspace import Workspace
from streams.errors import OperatorError
from streams.topology import QUESTIONS

COMMAND = (sys.executable, "-c", "from streams.cli.main import main; main()")
SEED = 7
COUNT = 240
DAYS = 9
CHECKPOINTS = "checkpoints.jsonl"

FRAGILE = ("orchid", "poppy")
"""Agents that seldom answer, so that some questions stay undecided."""


def make_demo_log(folder: Path, count: int = COUNT) -> None:
    """
    Make `orch.db` in an empty folder: nine days, three policies, undecided questions, a dead letter, a checkpoint.

    Beside it there are `checkpoints.jsonl`, the key, and an evaluation in `orch-eval`.

    Args:
        folder: Where it is made.
        count: Number of questions.

    Raises:
        OperatorError: A command fails.
    """
    lines = list(_days(demo_questions(count, SEED), count))
    first, second = count * 2 // 3, count * 2 // 3 + 10
    _write(folder, "first.jsonl", lines[:first])
    _write(folder, "second.jsonl", lines[first:second])
    _write(folder, "third.jsonl", lines[second:])
    _configure(folder, "first", demo_agents(SEED), "[routing]\nrule = 'weighted'\n[merge]\nrule = 'vote'\n")
    orch(folder, "run", "first.jsonl", "--feedback", "gold")
    _configure(folder, "fragile", _fragile(), "[merge]\nrule = 'vote'\nquorum = 2\n")
    orch(folder, "run", "second.jsonl")
    rules = "[routing]\nrule = 'weighted'\npanel_size = 3\nby_subject = true\n[merge]\nrule = 'weighted'\n"
    _configure(folder, "second", demo_agents(SEED), rules)
    orch(folder, "run", "third.jsonl", "--feedback", "gold")
    _use_an_id_twice(folder, lines[3])
    orch(folder, "seal", "--init")
    orch(folder, "seal", "--anchor", CHECKPOINTS)
    orch(folder, "eval", "third.jsonl", "--orders", "2", "--resamples", "500", "--rule", "vote", "--rule", "weighted")


def _use_an_id_twice(folder: Path, line: dict[str, Any]) -> None:
    """Write what a faulty program might: a second question under an id. It becomes a dead letter."""
    text = "Is this <b>another</b> question under the same id?"
    given = {**line, "text": text, "occurred_at": "2026-03-09T18:00:00.000Z"}
    question = build(QUESTIONS, {name: each for name, each in given.items() if name != "gold"}, 0)
    with Workspace(f"sqlite:///{folder}/orch.db").open_writer((QUESTIONS,)) as log:
        log.append(question)
        folding = log.folding()
        while folding is not None and folding.ready:
            folding.fold()
        log.commit()


def orch(folder: Path, *arguments: str) -> str:
    """
    Run a command in a folder, and give what it printed.

    Raises:
        OperatorError: It fails.
    """
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, env=_plain(), capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip()[-500:]
        raise OperatorError(f"`orch {' '.join(arguments)}` ended with {done.returncode}: {said}")
    return done.stdout


def _plain() -> dict[str, str]:
    """Give an environment without settings of orch."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORCH_")}
    return {**kept, "NO_COLOR": "1"}


def _days(lines: Iterator[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """Spread questions over the days, some more on each."""
    for number, line in enumerate(lines):
        day = 1 + number * DAYS // count
        second = number * 397 % 36_000
        hour, minute = 8 + second // 3_600, second // 60 % 60
        yield {**line, "occurred_at": f"2026-03-{day:02}T{hour:02}:{minute:02}:{second % 60:02}.000Z"}


def _fragile() -> list[dict[str, Any]]:
    made = demo_agents(SEED)[:3]
    limits = {"timeout_ms": 4_000, "max_attempts": 2, "backoff_ms": 100}
    broken = [{**made[1], "name": name, "failure_ppb": 800_000_000, "limits": limits} for name in FRAGILE]
    return [*broken, made[0]]


def _write(folder: Path, name: str, lines: Sequence[dict[str, Any]]) -> None:
    (folder / name).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def _configure(folder: Path, policy_id: str, agents: Sequence[dict[str, Any]], rules: str) -> None:
    written = [f"[policy]\npolicy_id = {_toml(policy_id)}\n"]
    for agent in agents:
        fields = "".join(f"{name} = {_toml(value)}\n" for name, value in agent.items())
        written.append(f"[[agents]]\n{fields}")
    (folder / "orch.toml").write_text("\n".join([*written, rules]), "utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    return orjson.dumps(value).decode()
