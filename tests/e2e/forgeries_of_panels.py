"""Forgeries of the tables that a question saw."""

from schemas.policies import PolicyAdopted
from streams.processors.fold import Tables
from streams.topology import ASSIGNMENTS, OBSERVATIONS, QUESTIONS, ROUTER

from ..worlds import gold, question
from .forgery_list import FOUR, ONE_MORE, Expected, first_policy, found, last_policy, log_line, panel_after
from .forging import Entries, Forger, of_kind


@found("stale router entries")
def _(log: Forger) -> Expected:
    line = log_line(log, "*/ada")

    def stale(adopted: PolicyAdopted, entries: Entries) -> Tables:
        return Tables(adopted, {**entries, ("*", "ada"): line[len(line) // 2]})

    end = log.go_on_falsely(ONE_MORE, stale)
    return Expected(panel_after(log, end).seq, "sequences of */ada")


@found("one entry behind")
def _(log: Forger) -> Expected:
    line = log_line(log, "*/cy")
    end = log.go_on_falsely(ONE_MORE, lambda adopted, entries: Tables(adopted, {**entries, ("*", "cy"): line[-2]}))
    return Expected(panel_after(log, end).seq, "sequences of */cy")


@found("no router entries")
def _(log: Forger) -> Expected:
    end = log.go_on_falsely(ONE_MORE, lambda adopted, entries: Tables(adopted, {}))
    return Expected(panel_after(log, end).seq, "sequences of *")


@found("a policy that was replaced")
def _(log: Forger) -> Expected:
    replaced = first_policy(log)
    end = log.go_on_falsely(ONE_MORE, lambda adopted, entries: Tables(replaced, entries))
    return Expected(panel_after(log, end).seq, "causes.1")


@found("a policy replaced just before")
def _(log: Forger) -> Expected:
    replaced = last_policy(log)
    end = log.go_on_falsely(ONE_MORE, lambda adopted, entries: Tables(replaced, entries), before=[FOUR])
    return Expected(panel_after(log, end).seq, "causes.1")


@found("a policy never adopted")
def _(log: Forger) -> Expected:
    end = log.go_on_falsely(ONE_MORE, lambda adopted, entries: Tables(FOUR, entries))
    return Expected(panel_after(log, end).seq, "causes")


@found("a policy adopted later")
def _(log: Forger) -> Expected:
    end = log.go_on_falsely(ONE_MORE, lambda adopted, entries: Tables(FOUR, entries), after=[FOUR])
    return Expected(panel_after(log, end).seq, "causes")


@found("router entries from the future")
def _(log: Forger) -> Expected:
    asked = log.rows(QUESTIONS)[-1]
    earlier = log.rows(QUESTIONS)[-2]
    panel = panel_after(log, asked.seq)
    log.move(asked.seq, earlier.seq + 1)
    return Expected(panel.seq, "sequences of *")


@found("a router entry moved behind the panel that saw it")
def _(log: Forger) -> Expected:
    panel = of_kind(log.rows(ASSIGNMENTS), "panel.assigned")[-1]
    entry = next(row for row in reversed(log.rows(ROUTER)) if row.seq < panel.seq and row.key == "*/ada")
    log.move(entry.seq, panel.seq + 1)
    return Expected(panel.seq - 1, "sequences of */ada")


@found("a router entry moved behind a later panel that did not look at it")
def _(log: Forger) -> Expected:
    panel = of_kind(log.rows(ASSIGNMENTS), "panel.assigned")[-1]
    scope = panel.event["scopes"][-1]
    rows = [row for row in log.rows(ROUTER) if row.seq < panel.seq and row.event["scope"] not in ("*", scope)]
    log.move(rows[-1].seq, panel.seq + 1)
    return Expected(panel.seq, "seq")


@found("feedback learnt from in another order")
def _(log: Forger) -> Expected:
    asked = [question(f"x{number}", at=90, subject="law") for number in (80, 81)]
    end = log.go_on_out_of_order(asked, gold("A", "x80"), gold("A", "x81"))
    first = next(row for row in log.rows(OBSERVATIONS) if row.seq > end and row.event["question_id"] == "x80")
    return Expected(first.seq, "seq")
