"""Forgeries of places, times and headers."""

from streams.topology import ANALYSES, DECISIONS, OBSERVATIONS, QUESTIONS, ROUTER, SPENDING

from .forgery_list import Expected, found, not_proved, panel_after
from .forging import Forger
from .tampering import Row


@found("a gap in seq")
def _(log: Forger) -> Expected:
    row = without_effect(log)
    behind = next(other for other in log.rows() if other.seq > row.seq)
    log.remove(row.seq)
    return Expected(behind.seq, "seq")


@found("a gap in offsets alone")
def _(log: Forger) -> Expected:
    row = log.rows(ANALYSES)[-1]
    log.change(row.seq, offset=row.offset + 5)
    return Expected(row.seq, "offset")


@found("a record put before the first")
def _(log: Forger) -> Expected:
    log.connection.execute("UPDATE records SET seq = 0 WHERE seq = 1")
    log.fit_tables()
    return Expected(0, "seq")


@not_proved("an input without effects removed without a trace", "rewritten with all that follows")
def _(log: Forger) -> None:
    log.without(without_effect(log).seq)


def without_effect(log: Forger) -> Row:
    """Give a question that was asked again: nothing follows from it, and dead letters lie in no later offset of it."""
    named = {cause for row in log.rows() for cause in row.event["causes"]}
    return next(row for row in reversed(log.rows(QUESTIONS)) if row.event["event_id"] not in named)


@found("a time before that of the cause")
def _(log: Forger) -> Expected:
    row = log.rows(DECISIONS)[3]
    log.change(row.seq, timestamp_ms=1)
    return Expected(row.seq, "timestamp_ms")


@found("a time behind that of the next record")
def _(log: Forger) -> Expected:
    row = log.rows(DECISIONS)[3]
    log.change(row.seq, timestamp_ms=10**9)
    return Expected(row.seq + 1, "timestamp_ms")


@not_proved("other times in the same order", "record times beyond their order")
def _(log: Forger) -> None:
    log.connection.execute("UPDATE records SET timestamp_ms = timestamp_ms * 2 + 7")


@found("foreign headers of a derived record")
def _(log: Forger) -> Expected:
    row = log.rows(OBSERVATIONS)[5]
    log.change(row.seq, headers='[["traceparent", "00"]]')
    return Expected(row.seq, "headers")


@found("foreign headers of a router entry")
def _(log: Forger) -> Expected:
    row = log.rows(ROUTER)[5]
    log.change(row.seq, headers='[["traceparent", "00"]]')
    return Expected(row.seq, "headers")


@found("foreign headers of a question alone")
def _(log: Forger) -> Expected:
    row = log.rows(QUESTIONS)[0]
    log.change(row.seq, headers='[["traceparent", "00"]]')
    return Expected(panel_after(log, row.seq).seq, "headers")


@not_proved("foreign headers of an input and of all that follows", "headers of inputs")
def _(log: Forger) -> None:
    row = log.rows(SPENDING)[0]
    log.change(row.seq, headers='[["traceparent", "00"]]')
