"""The pages in a real browser, with scripts and without."""

import json
import re
import time
from itertools import dropwhile
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from .site_kinds import CHECKPOINTS
from .site_process import LIMIT_MS, SiteProcess, Visitor

pytestmark = [pytest.mark.process, pytest.mark.slow]

WRITABLE = pytest.mark.parametrize("site", ["file", "kafka"], indirect=True)

HOSTILE = "".join(
    (
        "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)></textarea></title></li></bdi>",
        "<b>bold</b> {{ 7*7 }} {% raw %} &lt;i&gt; \u202e turned \u2066 twice \u2069 <!-- --> ]]> שלום",
    )
)


NOTE_WAITING = """
window.waiting = [];
const look = () => window.waiting.push((document.body.innerText.match(/has not answered yet/g) || []).length);
new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
look();
"""
"""Has a page note how many agents it waits for, now and after each change."""

TRIES = 20
"""Questions asked at most until one page is open while its agents answer: on a busy machine it may open after them."""


@WRITABLE
def test_panel_answers_before_ones_eyes(guest: Visitor) -> None:
    """A question that is asked shows one agent after the other, then its decision, on a page that is loaded once."""
    page = guest.page
    for number in range(TRIES):
        guest.ask(f"Which gas do plants take in, by the answer of try {number}?", "Oxygen", "Carbon dioxide")
        expect(page.locator("#told")).to_be_visible(timeout=LIMIT_MS)
        page.evaluate(NOTE_WAITING)
        expect(page.locator("#told .answer.chosen").first).to_be_visible(timeout=LIMIT_MS)
        expect(page.get_by_text("has not answered yet")).to_have_count(0)
        # Only the page that was loaded first knows them.
        noted = page.evaluate("window.waiting")
        # At first there may be no panel yet.
        waiting = list(dropwhile(lambda still: still == 0, noted))
        assert waiting == sorted(waiting, reverse=True), noted
        if any(0 < still < waiting[0] for still in waiting):
            return
    pytest.fail(f"{TRIES} pages showed all agents at once, or none that answered")


@pytest.mark.parametrize(("site", "visitor"), [("file", True), ("file", False), ("kafka", True)], indirect=True)
def test_path_of_a_question(visitor: Visitor, site: SiteProcess) -> None:
    """Asked, decided, its tree opened, feedback given, the router moved by it, a receipt that `orch verify` accepts."""
    page = visitor.page
    visitor.ask(f"What is 6 times 7, {len(site.get('/v1/decisions')['decisions'])}?")
    expect(page.locator("#told .answer.chosen").first).to_be_visible(timeout=LIMIT_MS)
    question, question_id = page.url, re.sub(r".*id=", "", page.url)
    page.get_by_role("link", name="Tree of events").click()
    tree = page.locator("ul.tree").inner_text()
    assert all(name in tree for name in ("panel", "ann", "ben", "cat", "decision"))

    before = averages(visitor)
    visitor.go(question).get_by_role("button", name="wrong", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Your feedback is in the log; what it taught stands above.")
    assert page.get_by_text("feedback, human").count()
    lessons = site.get(f"/v1/explain/{question_id}")["lessons"]
    assert [each["verdict"] for each in lessons if each["cause"] == "feedback"] == ["wrong"]
    end = time.monotonic() + LIMIT_MS / 1000
    while not (taught := more_lessons(before, after := averages(visitor))):
        assert time.monotonic() < end, after
        page.wait_for_timeout(200)
    # An agent that was never right stays at 0.
    assert all(after[agent].quality <= before[agent].quality for agent in taught if agent in before), (before, after)

    visitor.go(question)
    expect(page.get_by_text("Not sealed")).to_be_visible()
    site.orch("seal", *(("--anchor", CHECKPOINTS) if site.log.startswith("sqlite") else ()))
    page.reload()
    receipt = visitor.receipt(site.place.path)
    assert json.loads(receipt.read_bytes())["question_id"] == question_id
    assert site.place.orch("verify", receipt.name, "--key", "orch-seal.pub").code == 0


class Averages(NamedTuple):
    """What the router's table shows of one agent."""

    quality: float
    lessons: int


def averages(visitor: Visitor) -> dict[str, Averages]:
    """Look at the router's table, and give what it shows of each agent that was observed."""
    visitor.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Router").click()
    rows = visitor.page.get_by_role("group", name="Router table").locator("tbody tr").all_inner_texts()
    cells = [row.split("\t") for row in rows]
    return {row[1]: Averages(float(row[3]), int(row[-1])) for row in cells if "nothing observed" not in row[3]}


def more_lessons(before: dict[str, Averages], after: dict[str, Averages]) -> list[str]:
    """List the agents from whose answers the router has learned more than before."""
    return [agent for agent, seen in after.items() if seen.lessons > (before[agent].lessons if agent in before else 0)]


@WRITABLE
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


@pytest.mark.parametrize(
    ("site", "visitor"), [("file", True), ("file", False), ("kafka", True), ("archive", False)], indirect=True
)
def test_replay_from_the_page(visitor: Visitor) -> None:
    """A replay that a button starts tells its result: on the open page, or without scripts at another look."""
    page = visitor.go("/audit")
    page.get_by_role("button", name="Replay the log").click()
    page.evaluate("window.loadedOnce = true")
    result = page.get_by_text("No difference")
    again = page.get_by_role("button", name="Look again")
    # Without scripts the page that is open does not change.
    while not result.is_visible():
        again.or_(result).first.wait_for()
        if again.is_visible():
            again.click()
    expect(result).to_be_visible(timeout=LIMIT_MS)
    if page.evaluate("window.loadedOnce === true"):
        page.get_by_role("button", name="Back to the forms").click()
    expect(page.get_by_role("button", name="Replay the log")).to_be_visible()
    expect(result).to_be_visible()


@pytest.mark.parametrize("site", ["archive"], indirect=True)
def test_archive_is_read_and_says_how_to_go_on(visitor: Visitor, site: SiteProcess) -> None:
    """Over an archive every page shows; those that would ask or take feedback say why not, and what to do instead."""
    page = visitor.go("/")
    page.get_by_label("State").select_option("decided")
    page.get_by_role("button", name="Show").click()
    page.locator("#decisions > li a").first.click()
    question_id = re.sub(r".*id=", "", page.url)
    assert "decision" in page.locator("ul.tree").inner_text()
    feedback = page.locator("#feedback")
    expect(feedback).to_contain_text("orch log start --from ARCHIVE")
    assert feedback.get_by_role("button").count() == 0
    receipt = visitor.receipt(site.place.path)
    assert json.loads(receipt.read_bytes())["question_id"] == question_id
    assert site.place.orch("verify", receipt.name, "--key", "orch-seal.pub").code == 0
    assert averages(visitor)
    page.get_by_role("link", name="read only").click()
    expect(page.locator("main")).to_contain_text("is an archive, and takes no events")
    expect(page.locator("main")).to_contain_text("orch log start --from ARCHIVE")
    assert page.get_by_role("button").count() == 0
    for path, said in (("/spend", "calls"), ("/undecided", "Undecided"), ("/letters", "Dead letters")):
        expect(visitor.go(path).locator("main")).to_contain_text(said)
