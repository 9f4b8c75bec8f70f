"""Accessibility of every page: axe, keyboard, definitions."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from streams.serve.pages.catalog import PAGES

from .site_kinds import Sites
from .site_process import SiteProcess, Visitor

pytestmark = [pytest.mark.process, pytest.mark.slow]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}

LINKED = [each.path for each in PAGES if each.link]

REACHED = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter(e => !e.disabled && e.type !== "hidden" && e.checkVisibility()).length"""

FOCUSED = """() => { const e = document.activeElement; if (!e || e === document.body) return null;
  if (!e.dataset.met) e.dataset.met = Math.random();
  const box = e.getBoundingClientRect(), style = getComputedStyle(e);
  return [e.dataset.met, style.outlineStyle !== "none" || style.boxShadow !== "none" || box.width < 2,
    e.outerHTML]; }"""


def faults(page: Page) -> list[str]:
    """List what axe finds serious or critical on a page."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}: {each['nodes'][0]['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.fixture(scope="module")
def paths(request: pytest.FixtureRequest, sites: Sites) -> list[str]:
    """Give the addresses of every page, with a decided question and one that was refused."""
    site = sites("file", request.getfixturevalue)
    for name in ("first", "second"):
        asked = {"question_id": name, "text": f"What is the {name}?", "options": ["one", "two"], "subject": "counting"}
        site.post("/v1/questions?wait=20", asked)
    site.post("/v1/feedback", {"question_id": "first", "verdict": "right"})
    return [*LINKED, "/?state=open", "/q?id=first", "/q?id=nobody", "/login"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_shuts_anyone_out(browser: Browser, site: SiteProcess, paths: list[str], scheme: str) -> None:
    """No page has a serious or critical finding of axe under WCAG 2.2 AA, in light and in dark."""
    reader = Visitor(browser, site, color_scheme=scheme, viewport={"width": 390, "height": 800})
    found = {path: faults(reader.go(path)) for path in paths}
    reader.close()
    assert {path: said for path, said in found.items() if said} == {}


def test_keyboard_reaches_everything(guest: Visitor, paths: list[str]) -> None:
    """The tab key stops at every link, field and button of a page, once each, and where it stands is seen."""
    for path in ("/", "/ask", "/q?id=first"):
        page = guest.go(path)
        expected = page.evaluate(REACHED)
        met: dict[str, str] = {}
        for _ in range(expected + 20):
            page.keyboard.press("Tab")
            found = page.evaluate(FOCUSED)
            if found is None or found[0] in met:
                break
            assert found[1], found[2]
            met[found[0]] = found[2]
        # Of radio buttons of one name the tab key reaches one; the arrow keys the others.
        assert len(met) == expected - page.locator("input[type=radio]:not(:checked)").count(), path


def test_definition_shows_at_the_focus(guest: Visitor, paths: list[str]) -> None:
    """A word of ours shows its definition when the keyboard reaches it, and leads to it."""
    page = guest.go("/")
    page.locator("main a.word").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    shown = "getComputedStyle(document.activeElement, '::after').content"
    assert "Each question gets one" in page.evaluate(shown)
    page.keyboard.press("Enter")
    page.wait_for_url("**/words#decision")
