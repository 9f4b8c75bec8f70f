"""Forgeries of costs, reservations and settlements."""

from streams.topology import ANALYSES, DECISIONS, SPENDING

from .forgery_list import Expected, first_policy, found, not_proved
from .forging import Forger, of_kind
from .tampering import Row


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
