"""Recorded numbers, by the rules of `answers.v2`."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streams.processors.answers.v1 import read_number as read_number_v1
from streams.processors.answers.v2.numbers import normal_number, read_number


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def test_recorded_outputs_are_read_as_before(recorded_data: Path) -> None:
    """Where the published rules read another number, it was wrong, but for one output with two numbers."""
    golds = {line["question_id"]: line["gold"] for line in _lines(recorded_data / "gsm8k" / "questions.jsonl.gz")}
    same = lost = gained = other = 0
    for line in _lines(recorded_data / "gsm8k" / "outputs.jsonl.gz"):
        before, now = read_number_v1(line["text"]).answer, read_number(line["text"]).answer
        gold = golds[line["question_id"]]
        same += before == now
        lost += before == gold != now
        gained += before != gold == now
        other += before != now is not None
    assert same >= 2378
    assert (lost, gained, other) == (1, 0, 0)
    assert all(normal_number(gold) == gold for gold in golds.values())


def test_field_cases_are_read(field_cases: Path) -> None:
    """Each output is read as the second column says: a number, several that are allowed, or none."""
    checked = 0
    for folder in sorted(field_cases.glob("n*")):
        columns = [line.split("\t") for line in (folder / "expected.txt").read_text("utf-8").splitlines()]
        allowed = {column[0]: column[1].split(" or ") for column in columns if len(column) > 3}
        for line in map(json.loads, (folder / "outputs.jsonl").read_text("utf-8").splitlines()):
            answer = read_number(line["text"], line.get("answer")).answer or "none"
            assert answer in allowed[line["question_id"]], line
            checked += 1
    assert checked >= 28


def test_golds_of_field_cases_are_read_or_refused(field_cases: Path) -> None:
    """A gold is never cut: "2 million" is 2000000."""
    golds = [
        json.loads(line)["gold"]
        for folder in sorted(field_cases.glob("g*"))
        for line in (folder / "questions.jsonl").read_text("utf-8").splitlines()
    ]
    assert [normal_number(gold) for gold in golds if gold == "2 million"] == ["2000000"]
