"""Tables on terminals that are too narrow for them."""

import json
import re

import pytest
from rich.console import Console

from streams.cli.render.narrow import NarrowTable, parts_of

from ...e2e.command import Place

AGENTS = ("atlas", "birch", "cedar", "delta", "ember")
NARROW = {"COLUMNS": "60"}


@pytest.fixture
def demo(place: Place) -> Place:
    """A directory with the log of a demonstration, whose agents have every number there is."""
    done = place.orch("--log", "orch.db", "demo", "--questions", "30")
    assert done.code == 0, done.err
    return place


def rows_of(text: str, agent: str) -> list[str]:
    """Give the lines of a text in which an agent stands."""
    return [line for line in text.splitlines() if re.search(rf"\b{agent}\b", line)]


@pytest.mark.parametrize(
    "command", [("router",), ("router", "--history", "atlas"), ("run",), ("explain", "{question}")]
)
def test_nothing_is_wider_than_the_terminal_and_no_number_is_lost(demo: Place, command: tuple[str, ...]) -> None:
    """At 60 columns no line is longer, and all that stands in the wide output stands in the narrow one."""
    question = json.loads(demo.orch("consume", "questions", "--max", "1").out)["question_id"]
    arguments = [part.format(question=question) for part in command]
    wide, narrow = demo.orch(*arguments), demo.orch(*arguments, env=NARROW)
    assert (wide.code, narrow.code) == (0, 0)
    assert max(map(len, narrow.out.splitlines())) <= 60
    took = re.compile(r"time .*")
    words = [word for word in took.sub("", wide.out).split() if not set(word) <= set("─▁▂▃▄▅▆▇█│├└")]
    assert set(words) <= set(took.sub("", narrow.out).split())


@pytest.mark.parametrize("command", ["router", "run"])
def test_every_row_keeps_its_name(demo: Place, command: str) -> None:
    """At 60 columns each agent stands, unbroken, in front of each of its numbers."""
    narrow = demo.orch(command, env=NARROW).out
    tables = [table for table in narrow.split("\n\n") if "agent" in table]
    assert len(tables) >= 2
    for table in tables:
        assert all(rows_of(table, agent) for agent in AGENTS)


def test_long_name_keeps_its_line_while_there_is_room() -> None:
    """A name of 29 characters is not folded at 60 columns; at 30 it is, and its numbers stay."""
    name = "openai/gpt-4o-mini-2024-07-18"
    table = NarrowTable(("#", "agent", "score", "used", "latency"), ("agent",), names=2)
    table.add_row("1", name, "0.900", "0.829", "1,026 ms")
    for width in (60, 30):
        console = Console(width=width, record=True, file=None, force_terminal=False)
        with console.capture() as captured:
            console.print(table)
        text = captured.get()
        assert (name in text) == (width == 60)
        for number in ("0.900", "0.829", "1,026 ms"):
            assert number in text


def test_columns_are_shared_out_in_order() -> None:
    """Each table has the names and as many further columns as fit, at least one; every column is in one table."""
    assert parts_of([3, 10, 5, 5, 5], names=2, room=80) == [[0, 1, 2, 3, 4]]
    assert parts_of([3, 10, 5, 5, 5], names=2, room=29) == [[0, 1, 2, 3], [0, 1, 4]]
    assert parts_of([3, 10, 5, 5, 5], names=2, room=10) == [[0, 1, 2], [0, 1, 3], [0, 1, 4]]
    assert parts_of([3, 10], names=2, room=80) == [[0, 1]]
