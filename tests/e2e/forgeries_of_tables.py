"""Forgeries of indexes and tables beside the records."""

from streams.topology import DECISIONS, FEEDBACK, POLICIES, QUESTIONS, ROUTER, SPENDING

from .forgery_list import ANYWHERE, Expected, found, not_proved
from .forging import Forger


@found("a decision hidden from the index of questions")
def _(log: Forger) -> Expected:
    row = log.rows(DECISIONS)[0]
    log.hide(row.seq, "records_by_correlation")
    # What the decision followed from lies before it.
    return Expected(ANYWHERE, "")


@found("a router entry hidden from the index of questions")
def _(log: Forger) -> Expected:
    row = log.rows(ROUTER)[4]
    log.hide(row.seq, "records_by_correlation")
    return Expected(0, "indexes")


@found("a policy hidden from the index of places")
def _(log: Forger) -> Expected:
    row = log.rows(POLICIES)[-1]
    log.hide(row.seq, "records_by_place")
    return Expected(0, "indexes")


@found("a router entry filed under another question")
def _(log: Forger) -> Expected:
    row = log.rows(ROUTER)[4]
    log.change(row.seq, correlation="elsewhere")
    return Expected(row.seq, "correlation")


@found("a policy filed under another name")
def _(log: Forger) -> Expected:
    row = log.rows(POLICIES)[-1]
    log.change(row.seq, correlation="elsewhere")
    return Expected(row.seq, "correlation")


@found("a reservation filed under another question")
def _(log: Forger) -> Expected:
    row = log.rows(SPENDING)[0]
    log.change(row.seq, correlation="river")
    return Expected(row.seq, "key")


@found("a checkpoint set back to the beginning")
def _(log: Forger) -> Expected:
    log.connection.execute("UPDATE checkpoint SET seq = 1")
    return Expected(0, "newest record of")


@found("a checkpoint set back with the newest records")
def _(log: Forger) -> Expected:
    log.connection.execute("UPDATE checkpoint SET seq = 1")
    log.connection.execute("DELETE FROM latest WHERE seq > 1")
    return Expected(ANYWHERE, "checkpoint")


@not_proved("a checkpoint set back over records without effects", "how far the log was folded")
def _(log: Forger) -> None:
    tail = log.rows()[-1]
    assert tail.topic == ROUTER
    before = [row.seq for row in log.rows(ROUTER) if row.key == tail.key][-2]
    log.connection.execute("UPDATE checkpoint SET seq = ?", (tail.seq - 1,))
    log.connection.execute("UPDATE latest SET seq = ? WHERE key = ?", (before, tail.key))


@found("newest records set back")
def _(log: Forger) -> Expected:
    first, *_, last = (row for row in log.rows(ROUTER) if row.key == "*/ada")
    log.connection.execute("UPDATE latest SET seq = ? WHERE key = '*/ada'", (first.seq,))
    return Expected(last.seq, "newest record of */ada")


@found("a newest record removed")
def _(log: Forger) -> Expected:
    *_, last = log.rows(POLICIES)
    log.connection.execute("DELETE FROM latest WHERE key = ?", (last.key,))
    return Expected(last.seq, f"newest record of {last.key}")


@found("another partition number")
def _(log: Forger) -> Expected:
    log.connection.execute("UPDATE streams SET partition = 7 WHERE topic = ?", (ROUTER,))
    return Expected(0, "partitions")


@found("two topics swapped")
def _(log: Forger) -> Expected:
    one, two = log.stream(FEEDBACK, 0), log.stream(QUESTIONS, 0)
    for topic, stream in (("between", one), (FEEDBACK, two), (QUESTIONS, one)):
        log.connection.execute("UPDATE streams SET topic = ? WHERE stream = ?", (topic, stream))
    return Expected(ANYWHERE, "value")


@found("a trigger")
def _(log: Forger) -> Expected:
    log.connection.execute("CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM latest; END")
    return Expected(0, "triggers")


@found("an index that leaves a record out")
def _(log: Forger) -> Expected:
    log.connection.execute("DROP INDEX records_by_place")
    log.connection.execute('CREATE UNIQUE INDEX records_by_place ON records (stream, "offset", seq)')
    return Expected(0, "index records_by_place")


@not_proved("false states for the next run", "states kept for the next run")
def _(log: Forger) -> None:
    log.connection.execute("DELETE FROM states")


@not_proved("an end cut off with the tables beside it", "an end that was cut off")
def _(log: Forger) -> None:
    end = log.rows(QUESTIONS)[-1].seq
    log.arrange(row.seq for row in log.rows() if row.seq < end)


@not_proved("an input rewritten with all that follows", "rewritten with all that follows")
def _(log: Forger) -> None:
    log.forge(log.rows(QUESTIONS)[3].seq, text="Something else entirely?")
