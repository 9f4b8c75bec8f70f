"""Pages of explanations, from real logs."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from streams.audit.explain.explain import explain
from streams.audit.explain.explanation import Explanation
from streams.audit.explain.page.layout import page_model
from streams.audit.explain.page.markup import explanation_page
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import (
    FAILED,
    Opener,
    Script,
    analysis,
    by_odds,
    gold,
    merged,
    merging,
    moment,
    newest,
    question,
    retraction,
    said,
)
from ..played_log import Played

HOSTILE = "</blockquote></style><script>alert(1)</script><img src=//x onerror=z><svg onload=x>\u202e\u200f\x00&lt;i&gt;"
NAMES = ("ann", "bob", "cyd")


def told(path: Path, *events: object, script: Script, question_id: str = "q") -> Explanation:
    """Explain a question of a new log."""
    log = Played(path)
    for event in events:
        log.put(event)  # type: ignore[arg-type]
        log.play(script)
    log.close()
    with EmbeddedReader(path) as reader:
        return explain(reader, question_id)


class Shown(HTMLParser):
    """Collects tags, attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


POLICIES: dict[str, PolicyAdopted] = {
    "vote": newest(merging("vote", *NAMES)),
    "weighted": newest(merging("weighted", *NAMES)),
    "cascade": newest(merging("cascade", *NAMES, stages=(1, 1, 1), accept_ppb=999_000_000)),
    "agent": newest(merging("agent", *NAMES)),
    "odds": by_odds(*NAMES, odds={"warm_up_lessons": 1, "audit_every": 0}),
}


@pytest.mark.parametrize("rule", list(POLICIES))
def test_page_of_every_rule(tmp_path: Path, rule: str) -> None:
    """A page has the ballots, the numbers behind them, what would have changed it, what was taught, and every id."""
    before = (question("before", at=1), gold("A", "before", at=2)) if rule == "odds" else ()
    events = (POLICIES[rule], *before, question(), gold("B"))
    found = told(tmp_path / "orch.db", *events, script=merged("C", ann="A", bob="B", cyd="A"))
    page = explanation_page(found)
    shown = Shown(page)
    assert not shown.tags & {"script", "img", "iframe", "link", "object", "form", "a"}
    assert not shown.attributes & {"src", "href", "onload", "onclick", "action"}
    decision, change = found["decision"], found["would_change"]
    assert decision is not None
    assert change is not None
    for stage in found["stages"]:
        for seat in stage["seats"]:
            assert seat["agent"] in shown.text
            assert (seat["analysis_id"] or "") in shown.text
    assert decision["event_id"] in shown.text
    assert "What would have changed it" in shown.text
    assert "What it taught, and what feedback changed" in shown.text
    assert "feedback, gold" in shown.text
    for total in decision["tally"].values():
        assert (f"{total}" if rule == "vote" else f"{total / 10**6:.3f}") in shown.text
    for step in decision["trace"]:
        assert step["outcome"] in shown.text or len(decision["trace"]) == 1
        if step["posterior_ppb"] is not None:
            assert f"{step['posterior_ppb'] / 10**9:.3f}" in shown.text
    if rule == "cascade":
        assert "as far as needed: 1, then 1, then 1" in shown.text
        assert "accept 0.999" in shown.text
    if rule == "odds" and decision["odds"] is not None:
        assert all(term["name"] in shown.text for line in decision["odds"]["lines"] for term in line["terms"])


def test_text_of_strangers_is_no_markup(tmp_path: Path) -> None:
    """Whatever question, options, agents and authors write, the page has the tags of one with plain words."""

    def asked(words: str) -> QuestionAsked:
        options = (words + "1", words + "2")
        fields = {"text": words, "options": options, "answer_type": "choice", "subject": words.replace("\x00", "")}
        return QuestionAsked(occurred_at=moment(10), question_id="q", **fields)

    def says(words: str) -> Script:
        def script(opener: Opener, agent: str) -> object:
            return analysis(opener, agent, "A", text=f"{words} The answer is (A).")

        return script  # type: ignore[return-value]

    pages = []
    for number, words in enumerate(("plain words", HOSTILE)):
        given = gold("B", author=words.replace("\x00", ""))
        path = tmp_path / f"{number}.db"
        found = told(path, POLICIES["weighted"], asked(words), given, script=says(words))
        pages.append((explanation_page(found, full=True), Shown(explanation_page(found, full=True))))
    (_, plain), (page, hostile) = pages
    assert hostile.tags == plain.tags
    assert hostile.attributes == plain.attributes
    assert HOSTILE.replace("\u202e\u200f\x00", "<U+202E><U+200F><U+0000>") in hostile.text
    assert not any(mark in page for mark in ("\u202e", "\u200f", "\x00"))


def test_texts_are_cut_unless_they_are_wanted_whole(tmp_path: Path) -> None:
    """A page shows the beginnings of long texts and how much is left out; with *full* it shows the whole."""

    def script(opener: Opener, agent: str) -> object:
        return analysis(opener, agent, "A", text="begin " + "word " * 400 + "end. The answer is (A).")

    found = told(tmp_path / "orch.db", POLICIES["vote"], question(), script=script)  # type: ignore[arg-type]
    short, whole = Shown(explanation_page(found)), Shown(explanation_page(found, full=True))
    assert "characters more; --full shows them" in short.text
    assert "end. The answer" not in short.text
    assert whole.text.count("end. The answer is (A).") == 3
    assert "characters more" not in whole.text


def test_pages_of_questions_without_an_answer(tmp_path: Path) -> None:
    """An undecided question says how many answers it lacked; one that waits says for whom."""
    few = newest(merging("vote", *NAMES, quorum=2))
    undecided = told(tmp_path / "a.db", few, question(), script=said(ann="A", bob=FAILED, cyd=FAILED))
    model = page_model(undecided)
    assert (model.state, model.answer) == ("undecided", "undecided")
    text = Shown(explanation_page(undecided)).text
    assert "2 were needed" in text
    assert "One answer more would have made it A: bob A" in text
    assert "failed" in text
    waiting = told(tmp_path / "b.db", few, question(), script=said(ann="A"))
    assert page_model(waiting).state == "open"
    assert "waits for bob and cyd, in stage 0" in Shown(explanation_page(waiting)).text
    nothing = told(tmp_path / "c.db", question(), script=said())
    assert "waits for a policy" in Shown(explanation_page(nothing)).text


def test_page_tells_what_later_feedback_changed(tmp_path: Path) -> None:
    """Feedback, its retraction and what each moved stand on the page, with averages before and after."""
    given = gold("A", author="lin")
    events = (POLICIES["weighted"], question(), given, retraction(given))
    found = told(tmp_path / "orch.db", *events, script=said(ann="A", bob="A", cyd="B"))
    text = Shown(explanation_page(found)).text
    assert "Feedback, gold by lin, the answer is A" in text
    assert "taken back" in text
    assert "quality 0.500 → " in text or "quality new → " in text
