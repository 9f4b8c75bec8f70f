"""A log of many decisions, for pages to show."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from streams.app.demo_world import demo_agents, demo_questions
from streams.app.run import Job, do
from streams.app.workspace import Workspace
from streams.settings import Config

SEED = 18

POLICIES: dict[str, dict[str, Any]] = {
    "learned": {},
    "weighted": {"merge": {"rule": "weighted"}, "routing": {"rule": "weighted", "panel_size": 3}},
    "cascade": {"merge": {"rule": "cascade", "stages": [2, 1, 1, 1]}, "routing": {"panel_size": 5}},
}
"""
One after the other, with a third of the questions each: the default, with learned odds of a panel of five, and two
whose rules have other counterfactuals.
"""


def make_decisions(folder: Path, count: int) -> Path:
    """
    Decide so many questions, with feedback on each, and give the log's file; one that is there already stays.

    Args:
        folder: Where it is made, as `decisions-COUNT.db`.
        count: Number of questions.
    """
    log = folder / f"decisions-{count}.db"
    if log.exists():
        return log
    # A log whose making was broken off must not be taken for a whole one.
    draft, lines = folder / f"draft-{count}.db", demo_questions(count, SEED)
    file = folder / "questions.jsonl"
    for place, (policy_id, rules) in enumerate(POLICIES.items()):
        _write(file, islice(lines, count // len(POLICIES) + (place < count % len(POLICIES))))
        fields = {"policy_id": policy_id, "agents": demo_agents(SEED), **rules}
        do(Workspace(f"sqlite:///{draft}"), Job(str(file), Config(path="the trial's own", fields=fields), teach=True))
    file.unlink()
    return draft.rename(log)


def question_ids(count: int, chosen: int) -> list[str]:
    """Give the ids of some of these questions, spread evenly over the log."""
    return [f"demo-{SEED}-{1 + number * count // chosen:04d}" for number in range(min(count, chosen))]


def _write(file: Path, lines: Iterator[dict[str, Any]]) -> None:
    with file.open("wb") as target:
        target.writelines(orjson.dumps(line) + b"\n" for line in lines)
