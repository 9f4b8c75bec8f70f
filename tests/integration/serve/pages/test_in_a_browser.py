"""The pages in a real browser, with scripts and without."""

import json
import re

import pytest
from playwright.sync_api import expect

from .site_process import LIMIT_MS, SiteProcess, Visitor

pytestmark = [pytest.mark.process, pytest.mark.slow]

HOSTILE = "".join(
    (
        "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)></textarea></title></li></bdi>",
        "<b>bold</b> {{ 7*7 }} {% raw %} &lt;i&gt; \u202e turned \u2066 twice \u2069 <!-- --> ]]> שלום",
    )
)


def test_panel_answers_before_ones_eyes(guest: Visitor) -> None:
    """A question that is asked shows one agent after the other, then its decision, on a page that is loaded once."""
    guest.ask("Which gas do plants take in?", "Oxygen", "Carbon dioxide")
    page = guest.page
    page.evaluate("window.loadedOnce = true")
    waits = page.get_by_text("has not answered yet")
    expect(page.locator("#told .state.open")).to_be_visible()
    # The first has answered, the last has not.
    expect(page.locator(".cards .said").filter(has_text="not counted yet").first).to_be_visible(timeout=LIMIT_MS)
    assert waits.count()
    expect(page.locator("#told .answer.chosen").first).to_be_visible(timeout=LIMIT_MS)
    expect(waits).to_have_count(0)
    assert page.evaluate("window.loadedOnce") is True


def test_path_of_a_question(visitor: Visitor, site: SiteProcess) -> None:
    """Asked, decided, its tree opened, feedback given, its receipt downloaded and accepted by `orch verify`."""
    place, page = site.place, visitor.page
    visitor.ask(f"What is 6 times 7, {len(site.place.events('questions'))}?")
    expect(page.locator("#told .answer.chosen").first).to_be_visible(timeout=LIMIT_MS)
    question_id = re.sub(r".*id=", "", page.url)
    tree = page.locator("ul.tree").inner_text()
    assert all(name in tree for name in ("panel", "ann", "ben", "cat", "decision"))

    visitor.page.get_by_role("button", name="wrong", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Your feedback is in the log; what it taught stands above.")
    assert page.get_by_text("feedback, human").count()
    given = [event for event in place.events("feedback") if event["question_id"] == question_id]
    assert [event["verdict"] for event in given] == ["wrong"]

    expect(page.get_by_text("Not sealed")).to_be_visible()
    assert place.orch("seal", "--anchor", "checkpoints.jsonl").code == 0
    page.reload()
    receipt = visitor.receipt(place.path)
    assert json.loads(receipt.read_bytes())["question_id"] == question_id
    assert place.orch("verify", receipt.name, "--key", "orch-seal.pub").code == 0


def test_new_decision_shows_without_a_reload(guest: Visitor, site: SiteProcess) -> None:
    """A decision that a program asked for appears on top of the list; while the list is held it stands still."""
    page = guest.go("/")
    page.evaluate("window.loadedOnce = true")
    site.post("/v1/questions?wait=20", {"question_id": "seen live", "text": "Seen live?", "options": ["yes", "no"]})
    first = page.locator("#decisions > li").first
    expect(first).to_contain_text("Seen live?", timeout=LIMIT_MS)
    expect(first.locator(".answer.chosen")).to_be_visible()
    expect(page.locator("#counts")).to_contain_text(re.compile(r"[1-9]\d*\s*decisions in the last minute"))
    assert page.evaluate("window.loadedOnce") is True

    page.get_by_role("link", name="Pause").click()
    site.post("/v1/questions?wait=20", {"question_id": "unseen", "text": "Not now?", "options": ["yes", "no"]})
    page.wait_for_timeout(600)
    expect(page.locator("#decisions > li").first).to_contain_text("Seen live?")
    page.get_by_role("link", name="Go on").click()
    expect(page.locator("#decisions > li").first).to_contain_text("Not now?", timeout=LIMIT_MS)


def test_list_is_chosen_without_scripts(visitor: Visitor, site: SiteProcess) -> None:
    """A form and links choose by words and state, also where no script runs."""
    asked = {"question_id": "needle", "text": "A needle in hay?", "options": ["yes", "no"], "subject": "sewing"}
    site.post("/v1/questions?wait=20", asked)
    page = visitor.go("/")
    page.get_by_label("Search").fill("NEEDLE hay")
    page.get_by_label("State").select_option("decided")
    page.get_by_label("Subject").select_option("sewing")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#decisions > li")).to_have_count(1)
    page.get_by_label("State").select_option("open")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No question fits.")).to_be_visible()


def test_hostile_text_stays_text(visitor: Visitor, site: SiteProcess) -> None:
    """Markup, script, SVG and marks of direction in a question, its options, subject and id are shown, never run."""
    name = HOSTILE[:90]
    asked = {"text": HOSTILE, "options": [HOSTILE + " A", "plain"], "subject": name}
    site.post("/v1/questions?wait=20", {"question_id": f"{name} {len(site.place.events('questions'))}", **asked})
    page = visitor.go("/")
    page.locator("#decisions > li a").first.click()
    assert "<U+202E> turned" in page.locator("main").inner_text()
    for path in (None, "/ask", "/?search=%3Cscript%3Ealert(4)%3C/script%3E&subject=%22%3E%3Csvg%20onload=alert(5)%3E"):
        if path is not None:
            visitor.go(path)
        assert page.locator("main script, main img, main i, main svg[onload], main b:has-text('bold')").count() == 0
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", page.content())


def test_replay_from_the_page(visitor: Visitor) -> None:
    """A replay that a button starts tells its result: on the open page, or without scripts at another look."""
    page = visitor.go("/audit")
    page.get_by_role("button", name="Replay the log").click()
    page.evaluate("window.loadedOnce = true")
    result = page.get_by_text("No difference")
    again = page.get_by_role("button", name="Look again")
    while again.is_visible():
        again.click()
    expect(result).to_be_visible(timeout=LIMIT_MS)
    if page.evaluate("window.loadedOnce === true"):
        page.get_by_role("button", name="Back to the forms").click()
    expect(page.get_by_role("button", name="Replay the log")).to_be_visible()
    expect(result).to_be_visible()
