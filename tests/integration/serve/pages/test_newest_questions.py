"""The index of the newest questions, and a client's list."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.registry import build
from streams.app.workspace import Workspace
from streams.errors import UsageError
from streams.serve.pages.live import stream
from streams.serve.pages.live.choice import PAGE_ROWS, RowChoice, choose
from streams.serve.pages.live.index import NewestQuestions, RowNews
from streams.serve.pages.live.row import QuestionRow
from streams.serve.pages.live.stream import LiveList, LiveLists
from streams.topology import QUESTIONS

from ....limits import LIMIT_S
from ...command_in_process import Inside


def row(number: int, **fields: object) -> QuestionRow:
    """Make a row that was decided."""
    return QuestionRow(f"q{number}", number, number, "decided", **fields)  # type: ignore[arg-type]


def wait_for(there: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + LIMIT_S
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_list_keeps_its_places_and_counts_the_rest() -> None:
    """Rows beyond the last place that come between two messages are counted; the newest are shown."""
    mine = LiveList(RowChoice(), [row(0)])
    mine.sent()
    for number in range(1, PAGE_ROWS + 8):
        mine.take(row(number), "decided")
    assert [each.number for each in mine.rows] == list(range(PAGE_ROWS + 7, 7, -1))
    assert mine.unseen == 7
    mine.sent()
    mine.take(row(100), "decided")
    assert mine.unseen == 7


STEPS = st.lists(st.sampled_from(("ask", "decide", "hear", "send")), min_size=30, max_size=80)


@given(STEPS, st.randoms(use_true_random=False))
def test_each_decision_is_shown_or_counted(steps: list[str], chance: Random) -> None:
    """Whatever the order of questions, decisions, their hearing and messages: none is lost, and none counts twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "PAGE_ROWS", 1)
        mine, rows, waiting, shown = LiveList(RowChoice(), []), [], deque[tuple[QuestionRow, RowNews]](), set()

        def send() -> None:
            mine.sent()
            shown.update(each.question_id for each in mine.rows if each.state != "open")

        for step in steps:
            undecided = [each for each in rows if each.state == "open"]
            if step == "ask":
                rows.append(QuestionRow(f"q{len(rows)}", len(rows), 1))
                waiting.append((rows[-1], "asked"))
            elif step == "decide" and undecided:
                found = chance.choice(undecided)
                found.state = "decided"
                waiting.append((found, "decided"))
            elif step == "hear" and waiting:
                mine.take(*waiting.popleft())
            elif step == "send":
                send()
        for heard in waiting:
            mine.take(*heard)
        send()
    assert len(shown) + mine.unseen == sum(each.state != "open" for each in rows)


def lists_of(tmp_path: Path) -> LiveLists:
    """Make the lists of an index that nothing is read into."""
    return LiveLists(NewestQuestions(Workspace(str(tmp_path / "orch.db"))), asyncio.Event())


def test_list_begins_when_it_is_asked_for(tmp_path: Path) -> None:
    """What comes between the request and the first message is in that message; a client that left has no list."""

    async def main() -> None:
        lists = lists_of(tmp_path)
        mine, left = lists.messages(RowChoice(), []), lists.messages(RowChoice(), [])
        lists._index.heard(row(1, text="Which gas?"), "decided")
        await asyncio.sleep(0)
        assert b"Which gas?" in await anext(mine)
        assert lists.clients == 2
        del left
        assert lists.clients == 1

    asyncio.run(main())


def test_rows_stay_as_they_are_while_they_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread of the index can decide a question between the note of what is shown and the drawing."""
    states = []

    async def main() -> None:
        lists = lists_of(tmp_path)
        index, waiting = lists._index, QuestionRow("q1", 1, 1)

        def draw(shown: QuestionRow) -> str:
            if index._lock.acquire(blocking=False):
                shown.state = "decided"
                index._lock.release()
            states.append(shown.state)
            return ""

        monkeypatch.setattr(stream, "drawn", draw)
        await anext(lists.messages(RowChoice(), [waiting]))

    asyncio.run(main())
    assert states == ["open"]


def test_question_counts_as_unseen_once_and_only_with_its_decision() -> None:
    """Rows of open questions that are pushed out come again; a row that was shown before is no loss either."""
    mine = LiveList(RowChoice(), [])
    asked = [QuestionRow(f"q{number}", number, number) for number in range(PAGE_ROWS + 20)]
    for each in asked:
        mine.take(each, "asked")
    assert mine.unseen == 0
    # The newest is shown with its decision before the list hears of it.
    asked[-1].state = "decided"
    mine.sent()
    for each in reversed(asked):
        each.state = "decided"
        mine.take(each, "decided")
    assert mine.unseen == 19
    mine.sent()
    for each in asked:
        mine.take(each, "text")
    assert mine.unseen == 19


def test_row_that_does_not_fit_any_more_leaves_the_list() -> None:
    """Among open questions one that is decided goes, and the client is told."""
    waiting = row(1)
    waiting.state = "open"
    mine = LiveList(RowChoice(state="open"), [waiting])
    mine.take(row(1), "decided")
    assert mine.rows == []
    assert mine.news.is_set()


def test_pages_follow_each_other_without_gaps() -> None:
    """Each page goes on after the last row of the one before, also if new rows came meanwhile."""
    rows = [row(number) for number in range(130, 0, -1)]
    first = choose(rows, RowChoice())
    second = choose([row(131), *rows], RowChoice(), first.before)
    third = choose(rows, RowChoice(), second.before)
    assert [each.number for page in (first, second, third) for each in page.rows] == list(range(130, 0, -1))
    assert (first.found, third.before) == (130, None)


def test_wrong_state_is_refused() -> None:
    """A state that there is not is named."""
    with pytest.raises(UsageError, match="'solved' is no state"):
        choose([], RowChoice(state="solved"))


@pytest.mark.parametrize("most", [1_000, 7])
def test_index_reads_a_log_and_follows_it(tmp_path: Path, most: int) -> None:
    """What was in the log and what comes later is there once, the newest first; beyond the limit that is said."""
    place = Inside(tmp_path)
    log = f"sqlite:///{tmp_path / 'demo.db'}"
    assert place.orch("--log", log, "demo", "--questions", "20").code == 0
    index = NewestQuestions(Workspace(log), most)
    heard: list[str] = []
    index.heard = lambda each, news: heard.append(each.question_id)
    index.start()
    try:
        wait_for(lambda: index.complete or index.exceeded)
        assert index.exceeded == (most < 20)
        assert index.counts["decided"] == min(most, 20)
        assert place.orch("--log", log, "demo", "--questions", "24").code == 0
        # A thread reads the questions, another one the decisions.
        wait_for(lambda: len(set(heard)) == 4 and all(each.text and each.rule for each in index.newest_first()))
        rows = index.newest_first()
        assert len(rows) == min(most, 24)
        assert all(each.text and each.rule and each.agents for each in rows)
        assert [each.number for each in rows] == sorted((each.number for each in rows), reverse=True)
        assert {each.question_id for each in rows[:4]} == set(heard)
    finally:
        index.stop()


def test_second_question_under_an_id_moves_no_row(tmp_path: Path) -> None:
    """A record that contradicts a question that was decided leaves it where its decision stands."""
    place = Inside(tmp_path)
    log = f"sqlite:///{tmp_path / 'demo.db'}"
    assert place.orch("--log", log, "demo", "--questions", "6").code == 0
    before = indexed(log)
    other = {"question_id": before[-1].question_id, "text": "Another one?", "options": ["x", "y"]}
    with Workspace(log).open_writer((QUESTIONS,)) as written:
        written.append(build(QUESTIONS, other, 0))
        written.commit()
    after = indexed(log)
    assert [each.question_id for each in after] == [each.question_id for each in before]
    assert [each.text for each in after] == [each.text for each in before]


def indexed(log: str) -> list[QuestionRow]:
    """Read a log as a server does that starts; give its rows, the newest first."""
    index = NewestQuestions(Workspace(log))
    index.start()
    wait_for(lambda: index.complete)
    index.stop()
    return list(index.newest_first())
