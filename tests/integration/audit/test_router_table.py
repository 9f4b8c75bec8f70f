"""
The router table: now, at a question, and by agent.

All of it comes from a real log.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.quantities import PPB
from streams.audit.router_table import RouterLine, history, table_at, table_now
from streams.cli.main import run
from streams.cli.render.router_text import ROWS, sparkline, thinned
from streams.errors import UsageError
from streams.processors.score import rank_candidates
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import gold, policy, question, retraction, said
from ..played_log import Played

ROUTING = {"rule": "weighted", "by_subject": True, "shrinkage": 2}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Played]:
    """A log with six decided questions of two subjects, each with its right answer."""
    played = Played(tmp_path / "orch.db")
    played.put(policy("ann", "bob", "cyd", routing=ROUTING))
    for number in range(6):
        asked = question(f"q{number}", subject=("law", "logic")[number % 2])
        played.ask([asked], said(ann="A", bob="B", cyd="B"))
        played.put(gold("A" if number else "B", f"q{number}"))
    yield played
    played.close()


@pytest.fixture
def reader(log: Played) -> Iterator[EmbeddedReader]:
    """A reader of that log."""
    with EmbeddedReader(log.path) as opened:
        yield opened


def of(lines: list[RouterLine], scope: str) -> list[RouterLine]:
    """Keep the lines of one scope."""
    return [line for line in lines if line["scope"] == scope]


def printed(capfdbinary: pytest.CaptureFixture[bytes], log: Played, *arguments: str) -> list[Any]:
    """Run `orch router` and read what it prints as JSON Lines."""
    capfdbinary.readouterr()
    assert run(["--format", "json", "--log", f"sqlite:///{log.path}", "router", *arguments]) == 0
    return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_table_now(reader: EmbeddedReader) -> None:
    """Each scope lists every agent by rank, with its own averages and the ones the router goes by."""
    table = table_now(reader)
    assert list(dict.fromkeys(line["scope"] for line in table["lines"])) == ["*", "law", "logic"]
    for scope in ("*", "law", "logic"):
        assert [line["rank"] for line in of(table["lines"], scope)] == [1, 2, 3]
    best = of(table["lines"], "*")[0]
    assert best["agent"] == "ann"
    assert best["own"] == best["used"]
    assert best["observations"] == {"quality": 6, "latency": 6, "cost": 6, "stability": 6}
    in_law = of(table["lines"], "law")[0]
    assert in_law["own"] != in_law["used"]
    assert in_law["score_ppb"] is not None


def test_table_is_what_the_next_question_sees(log: Played) -> None:
    """The next question's candidates have the table's ranks, scores and entries."""
    with EmbeddedReader(log.path) as reader:
        before = of(table_now(reader)["lines"], "law")
    log.put(question("next", subject="law"))
    with EmbeddedReader(log.path) as reader:
        seen = of(table_at(reader, "next")["lines"], "law")
    assert seen == before


def test_table_at_a_question(reader: EmbeddedReader) -> None:
    """A question that came first saw an empty table; a later one, what was learned until then."""
    first = table_at(reader, "q0")
    assert first["at"] == "q0"
    assert all(line["own"] is None and line["event_id"] is None for line in first["lines"])
    third = of(table_at(reader, "q2")["lines"], "law")
    assert all(line["own"] is not None for line in third)
    with pytest.raises(UsageError, match="no panel"):
        table_at(reader, "nobody")
    with pytest.raises(UsageError, match=r"did not look at scope 'logic'\. It looked at \*, law"):
        table_at(reader, "q2", "logic")


def test_agent_that_left(log: Played) -> None:
    """An agent that the policy in force does not name keeps its lines, without a rank."""
    log.put(policy("ann", "bob", policy_id="smaller", at=5_000, routing={**ROUTING, "by_subject": False}))
    with EmbeddedReader(log.path) as reader:
        lines = of(table_now(reader)["lines"], "*")
    assert [(line["agent"], line["rank"]) for line in lines] == [("ann", 1), ("bob", 2), ("cyd", None)]


def test_scores_are_the_routers(reader: EmbeddedReader) -> None:
    """Scores come from the router's own function."""
    table = table_now(reader, "law")
    assert {line["scope"] for line in table["lines"]} == {"law"}
    assert rank_candidates.__module__ == "streams.processors.score"
    with pytest.raises(UsageError, match=r"no scope 'history'\. It has"):
        table_now(reader, "history")


def test_history(reader: EmbeddedReader) -> None:
    """A course has every step in order, with what was observed and the averages after it."""
    points = list(history(reader, "ann"))
    assert [point["sequence"] for point in points] == list(range(1, 13))
    assert [point["source"] for point in points] == ["decision", "gold"] * 6
    assert points[1]["observed"] == {"quality_ppb": 0}
    assert points[1]["averages"]["quality_ppb"] == 0
    assert points[3]["averages"]["quality_ppb"] == PPB // 3
    assert [point["question_id"] for point in history(reader, "ann", "law")] == ["q0", "q0", "q2", "q2", "q4", "q4"]
    with pytest.raises(UsageError, match="no 'dan'"):
        list(history(reader, "dan"))


def test_history_of_a_retraction(log: Played) -> None:
    """A correction is told as one."""
    given = gold("A", "q5", at=4_000, author="eve")
    log.put(given, retraction(given))
    with EmbeddedReader(log.path) as reader:
        points = list(history(reader, "ann"))
    assert [point["corrects"] is None for point in points[-2:]] == [True, False]


def test_json(log: Played, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Tables and courses are JSON Lines, a line of the table or a step each."""
    lines = printed(capfdbinary, log, "--scope", "law")
    assert [(line["agent"], line["scope"], line["policy_id"]) for line in lines] == [
        ("ann", "law", "p"),
        ("bob", "law", "p"),
        ("cyd", "law", "p"),
    ]
    assert {line["at"] for line in printed(capfdbinary, log, "--at", "q3")} == {"q3"}
    assert len(printed(capfdbinary, log, "--history", "bob")) == 12


def test_text(log: Played, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The text fits 80 columns, without colours in a pipe."""
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in ([], ["--at", "q4"], ["--history", "ann"]):
        capfdbinary.readouterr()
        assert run(["--log", f"sqlite:///{log.path}", "router", *arguments]) == 0
        text = capfdbinary.readouterr().out.decode()
        assert "\x1b" not in text
        assert max(map(len, text.splitlines())) <= 80
        assert "ann" in text


def test_two_questions_at_once(log: Played, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """--at and --history are two questions."""
    assert run(["--log", f"sqlite:///{log.path}", "router", "--at", "q1", "--history", "ann"]) == 2


def test_long_course_is_thinned(reader: EmbeddedReader) -> None:
    """Of a long course the first and the last step are shown, and some between; its line has a fixed width."""
    points = list(history(reader, "ann")) * 50
    shown = thinned(points, ROWS)
    assert len(shown) == ROWS
    assert (shown[0], shown[-1]) == (points[0], points[-1])
    assert sparkline([0, PPB]) == "▁█"
    assert len(sparkline(list(range(1_000)), 60)) == 60
