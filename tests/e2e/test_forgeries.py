"""
Every known forgery of a log file, with its verdict.

It is found at its place, or what it changes is named under "not proved".
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.policies import PolicyAdopted
from schemas.registry import decode_canonical
from schemas.router import RouterEntry
from streams.processors.fold import Tables
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DECISIONS,
    FEEDBACK,
    OBSERVATIONS,
    POLICIES,
    QUESTIONS,
    ROUTER,
    SPENDING,
)

from ..worlds import gold, policy, question
from .forging import Entries, Forger, of_kind
from .tampering import Row, write

ONE_MORE = question("x77", at=90, subject="law")
FOUR = policy("ada", "bo", "cy", "di", at=9_000, policy_id="four")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with records of every kind: the golden story, then some more questions with right answers."""
    path = tmp_path_factory.mktemp("original") / "orch.db"
    write(path)
    return path


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Iterator[Forger]:
    """A copy of that log, to forge."""
    forger = Forger(original, tmp_path)
    yield forger
    forger.close()


class Expected(NamedTuple):
    """The place and the field of the first difference; where a forgery moves records, as they are numbered then."""

    seq: int
    field: str


Forge = Callable[[Forger], Expected]
FOUND: dict[str, Forge] = {}
NOT_PROVED: dict[str, tuple[Callable[[Forger], object], str]] = {}


def found(name: str) -> Callable[[Forge], Forge]:
    """List a forgery that is found."""

    def add(forge: Forge) -> Forge:
        FOUND[name] = forge
        return forge

    return add


def not_proved(name: str, claim: str) -> Callable[[Callable[[Forger], object]], Callable[[Forger], object]]:
    """List a forgery that no replay can find, with words of the claim that names it."""

    def add(forge: Callable[[Forger], object]) -> Callable[[Forger], object]:
        NOT_PROVED[name] = forge, claim
        return forge

    return add


def panel_after(log: Forger, end: int) -> Row:
    """Give the first panel after a place."""
    return next(row for row in of_kind(log.rows(ASSIGNMENTS), "panel.assigned") if row.seq > end)


# Tables that a question saw.


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


def log_line(log: Forger, key: str) -> list[RouterEntry]:
    """List the entries of one router line."""
    return [RouterEntry.decode(row.value) for row in log.rows(ROUTER) if row.key == key]


def first_policy(log: Forger) -> PolicyAdopted:
    """Give the first policy of the log."""
    return decoded_policy(log.rows(POLICIES)[0])


def last_policy(log: Forger) -> PolicyAdopted:
    """Give the policy in force before the forgery."""
    return decoded_policy([row for row in log.rows(POLICIES) if row.key != FOUR.key][-1])


def decoded_policy(row: Row) -> PolicyAdopted:
    """Read a policy."""
    event = decode_canonical(POLICIES, row.value)
    assert isinstance(event, PolicyAdopted)
    return event


# What calls cost, and their budget.


def call(log: Forger) -> tuple[Row, Row, Row]:
    """Give the reservation and the settlement of a call, and its analysis."""
    settled = of_kind(log.rows(SPENDING), "budget.settled")[0]
    (reserved,) = (row for row in log.rows(SPENDING) if row.event["event_id"] == settled.event["causes"][0])
    analysis = next(row for row in log.rows(ANALYSES) if row.seq > settled.seq and row.key == settled.key)
    assert analysis.event["agent"] == reserved.event["agent"]
    return reserved, settled, analysis


@found("a call without its reservation")
def _(log: Forger) -> Expected:
    reserved, settled, analysis = call(log)
    log.without(reserved.seq, settled.seq)
    return Expected(analysis.seq - 2, "attempts.0")


@found("a call without its settlement")
def _(log: Forger) -> Expected:
    _, settled, analysis = call(log)
    log.without(settled.seq)
    return Expected(analysis.seq - 1, "attempts.0")


@found("a settlement without its reservation")
def _(log: Forger) -> Expected:
    reserved, settled, _ = call(log)
    log.without(reserved.seq)
    return Expected(settled.seq - 1, "record")


@found("a settlement of less than the call cost")
def _(log: Forger) -> Expected:
    _, settled, analysis = call(log)
    log.forge(settled.seq, cost_nusd=1)
    return Expected(analysis.seq, "attempts.0.cost_nusd")


@found("a cost that is not tokens times price")
def _(log: Forger) -> Expected:
    _, settled, analysis = call(log)
    log.forge(settled.seq, cost_nusd=1)
    (attempt,) = analysis.event["attempts"]
    log.forge(analysis.seq, attempts=[{**attempt, "cost_nusd": 1}])
    return Expected(analysis.seq, "attempts.0.cost_nusd")


@found("an unknown cost though tokens and price are known")
def _(log: Forger) -> Expected:
    _, _, analysis = call(log)
    (attempt,) = analysis.event["attempts"]
    log.forge(analysis.seq, attempts=[{**attempt, "cost_nusd": None}])
    return Expected(analysis.seq, "attempts.0.cost_nusd")


@found("tokens that do not make up the cost")
def _(log: Forger) -> Expected:
    _, _, analysis = call(log)
    (attempt,) = analysis.event["attempts"]
    log.forge(analysis.seq, attempts=[{**attempt, "input_tokens": 1}])
    return Expected(analysis.seq, "attempts.0.cost_nusd")


@found("a refused call without its refusal")
def _(log: Forger) -> Expected:
    refused = of_kind(log.rows(SPENDING), "budget.refused")[0]
    analysis = next(row for row in log.rows(ANALYSES) if row.seq > refused.seq and row.key == refused.key)
    log.without(refused.seq)
    return Expected(analysis.seq - 1, "attempts.0.error")


@found("a refusal though there was room")
def _(log: Forger) -> Expected:
    reserved, _, _ = call(log)
    refusal = of_kind(log.rows(SPENDING), "budget.refused")[0]
    content = {**refusal.event, "causes": [reserved.event["event_id"]]}
    log.forge(refusal.seq, **content)
    return Expected(refusal.seq, "record")


@found("a refusal by another limit")
def _(log: Forger) -> Expected:
    refusal = of_kind(log.rows(SPENDING), "budget.refused")[0]
    log.forge(refusal.seq, limit="run")
    return Expected(refusal.seq, "limit")


@found("a reservation under a higher limit")
def _(log: Forger) -> Expected:
    reserved, _, _ = call(log)
    log.forge(reserved.seq, run_limit_nusd=10**12)
    return Expected(reserved.seq, "run_limit_nusd")


@found("a reservation under another policy")
def _(log: Forger) -> Expected:
    reserved, _, _ = call(log)
    log.forge(reserved.seq, policy_event_id=first_policy(log).event_id)
    return Expected(reserved.seq, "policy_event_id")


@found("a reservation for no stage")
def _(log: Forger) -> Expected:
    reserved, _, _ = call(log)
    log.forge(reserved.seq, causes=["0" * 64])
    return Expected(reserved.seq, "causes.0")


@not_proved("a smaller reservation", "amounts reserved")
def _(log: Forger) -> None:
    reserved, _, _ = call(log)
    log.forge(reserved.seq, amount_nusd=reserved.event["amount_nusd"] - 1)


@not_proved("another cost where the tokens are not recorded", "costs without recorded tokens")
def _(log: Forger) -> None:
    row = next(
        row for row in log.rows(ANALYSES) if row.event["attempts"][-1]["input_tokens"] is None and row.key == "capital"
    )
    *others, attempt = row.event["attempts"]
    decisions = len(log.rows(DECISIONS))
    log.forge(row.seq, attempts=[*others, {**attempt, "output_tokens": 41}])
    assert len(log.rows(DECISIONS)) == decisions


# Places, times and headers.


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


# Indexes and tables beside the records.


@found("a decision hidden from the index of questions")
def _(log: Forger) -> Expected:
    row = log.rows(DECISIONS)[0]
    log.hide(row.seq, "records_by_correlation")
    # What the decision followed from lies before it.
    return Expected(-1, "")


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
    return Expected(-1, "checkpoint")


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
    return Expected(-1, "value")


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


def test_log_proves_itself(log: Forger) -> None:
    """The log proves itself before it is forged, also when it is numbered anew, and says what that means."""
    assert log.judge().different == 0
    log.without()
    proof = log.judge()
    assert proof.different == 0
    assert proof.proved
    assert proof.not_proved


@pytest.mark.parametrize("name", FOUND)
def test_forgery_is_found(log: Forger, name: str) -> None:
    """The first difference is where the forgery is, and nothing is claimed to be proved."""
    expected = FOUND[name](log)
    proof = log.judge()
    first = proof.first_difference
    assert first is not None
    assert first.field.startswith(expected.field)
    assert expected.seq in (-1, first.seq)
    assert first.expected != first.actual
    assert proof.proved == ()


@pytest.mark.parametrize("name", NOT_PROVED)
def test_forgery_is_named_under_not_proved(log: Forger, name: str) -> None:
    """What cannot be found is listed, in the JSON too."""
    forge, claim = NOT_PROVED[name]
    before = log.contents()
    forge(log)
    proof = log.judge()
    assert log.contents() != before
    assert (proof.different, proof.first_difference) == (0, None)
    assert any(claim in sentence for sentence in proof.as_json()["not_proved"])
