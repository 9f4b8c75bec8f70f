"""Shadow seats in summary, explanation and views."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from streams.app.sql import views_of
from streams.app.workspace import Workspace
from streams.audit.explain.explain import explain
from streams.audit.run_summary import summarise
from streams.cli.render.explain_text import tree
from streams.log import LogReader
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import OUTSIDE, merged, policy, question, said, shadowed
from ..played_log import Played

EXPERIMENT = shadowed(policy("ann", "bob", "cyd", "dee", routing={"panel_size": 2}, merge={"rule": "agent"}))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a decided question, and one that waits for a shadow."""
    played = Played(tmp_path_factory.mktemp("shadows") / "orch.db")
    played.put(EXPERIMENT)
    played.ask([question("q")], merged("A", ann="A", bob="B", cyd="A", dee=OUTSIDE))
    played.ask([question("open")], said(ann="A", bob="A", cyd="A"))
    played.close()
    return played.path


@pytest.fixture
def reader(path: Path) -> Iterator[LogReader]:
    """Its reader."""
    with EmbeddedReader(path) as opened:
        yield opened


def test_summary_counts_shadow_calls_apart(reader: LogReader) -> None:
    """Calls and cost are the panel's and the merge agent's; those beside it have sums of their own, by agent too."""
    found = summarise(reader, {"q": "A"})
    assert (found.calls, found.cost_nusd, found.shadow_calls, found.shadow_cost_nusd) == (3, 15_000, 2, 10_000)
    told = found.as_json()
    assert (told["shadow_calls"], told["shadow_cost_usd"]) == (2, 0.00001)
    agents = {name: (one["calls"], one["shadow_calls"], one["accuracy"]) for name, one in told["agents"].items()}
    assert agents == {"ann": (2, 0, 1.0), "bob": (1, 0, 0.0), "cyd": (0, 1, 1.0), "dee": (0, 1, 0.0)}


def test_explanation_tells_shadow_seats_apart(reader: LogReader) -> None:
    """They are the last stage, with what was observed or why it is no answer; in text they have their own branch."""
    told = explain(reader, "q")
    assert [stage["reason"] for stage in told["stages"]] == ["assigned", "merge", "shadow"]
    seats = told["stages"][-1]["seats"]
    assert [(seat["agent"], seat["status"], seat["answer"], seat["reason"]) for seat in seats] == [
        ("cyd", "observed", "A", None),
        ("dee", "observed", None, "outside_options"),
    ]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(tree(told))
    text = console.export_text()
    assert "shadow seats" in text
    assert "A, observed" in text
    assert "stage 1000" not in text


def test_explanation_says_which_shadow_is_waited_for(reader: LogReader) -> None:
    """With the panel complete, a question waits for its shadow seat."""
    waiting = explain(reader, "open")["waiting"]
    assert waiting is not None
    assert (waiting["on"], waiting["seats"]) == ("seats", ["dee"])


def test_views_count_shadow_calls_apart(path: Path) -> None:
    """`decisions` has sums of their own, and `analyses` a mark."""
    with views_of(Workspace(str(path))) as views:
        (sums,) = views.run("SELECT calls, cost_nusd, shadow_calls, shadow_cost_nusd FROM decisions").rows
        marked = list(views.run("SELECT agent FROM analyses WHERE shadow AND question_id = 'q' ORDER BY agent").rows)
    assert sums == ("3", "15000", "2", "10000")
    assert marked == [("cyd",), ("dee",)]
