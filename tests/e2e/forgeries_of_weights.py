"""Forgeries of lessons, weights and events that name them."""

from collections.abc import Iterator
from pathlib import Path

from schemas.analyses import AnalysisPublished
from schemas.questions import QuestionAsked
from schemas.weights import WeightsEntry
from streams.processors.fold import Tables
from streams.topology import ASSIGNMENTS, DECISIONS, FEEDBACK, INPUT_TOPICS, LESSONS, WEIGHTS

from ..integration.played_log import Played
from ..odds_story import TAUGHT, told_by_odds
from ..worlds import Opener, analysis, gold, question
from .forgery_list import Expected, Forge, listing, panel_after
from .forging import Forger, of_kind
from .tampering import Row

FOUND: dict[str, Forge] = {}
KEY = TAUGHT.policy_id
ONE_MORE = question("w99", at=90_000)


found = listing(FOUND)


def questions(first: int, number: int) -> Iterator[QuestionAsked]:
    """Ask some more."""
    return (question(f"w{place}", at=80_000 + place) for place in range(first, first + number))


def replies(opener: Opener, agent: str) -> AnalysisPublished:
    """Answer by the question's number."""
    number = int(opener.question_id[1:])
    letter = {"ada": "ABCD"[number % 4], "bo": "ABCD"[number % 3], "cy": "B"}[agent]
    return analysis(opener, agent, letter, text=f"Thus spoke {agent}.")


def write(path: Path) -> None:
    """Write a log with lessons of every kind: the golden story, then some more questions under its first policy."""
    log = Played(path)
    for event in told_by_odds().log:
        if event.topic in INPUT_TOPICS:
            log.put(event)
    again = {name: getattr(TAUGHT, name) for name in type(TAUGHT).model_fields if name not in ("event_id", "causes")}
    log.put(type(TAUGHT)(**again, causes=(TAUGHT.event_id,)))
    go_on(log, questions(0, 6))
    log.close()


def go_on(log: Played, asked: Iterator[QuestionAsked]) -> None:
    """Ask questions, and tell what is right after each."""
    for one in asked:
        log.ask([one], replies)
        log.put(gold("ABCD"[int(one.question_id[1:]) % 4], one.question_id, at=90_000))


def tables(log: Forger) -> list[Row]:
    """List the tables of the first policy."""
    return [row for row in log.rows(WEIGHTS) if row.key == KEY]


def panel_of(log: Forger, table: Row) -> Row:
    """Give the first panel that carries a share of a table."""
    named = table.event["event_id"]
    panels = of_kind(log.rows(ASSIGNMENTS), "panel.assigned")
    return next(row for row in panels if row.event["odds"]["entry_id"] == named)


def asked_falsely(log: Forger, weights: dict[str, WeightsEntry]) -> Expected:
    """Ask one question more, by false weights."""
    end = log.go_on_falsely(ONE_MORE, lambda adopted, entries: Tables(adopted, entries, weights))
    return Expected(panel_after(log, end).seq, f"odds.sequence of {KEY}")


@found("a changed weight in a panel's share")
def _(log: Forger) -> Expected:
    panel = panel_of(log, tables(log)[4])
    odds = panel.event["odds"]
    odds["members"][0]["weights"]["agent"] += 1
    log.forge(panel.seq, odds=odds)
    return Expected(panel.seq, "odds.members.0.weights.agent")


@found("a changed weight of no agent in a panel's share")
def _(log: Forger) -> Expected:
    panel = panel_of(log, tables(log)[4])
    odds = panel.event["odds"]
    odds["shared"]["supporters/1"] -= 1
    log.forge(panel.seq, odds=odds)
    return Expected(panel.seq, "odds.shared.supporters/1")


@found("a panel asked in another way")
def _(log: Forger) -> Expected:
    panel = panel_of(log, tables(log)[4])
    log.forge(panel.seq, odds={**panel.event["odds"], "mode": "audit"})
    return Expected(panel.seq, "odds.mode")


@found("a panel with the share of an older table")
def _(log: Forger) -> Expected:
    return asked_falsely(log, {KEY: WeightsEntry.decode(tables(log)[-2].value)})


@found("a panel without the table")
def _(log: Forger) -> Expected:
    return asked_falsely(log, {})


@found("a table moved behind the panel that saw it")
def _(log: Forger) -> Expected:
    table = tables(log)[5]
    panel = panel_of(log, table)
    log.move(table.seq, next(row.seq for row in log.rows() if row.seq > panel.seq))
    return Expected(panel.seq - 1, f"odds.sequence of {KEY}")


@found("a changed lesson")
def _(log: Forger) -> Expected:
    lesson = log.rows(LESSONS)[3]
    log.forge(lesson.seq, right="61")
    return Expected(lesson.seq, "right")


@found("a lesson of another source's weight")
def _(log: Forger) -> Expected:
    lesson = log.rows(LESSONS)[3]
    log.forge(lesson.seq, weight_ppb=1)
    return Expected(lesson.seq, "weight_ppb")


@found("a lesson taken back that nobody retracted")
def _(log: Forger) -> Expected:
    (lesson, *_) = (row for row in log.rows(LESSONS) if row.event["corrects"])
    other = log.rows(LESSONS)[0].event["event_id"]
    log.forge(lesson.seq, corrects=other)
    return Expected(lesson.seq, "corrects")


@found("a dropped lesson")
def _(log: Forger) -> Expected:
    lesson = log.rows(LESSONS)[3]
    feedback = cause_of(log, lesson)
    log.without(lesson.seq)
    return Expected(feedback.seq, "record")


@found("a dropped lesson and its table")
def _(log: Forger) -> Expected:
    lesson = log.rows(LESSONS)[3]
    feedback, table = cause_of(log, lesson), tables(log)[3]
    assert table.event["lesson_id"] == lesson.event["event_id"]
    log.without(lesson.seq, table.seq)
    return Expected(feedback.seq, "record")


@found("a dropped table")
def _(log: Forger) -> Expected:
    *_, lesson = (row for row in log.rows(LESSONS) if row.key == KEY)
    *_, table = tables(log)
    log.without(table.seq)
    return Expected(lesson.seq, "record")


def cause_of(log: Forger, lesson: Row) -> Row:
    """Give the feedback that a lesson follows from."""
    return next(row for row in log.rows(FEEDBACK) if row.event["event_id"] == lesson.event["causes"][-1])


@found("a lesson that nobody gave")
def _(log: Forger) -> Expected:
    lesson = log.rows(LESSONS)[0]
    added = log.insert(LESSONS, lesson.key, lesson.correlation, lesson.value)
    forged = log.forge(added.seq, source="human")
    log.fit_tables()
    return Expected(forged.seq, "record")


@found("a table that follows from no lesson")
def _(log: Forger) -> Expected:
    table = tables(log)[-1]
    added = log.insert(WEIGHTS, table.key, table.correlation, table.value)
    forged = log.forge(added.seq, sequence=table.event["sequence"] + 1)
    log.fit_tables()
    return Expected(forged.seq, "record")


@found("a changed table, with new ids for all that names it")
def _(log: Forger) -> Expected:
    table = tables(log)[4]
    shared = table.event["shared"]
    shared["supporters/1"][0] += 1
    log.forge(table.seq, shared=shared)
    return Expected(table.seq, "shared.supporters/1.0")


@found("a changed precision")
def _(log: Forger) -> Expected:
    table = tables(log)[4]
    agents = table.event["agents"]
    agents[0]["weights"]["agent"][1] += 1
    log.forge(table.seq, agents=agents)
    return Expected(table.seq, "agents.0.weights.agent.1")


@found("a changed count of lessons")
def _(log: Forger) -> Expected:
    table = tables(log)[4]
    log.forge(table.seq, lessons=table.event["lessons"] + 1)
    return Expected(table.seq, "lessons")


@found("a term that counts more in a decision")
def _(log: Forger) -> Expected:
    decision = next(row for row in log.rows(DECISIONS) if row.event["rule"] == "odds.v1")
    odds = decision.event["odds"]
    odds["lines"][0]["terms"][0]["weight"] += 1
    log.forge(decision.seq, odds=odds)
    return Expected(decision.seq, "odds.lines.0.terms.0.weight")


@found("evidence that the text does not have")
def _(log: Forger) -> Expected:
    decision = next(row for row in log.rows(DECISIONS) if row.event["odds"]["kind"] == "values")
    odds = decision.event["odds"]
    odds["evidence"][0]["grounds"] = "bare"
    log.forge(decision.seq, odds=odds)
    return Expected(decision.seq, "odds.evidence.0.grounds")


@found("foreign headers of a lesson")
def _(log: Forger) -> Expected:
    row = log.rows(LESSONS)[5]
    log.change(row.seq, headers='[["traceparent", "00"]]')
    return Expected(row.seq, "headers")


@found("a table filed under another question")
def _(log: Forger) -> Expected:
    row = tables(log)[4]
    log.change(row.seq, correlation="elsewhere")
    return Expected(row.seq, "correlation")


@found("a lesson filed under another question")
def _(log: Forger) -> Expected:
    lesson = log.rows(LESSONS)[5]
    log.change(lesson.seq, correlation="o1")
    return Expected(lesson.seq, "record")


@found("the newest table set back")
def _(log: Forger) -> Expected:
    *_, before, last = tables(log)
    log.connection.execute("UPDATE latest SET seq = ? WHERE seq = ?", (before.seq, last.seq))
    return Expected(last.seq, f"newest record of {KEY}")
