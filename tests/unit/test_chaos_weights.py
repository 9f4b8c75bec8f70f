"""Independent checker of lessons and weights."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from infra.chaos.checker import check
from infra.chaos.reading import TOPICS
from streams.topology import ASSIGNMENTS, DECISIONS, LESSONS, WEIGHTS

from ..worlds import FAILED, World, by_odds, gold, question, said
from .test_chaos_checker import ASKED, Written, added, changed, found, laid_out, place, swapped, without, written

LAST = ASKED[-1]
Change = Callable[[list[Written]], list[Written]]


def right_log() -> list[Written]:
    """Write the log of a few questions, by topic: each has a right answer, and the next one knows what it taught."""
    world = World(by_odds("ann", "bob", "cat", odds={"warm_up_lessons": 2, "audit_every": 0}))
    replies = (
        said(ann="A", bob="B", cat="A"),
        said(ann="A", bob=FAILED, cat="B"),
        said(ann="B", bob="B", cat="B"),
        said(ann="C", bob="B", cat="A"),
        said(ann="C", bob="B", cat="C"),
        said(ann="A", bob="A", cat="B"),
    )
    for number, (name, script) in enumerate(zip(ASKED, replies, strict=True)):
        world.put(question(name, at=100 * number))
        world.play(script)
        world.put(gold("A", name, at=100 * number + 60))
    return sorted(map(written, world.log), key=lambda one: TOPICS.index(one.topic))


def with_odds(topic: str, change: Callable[[dict[str, Any]], object]) -> Change:
    """Change what the last panel or decision says of the weights."""

    def forge(log: list[Written]) -> list[Written]:
        at = place(log, topic, LAST)
        odds = log[at].fields["odds"]
        change(odds)
        return changed(log, at, odds=odds)

    return forge


def counting_more(odds: dict[str, Any]) -> None:
    """Let a term of the leader count more, and its score with it."""
    line = odds["lines"][0]
    line["terms"][0]["weight"] += 1 << 16
    line["score_unats"] += 10**6 * line["terms"][0]["times"]


def twice(log: list[Written]) -> list[Written]:
    """Apply the newest lesson once more."""
    at = place(log, WEIGHTS, nth=-1)
    table = log[at].fields
    causes = [table["lesson_id"], table["event_id"]]
    return added(log, at, sequence=table["sequence"] + 1, previous=table["event_id"], causes=causes)


def anew(log: list[Written]) -> list[Written]:
    """Let the newest table be the first of a new chain."""
    at = place(log, WEIGHTS, nth=-1)
    return changed(log, at, sequence=1, previous=None, causes=log[at].fields["causes"][:1])


WRONG: dict[str, tuple[Change, str]] = {
    "a lesson less": (lambda log: without(log, place(log, LESSONS, nth=-1)), "not taught"),
    "a lesson more": (lambda log: added(log, place(log, LESSONS), source="human"), "taught for nothing"),
    "a table less": (lambda log: without(log, place(log, WEIGHTS, nth=2)), "broken chain"),
    "the newest table less": (lambda log: without(log, place(log, WEIGHTS, nth=-1)), "wrong length"),
    "a lesson applied twice": (twice, "applied twice"),
    "a chain that begins anew": (anew, "wrong length"),
    "tables in another order": (
        lambda log: swapped(log, place(log, WEIGHTS, nth=1), place(log, WEIGHTS, nth=2)),
        "out of order",
    ),
    "a panel that knows an older table": (
        with_odds(ASSIGNMENTS, lambda odds: odds.update(sequence=1)),
        "went backwards",
    ),
    "a panel that knows another table": (
        with_odds(ASSIGNMENTS, lambda odds: odds.update(entry_id="0" * 64)),
        "fork",
    ),
    "a panel with another weight": (
        with_odds(ASSIGNMENTS, lambda odds: odds["members"][0]["weights"].update(agent=1)),
        "another share",
    ),
    "a score that does not add up": (
        with_odds(DECISIONS, lambda odds: odds["lines"][0].update(score_unats=0)),
        "miscounted",
    ),
    "a term that counts more": (with_odds(DECISIONS, counting_more), "miscounted"),
    "another leader": (with_odds(DECISIONS, lambda odds: odds["lines"].reverse()), "miscounted"),
}


def test_right_log_is_right() -> None:
    """Each feedback is a lesson, each lesson a table, and every score adds up."""
    report = found(right_log())
    assert report.right, report.examples
    figures = report.figures
    assert (figures["lessons"], figures["weights_entries"]) == (len(ASKED), len(ASKED))
    assert figures["scores_added_up"] > len(ASKED)


@pytest.mark.parametrize("name", WRONG)
def test_fault_is_found(name: str) -> None:
    """Whatever is wrong with lessons and weights is found under its name."""
    forge, kind = WRONG[name]
    assert kind in found(forge(right_log())).wrong


def test_what_compaction_removed_is_not_missed() -> None:
    """Tables may be gone if the offsets say so, but the newest."""
    log, number = laid_out(right_log()), count()
    gone = [one for one in log if one.topic == WEIGHTS and next(number) in (1, 3)]
    report = check([one for one in log if one not in gone], ASKED)
    assert report.right, report.examples
    assert report.figures["compacted"] == 2
