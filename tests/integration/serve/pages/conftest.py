"""One server and one browser for each module."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from ...command_in_process import Inside
from .site_process import SiteProcess, Visitor, chromium, configure


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a headless Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[SiteProcess]:
    """Give pages over a log with three simulated agents and a key for checkpoints."""
    place = Inside(tmp_path_factory.mktemp("site"))
    configure(place)
    assert place.orch("seal", "--init").code == 0
    started = SiteProcess(place, "--checkpoints", "checkpoints.jsonl")
    yield started
    assert started.close() == 0


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def visitor(request: pytest.FixtureRequest, browser: Browser, site: SiteProcess) -> Iterator[Visitor]:
    """Give a visitor with scripts, then one without, in whose browser nothing may go wrong."""
    person = Visitor(browser, site, java_script_enabled=request.param)
    yield person
    person.close()
    assert person.complaints == []


@pytest.fixture
def guest(browser: Browser, site: SiteProcess) -> Iterator[Visitor]:
    """Give a visitor with scripts, in whose browser nothing may go wrong."""
    person = Visitor(browser, site)
    yield person
    person.close()
    assert person.complaints == []
