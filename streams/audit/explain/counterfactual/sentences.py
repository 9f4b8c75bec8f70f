"""Sentences about what would have changed a decision."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from schemas.odds import ONE
from schemas.quantities import PPB
from streams.audit.explain.counterfactual.ballot_margin import STANDS_FOR_OTHERS
from streams.audit.explain.counterfactual.would_change import (
    BallotAdded,
    BallotChanged,
    BallotMissing,
    BallotsWouldChange,
    WeightsWouldChange,
    WeightWouldChange,
    WouldChange,
    WouldFollow,
)
from streams.audit.explain.explanation import Decided
from streams.audit.explain.words import listed


def sentences(found: WouldChange, decision: Decided) -> list[str]:
    """Say in a few sentences what would have changed a decision, and what would not."""
    if found["not_derived"] is not None:
        return [f"not derived: {found['not_derived']}"]
    told = [*_ballots(found["ballots"], decision)]
    if decision["answer"] is not None:
        told += [*_missing(found["missing"]), *_added(found["added"])]
    if found["weights"] is not None:
        told.append(_weights(found["weights"]))
    return told


def follows_said(follows: WouldFollow) -> str:
    """Say what would have followed."""
    if follows["state"] == "open":
        return _asking(follows)
    return "undecided" if follows["answer"] is None else answer_said(follows["answer"])


def _asking(follows: WouldFollow) -> str:
    who = listed(follows["asked"])
    if follows["role"] == "merger":
        return f"the merge agent {who} would have read other analyses"
    return f"{who} would have been asked"


def name_of(agent: str, role: str) -> str:
    """Name who spoke."""
    return f"the merge agent {agent}" if role == "merger" else agent


def changed(ballots: Sequence[BallotChanged]) -> str:
    """List changed ballots."""
    return ", ".join(
        f"{name_of(one['agent'], one['role'])} {one['before'] or 'without answer'} → {answer_said(one['after'])}"
        for one in ballots
    )


def answer_said(answer: str | None) -> str:
    """Write an answer; one that stands for all numbers that nobody gave, by its meaning."""
    if answer is None:
        return "none"
    return "any other number" if answer in STANDS_FOR_OTHERS else answer


def values_of(one: WeightWouldChange) -> tuple[str, str]:
    """Write a weight's number, and the one that gives another answer, in its own unit: a quality, or nats."""
    unit = PPB if one["quantity"] == "quality_ppb" else ONE
    return apart(one["value"], one["value"] if one["flips_at"] is None else one["flips_at"], unit)


def weights_of_ballot(one: WeightWouldChange) -> tuple[str, str]:
    """Write the weight of a ballot, and the one that gives another answer, in nats."""
    return apart(one["weight"], one["weight"] if one["weight_there"] is None else one["weight_there"], 10**6)


def apart(first: int, second: int, unit: int) -> tuple[str, str]:
    """Write two quantities with three decimals, or with as many as tell them apart."""
    written = ("", "")
    for decimals in range(3, 10):
        written = (_decimal(first, unit, decimals), _decimal(second, unit, decimals))
        if first == second or written[0] != written[1]:
            break
    return written


def _decimal(value: int, unit: int, decimals: int) -> str:
    written = f"{Decimal(value) / unit:.{decimals}f}"
    return written if Decimal(written) else written.removeprefix("-")


def _ballots(found: BallotsWouldChange | None, decision: Decided) -> Iterator[str]:
    if found is None:
        yield "no ballot could have changed it: nobody was asked"
        return
    smallest, opens, least = found["smallest"], found["opens"], found["nothing_below"]
    if smallest is None and opens is not None:
        yield (
            f"no changed ballot gives another answer from this log alone: with {changed(opens['ballots'])},"
            f" {_asking(opens['follows'])}, and nobody knows the reply"
        )
        return
    if smallest is None:
        yield f"ballots: no change of fewer than {least} gives another answer; more were not all tried"
        return
    number = len(smallest["ballots"])
    gives = answer_said(smallest["follows"]["answer"])
    proved = "" if number == 1 else "; no smaller change does"
    if least < number:
        proved = f"; no change of fewer than {least} does, and between them not all were tried"
    if decision["answer"] is None:
        what = "one answer more" if number == 1 else f"{number} answers more"
        lacking = [f"{name_of(one['agent'], one['role'])} {answer_said(one['after'])}" for one in smallest["ballots"]]
        yield f"{what} would have made it {gives}: {', '.join(lacking)}{proved}"
    else:
        what = "one changed ballot gives" if number == 1 else f"{number} changed ballots give"
        yield f"{what} {gives}: {changed(smallest['ballots'])}{proved}"
    if opens is not None:
        yield f"with {changed(opens['ballots'])} alone, {_asking(opens['follows'])}; nobody knows the reply"


def _missing(missing: Sequence[BallotMissing]) -> Iterator[str]:
    turning = [one for one in missing if one["changes"]]
    opening = [one for one in missing if one["follows"]["state"] == "open"]
    if turning:
        told = (f"{name_of(one['agent'], one['role'])} → {follows_said(one['follows'])}" for one in turning)
        yield f"without the ballot of: {', '.join(told)}"
    elif missing and not opening:
        yield "no single missing ballot changes it"
    if opening:
        by_asked: dict[str, list[str]] = {}
        for one in opening:
            by_asked.setdefault(_asking(one["follows"]), []).append(name_of(one["agent"], one["role"]))
        said = (f"{_or(agents)}, {asking}" for asking, agents in by_asked.items())
        yield f"without {'; without '.join(said)}"


def _or(agents: Sequence[str]) -> str:
    return agents[0] if len(agents) == 1 else f"{', '.join(agents[:-1])} or {agents[-1]}"


def _added(added: Sequence[BallotAdded]) -> Iterator[str]:
    by_agent: dict[str, list[str]] = {}
    for one in added:
        by_agent.setdefault(name_of(one["agent"], one["role"]), []).append(answer_said(one["answer"]))
    for agent, answers in by_agent.items():
        yield f"{agent} did not count; its answer {' or '.join(answers)} would have changed it"


def _weights(found: WeightsWouldChange) -> str:
    if found["not_derived"] is not None:
        return f"weights: {found['not_derived']}"
    one = next((one for one in found["agents"] if one["agent"] == found["smallest"]), None)
    if one is None or one["flips_at"] is None or one["follows"] is None:
        return "no weight of one agent alone gives another answer"
    unit = "quality" if one["quantity"] == "quality_ppb" else "learned weight"
    moved = " → ".join(weights_of_ballot(one))
    proved = "no smaller change of one weight does" if found["exact"] else "nothing smaller was found"
    return (
        f"weight of {one['agent']}: {moved} ({unit} {' → '.join(values_of(one))})"
        f" gives {follows_said(one['follows'])}; {proved}"
    )
