"""A browser and servers of each kind of log."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from .site_kinds import Beside, Fixture, Sites, site_over
from .site_process import SiteProcess, Visitor, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a headless Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Sites]:
    """Give pages over a log of any kind, one server for each; agents are simulated."""
    with ExitStack() as running:
        started: dict[str, SiteProcess] = {}

        def over(kind: str, fixture: Fixture) -> SiteProcess:
            if kind not in started:
                place = Beside(tmp_path_factory.mktemp(kind))
                started[kind] = running.enter_context(site_over(kind, place, fixture))
            return started[kind]

        yield over


@pytest.fixture
def site(request: pytest.FixtureRequest, sites: Sites) -> SiteProcess:
    """Give pages over the kind of log that a test names, else over a file."""
    return sites(getattr(request, "param", "file"), request.getfixturevalue)


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
