"""Pages of sums, over a file and over its archive."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.pictures.demo_log import FRAGILE
from streams.app.workspace import Workspace
from streams.audit.run_summary import known_answers, summarise
from streams.serve.pages.catalog import page_routes
from streams.serve.pages.figures.router import router_model
from streams.serve.pages.figures.spend import spend_model
from streams.serve.pages.figures.tally import LogTally

from ....limits import LIMIT_S
from ...command_in_process import Inside
from ..server_in_thread import ServerInThread, served
from .demo_folder import demo_folder, page_of

PATHS = ("/router", "/router?scope=arithmetic", "/spend", "/undecided", "/letters", "/audit", "/evaluation")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """Give a folder with a log of three policies, and its archive."""
    made = demo_folder(tmp_path_factory.mktemp("figures"))
    assert made.orch("export", "archive").code == 0
    return made


@pytest.fixture(scope="module", params=["orch.db", "archive"], ids=["file", "archive"])
def site(request: pytest.FixtureRequest, place: Inside) -> Iterator[ServerInThread]:
    """Give the pages over the file, then over the archive."""
    # A server adopts its own policy: the log itself stays as it is.
    copy = shutil.copy(place.path / "orch.db", place.path / "served.db")
    url = f"sqlite:///{copy}" if request.param == "orch.db" else f"parquet:{place.path}/archive"
    with served(url, pages=page_routes) as running:
        yield running


def tally_of(path: Path) -> LogTally:
    """Read the sums of a whole log."""
    tally = LogTally(Workspace(str(path)))
    tally.ready(LIMIT_S)
    tally.stop()
    assert tally.state().complete
    assert tally.state().failure is None
    return tally


def test_sums_are_those_of_the_run(place: Inside) -> None:
    """Calls, tokens, costs and latencies of each agent are what the summary of `orch run` counts."""
    model = spend_model(tally_of(place.path / "orch.db").spend)
    with Workspace(str(place.path / "orch.db")).open_reader() as reader:
        told = summarise(reader, known_answers(reader))
    assert {row.agent for row in model.agents} == set(told.agents)
    for row in model.agents:
        stats = told.agents[row.agent]
        assert (row.calls, row.failed, row.refused) == (stats.calls, stats.failed.total(), stats.refused)
        assert (row.input_tokens, row.output_tokens) == (stats.input_tokens, stats.output_tokens)
        assert (row.cost_nusd, row.unpriced_calls) == (stats.cost_nusd, stats.unpriced_calls)
        assert (row.p50_ms, row.p95_ms) == (stats.latencies.at(50), stats.latencies.at(95))


def test_table_is_that_of_the_command(place: Inside) -> None:
    """The router's table of every scope is what `orch router` prints, line by line."""
    tally = tally_of(place.path / "orch.db")
    said = [line for line in place.orch("--format", "json", "router").lines if line["table"] == "router"]
    found = [line for scope in tally.courses.scopes() for line in router_model(tally, scope).table["lines"]]
    assert len(found) > 20
    assert found == [{name: line[name] for name in found[0]} for line in said]


def test_sums_of_an_archive_are_those_of_its_log(place: Inside) -> None:
    """Nothing is counted otherwise in Parquet files."""
    file, archive = tally_of(place.path / "orch.db"), LogTally(Workspace(f"parquet:{place.path}/archive"))
    archive.ready(LIMIT_S)
    assert spend_model(archive.spend) == spend_model(file.spend)
    assert router_model(archive, "*") == router_model(file, "*")


def test_differences_name_an_agent_that_came_or_went_once(place: Inside) -> None:
    """An agent that only one of two policies has is one line, not all its settings."""
    model = router_model(tally_of(place.path / "orch.db"), "*", "fragile", "second")
    settings = {each.setting: (each.before, each.after) for each in model.changes}
    assert settings["merge.rule"] == ("vote", "weighted")
    assert {settings[f"agent.{name}"] for name in FRAGILE} == {("asked", None)}
    assert not [name for name in settings if name.startswith(tuple(f"agent.{name}." for name in FRAGILE))]


@pytest.mark.parametrize("path", PATHS)
def test_page_stands(site: ServerInThread, path: str) -> None:
    """Every page shows its figures, of all records that there are, with their units."""
    text = page_of(site, path)
    assert "still being read" not in text
    assert not re.search(r"\bnan\b|\bNone\b|Undefined", re.sub("<[^>]*>", " ", text))


def test_figures_are_on_the_page(site: ServerInThread) -> None:
    """The pages tell spend by day, the averages' courses, who was asked in a subject, and what differs."""
    spend, router = page_of(site, "/spend"), page_of(site, "/router?scope=arithmetic&before=first&after=second")
    assert "2026-03-01" in spend
    assert "Spend by day, in US dollars" in spend
    assert router.count('<svg viewBox="0 0 560 320"') == 4
    assert "Who was asked, and at what cost" in router
    assert "<code><bdi" in router
    assert ">merge.rule<" in router


def test_wrong_scope_and_policy_are_told(site: ServerInThread) -> None:
    """What the router or the log does not have is a page that says what there is."""
    for path, said in (("/router?scope=nosuch", "no scope"), ("/router?before=nosuch", "No policy is called")):
        found = site.get(path)
        assert found.status == 404
        assert said in found.text.decode()


def test_sums_are_kept_up(tmp_path: Path) -> None:
    """What is asked after the first look shows, and nothing is counted twice."""
    with served(str(tmp_path / "orch.db"), pages=page_routes) as running:
        assert "No agent was called yet." in page_of(running, "/spend")
        for number in range(3):
            running.ask(f"q{number}")
            page_of(running, "/spend", lambda text, calls=3 * (number + 1): f"<b>{calls}</b>" in text)
