"""
Weights of `odds`: table, history and explanation.

All of it comes from a real log, as JSON and as text on terminals of any width.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.odds import ONE
from schemas.weights import WeightsEntry
from streams.audit.explain.explain import explain
from streams.audit.weights_table import weights_at, weights_history, weights_now
from streams.cli.main import run
from streams.log import read_event
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.topology import INPUT_TOPICS, WEIGHTS

from ...odds_story import AGREED, TAUGHT, told_by_odds
from ..played_log import Played

BY_GAIN, TAKEN_BACK = "o6", "o10"
"""A question whose agents are asked one by one, and one whose feedback is retracted."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden story of the rule, in a file."""
    log = Played(tmp_path_factory.mktemp("odds") / "orch.db")
    for event in told_by_odds().log:
        if event.topic in INPUT_TOPICS:
            log.put(event)
    log.close()
    return log.path


@pytest.fixture
def reader(path: Path) -> Iterator[EmbeddedReader]:
    """A reader of that log."""
    with EmbeddedReader(path) as opened:
        yield opened


def entries(reader: EmbeddedReader, scope: str) -> list[WeightsEntry]:
    """List the tables of a policy in their order."""
    found = (read_event(record) for record in reader.records((WEIGHTS,)))
    return [entry for entry in found if isinstance(entry, WeightsEntry) and entry.scope == scope]


def printed(capfdbinary: pytest.CaptureFixture[bytes], path: Path, *arguments: str) -> list[Any]:
    """Run a command and read what it prints as JSON Lines."""
    capfdbinary.readouterr()
    assert run(["--format", "json", "--log", f"sqlite:///{path}", *arguments]) == 0
    return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_table_now_is_the_newest_of_each_policy(reader: EmbeddedReader) -> None:
    """Its agents by name, with weights and standing, then the weights that belong to no agent."""
    lines = weights_now(reader)
    assert [line["scope"] for line in lines] == [AGREED.policy_id] * 4 + [TAUGHT.policy_id] * 4
    assert [line["agent"] for line in lines] == ["ada", "bo", "cy", None] * 2
    newest = entries(reader, TAUGHT.policy_id)[-1]
    ada = lines[4]
    assert (ada["event_id"], ada["sequence"], ada["lessons"]) == (newest.event_id, newest.sequence, newest.lessons)
    assert ada["weights"]["agent"] > ONE
    assert ada["standing"]["values"]["asked"] == 4
    assert "supporters/1" in lines[7]["weights"]


def test_table_at_a_question_is_what_its_panel_carries(reader: EmbeddedReader) -> None:
    """The share of the entry that the panel names, for the kind of the question."""
    lines = weights_at(reader, BY_GAIN)
    seen = next(entry for entry in entries(reader, TAUGHT.policy_id) if entry.event_id == lines[0]["event_id"])
    own = {one.agent: one.weights for one in seen.agents}
    for line in lines[:-1]:
        assert line["agent"] is not None
        assert line["weights"].items() <= {name: pair[0] for name, pair in own[line["agent"]].items()}.items()
        assert list(line["standing"]) == ["values"]
    assert weights_at(reader, "o1")[0]["event_id"] is None


def test_history_has_each_lesson_that_taught_about_an_agent(reader: EmbeddedReader) -> None:
    """By policy in the order of the lessons; lessons without an answer of the agent are left out."""
    points = [point for point in weights_history(reader, "bo") if point["scope"] == TAUGHT.policy_id]
    taught = [
        entry
        for entry in entries(reader, TAUGHT.policy_id)
        if any(a.taught == entry.sequence for a in entry.agents if a.agent == "bo")
    ]
    assert [point["sequence"] for point in points] == [entry.sequence for entry in taught]
    assert len(points) < len(entries(reader, TAUGHT.policy_id))
    assert [point["question_id"] for point in points][:1] == ["o1"]


def test_command_says_which_table_a_line_is_of(path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`orch router` prints the router's lines, then those of the weights; of one scope the router's alone."""
    for arguments in ((), ("--at", BY_GAIN), ("--history", "ada")):
        tables = [line["table"] for line in printed(capfdbinary, path, "router", *arguments)]
        assert tables == sorted(tables)
        assert set(tables) == {"router", "weights"}
    assert {line["table"] for line in printed(capfdbinary, path, "router", "--scope", "*")} == {"router"}


def test_explanation_adds_up(reader: EmbeddedReader) -> None:
    """Each score is the sum of its terms, whose weights are those that the panel carried, and steps say their gain."""
    told = explain(reader, BY_GAIN)
    decision, routing = told["decision"], told["routing"]
    assert decision is not None
    assert decision["odds"] is not None
    assert routing is not None
    assert routing["odds"] is not None
    carried = {member["agent"]: member["weights"] for member in routing["odds"]["members"]}
    for line in decision["odds"]["lines"]:
        total = sum(term["weight"] * term["times"] for term in line["terms"])
        assert abs(line["score_unats"] * ONE - total * 10**6) <= ONE
    terms = {term["name"]: term["weight"] for line in decision["odds"]["lines"] for term in line["terms"]}
    assert terms["agent/ada"] == carried["ada"]["agent"]
    assert decision["trace"][-1]["gain"]["wanted_ppb"] > decision["trace"][-1]["gain"]["expected_ppb"]
    assert decision["odds"]["evidence"][0]["grounds"] == "derived"


def test_explanation_says_what_a_lesson_moved(reader: EmbeddedReader) -> None:
    """The newest lesson taken back moves every weight to where it was before."""
    lessons = [one for one in explain(reader, TAKEN_BACK)["lessons"] if one["weights"]]
    (given,), (taken,) = (lesson["weights"] for lesson in lessons)
    assert given["right"] == "100"
    assert taken["corrects"] == given["lesson_id"]
    there = {moved["name"]: (moved["before"], moved["after"]) for moved in given["moved"]}
    back = {moved["name"]: (moved["after"], moved["before"]) for moved in taken["moved"]}
    assert there == back


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "command", [("router",), ("router", "--at", BY_GAIN), ("router", "--history", "ada"), ("explain", BY_GAIN)]
)
def test_nothing_is_wider_than_the_terminal(
    path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    width: int,
) -> None:
    """At any width each line fits, and the same words are there."""
    texts = {}
    for columns in (200, width):
        monkeypatch.setenv("COLUMNS", str(columns))
        capfd.readouterr()
        assert run(["--log", f"sqlite:///{path}", *command]) == 0
        texts[columns] = capfd.readouterr().out
    assert max(map(len, texts[width].splitlines())) <= width
    wide = {word for word in texts[200].split() if not set(word) <= set("─▁▂▃▄▅▆▇█│├└")}
    assert wide <= set(texts[width].split())
