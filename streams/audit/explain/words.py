"""Words of an explanation, for text and pages alike."""

from collections.abc import Mapping, Sequence

from schemas.odds import ONE
from schemas.quantities import PPB
from streams.audit.explain.explanation import (
    AttemptMade,
    Decided,
    DecidedByOdds,
    LessonSeen,
    PolicyUsed,
    RoutedBy,
    SeatTaken,
    StageSeen,
    WaitingFor,
)
from streams.audit.figures import count_of, ratio, short, usd, weight

WHY_DECIDED = {
    "panel complete": "every agent asked had answered",
    "early exit": "the posterior was high enough to stop asking",
    "merge agent": "the merge agent gave its verdict",
    "deadline": "the deadline had passed",
    "quorum": "too few ballots, and no agent left to ask",
    "below window": "the posterior was too low to ask further agents",
}
WHY_ODDS_STOPPED = "asking the others was not expected to win enough for their calls"
WHY_OPENED = {
    "assigned": "by the panel",
    "dispatched": "the sub-questions were there",
    "window": "the posterior called for more analysts",
    "quorum": "there were too few ballots",
    "merge": "the merge agent is to decide",
    "shadow": "beside the panel, observed and never counted",
}
HOW_ASKED = {
    "untaught": "no lessons yet, so the stages and thresholds of a cascade hold",
    "warm-up": "all in one stage: there were few lessons yet (warm-up)",
    "audit": "all in one stage: a question whose id is drawn for an audit",
    "whole panel": "all in one stage, as the policy says",
    "by gain": "one by one, while that is worth a call",
}


def listed(names: Sequence[str]) -> str:
    """List names in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def nats(value: int) -> str:
    """Write a weight of the rule `odds` with its sign."""
    return f"{value / ONE:+.3f}"


def share(value: int) -> str:
    """Write a probability in units of 1/65,536."""
    return f"{value / ONE:.3f}"


def why_decided(decision: Decided) -> str:
    """Say why a question was decided when it was."""
    if decision["reason"] == "early exit" and decision["rule"].startswith("odds"):
        return WHY_ODDS_STOPPED
    return WHY_DECIDED[decision["reason"]]


def counts_votes(decision: Decided | None) -> bool:
    """Whether weights are whole numbers: votes, or what a rule of another distribution gave."""
    return decision is not None and decision["rule"].startswith(("vote", "own:"))


def unit_of(decision: Decided) -> str:
    """Name the unit of a decision's weights."""
    if decision["rule"].startswith("own:"):
        return "in the rule's own unit"
    return "votes" if counts_votes(decision) else "nats of log-odds"


def why_opened(stage: StageSeen, routed: RoutedBy | None) -> str:
    """Say why a stage was opened."""
    if stage["reason"] == "window" and routed is not None and routed["counting"]["rule"] == "odds":
        return "asking further agents was expected to pay"
    return WHY_OPENED[stage["reason"]]


def policy_in_short(policy: PolicyUsed) -> str:
    """Sum a policy up."""
    agents = count_of(len(policy["agents"]), "agent")
    parts = [f"{policy['routing']} routing, {policy['panel_size']} of {agents}", f"{policy['merge']} merge"]
    if policy["decomposition"] != "none":
        parts.append(f"{policy['decomposition']} decomposition")
    if policy["exploration"] != "none":
        parts.append(f"exploration {policy['exploration']}")
    return "; ".join(parts)


def why_these(routed: RoutedBy, policy: PolicyUsed | None) -> str:
    """Explain the choice of agents in one sentence."""
    seated = [candidate["agent"] for candidate in routed["candidates"] if candidate["seat"] in ("panel", "explored")]
    if routed["warm_up"]:
        return f"all {len(seated)} agents in one stage: at least one was hardly known yet (warm-up)"
    by_stage = ""
    if len(routed["planned"]) > 1:
        by_stage = f", as far as needed: {', then '.join(map(str, routed['planned']))}"
    order = "in the configured order" if policy is not None and policy["routing"] == "static" else "by rank"
    if routed["explored"]:
        explored = f", and {routed['explored']} as the least known (exploration)"
        return f"the first {len(seated) - 1} {order}{explored}{by_stage}"
    return f"the first {len(seated)} of {len(routed['candidates'])} {order}{by_stage}"


def what_it_knew(routed: RoutedBy) -> str:
    """Head what the router knew."""
    if len(routed["scopes"]) > 1:
        return (
            f"what the router knew: the subject's own average counts n, that of all subjects (*) {routed['shrinkage']}"
        )
    return "what the router knew"


def attempt_said(attempt: AttemptMade) -> str:
    """Describe one attempt: outcome, latency, cost, tokens and provider metadata."""
    error = f" ({attempt['error']})" if attempt["error"] else ""
    if attempt["outcome"] == "refused":
        return f"refused{error}, not called"
    cost = "unknown cost" if attempt["cost_nusd"] is None else usd(attempt["cost_nusd"])
    parts = [f"{attempt['outcome']}{error}", f"{attempt['latency_ms']:,} ms", cost]
    if attempt["input_tokens"] is not None or attempt["output_tokens"] is not None:
        parts.append(f"{_known(attempt['input_tokens'])} + {_known(attempt['output_tokens'])} tokens")
    called = attempt["provider"]
    if called is not None:
        reported = called["reported_model"]
        served = f", served by {reported}" if reported not in (None, called["model"]) else ""
        parts.append(f"asked {called['model']}{served}")
        if called["finish_reason"]:
            parts.append(f"finish {called['finish_reason']}")
        if called["cached"]:
            parts.append("cached: an earlier reply to the same request")
    return ", ".join(parts)


def _known(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


def seat_said(stage: StageSeen, seat: SeatTaken, decision: Decided | None) -> str:
    """Describe the outcome of a seat."""
    if seat["status"] == "counted":
        votes = counts_votes(decision)
        evidence = "" if decision is None else evidence_of(decision["odds"], seat["agent"])
        believed = "" if seat["quality_ppb"] is None or votes else f"quality {ratio(seat['quality_ppb'])} → "
        believed = f"{evidence} → " if evidence else believed
        weighed = weight(seat["weight"] or 0, votes=votes)
        return f"{seat['answer'] or ''}, read as {seat['read_as']}; {believed}weight {weighed}"
    if seat["status"] == "excluded":
        return f"excluded: {(seat['reason'] or '').replace('_', ' ')}"
    if seat["status"] == "observed":
        return f"{seat['answer']}, observed" if seat["answer"] else (seat["reason"] or "").replace("_", " ")
    if seat["status"] == "heard" and stage["role"] != "dispatcher":
        answered = seat["reason"] or seat["answer"] or seat["read_as"] or "heard"
        return f"verdict {answered}" if stage["role"] == "merger" else f"{answered}, not counted yet"
    if seat["status"] == "heard":
        return seat["reason"] or "wrote the sub-questions"
    return "has not answered yet" if seat["status"] == "waiting" else "no reply in time"


def evidence_of(decided: DecidedByOdds | None, agent: str) -> str:
    """Say what an agent's answer rests on; empty under other rules."""
    found = next((one for one in (decided["evidence"] if decided else ()) if one["agent"] == agent), None)
    if found is None:
        return ""
    parts = [f"grounds {found['grounds']}"]
    if found["uses"] is not None:
        parts.append("uses all numbers" if found["uses"] else "leaves numbers out")
    if found["repeats"] is not None:
        parts.append(f"said {found['repeats']} times" if found["repeats"] < 3 else "said 3 times or more")
    return ", ".join(parts)


def gain_of(step: Mapping[str, object]) -> str:
    """Say what further calls were expected to win; empty where nobody asked."""
    gain = step.get("gain")
    if not isinstance(gain, dict):
        return ""
    expected, wanted = gain["expected_ppb"] / PPB, gain["wanted_ppb"] / PPB
    return f"asking the other {gain['left']} is expected to win {expected:.4f} answers, {wanted:.4f} wanted"


def bounds_said(decision: Decided, routed: RoutedBy | None) -> str:
    """Give the bounds that a posterior was held against; empty where none was."""
    if routed is None or not decision["rule"].startswith(("cascade", "agent")):
        return ""
    counting = routed["counting"]
    if counting["accept_ppb"] is None:
        return ""
    window = f", ask further from {ratio(counting['window_ppb'] or 0)}" if counting["window_ppb"] else ""
    return f": accept from posterior {ratio(counting['accept_ppb'])}{window}"


def tie_said(decision: Decided) -> str:
    """Say how a tie was settled; empty without one."""
    if decision["tie_break"] is None:
        return ""
    tied, agent = decision["tie_break"]["tied"], decision["tie_break"]["agent"]
    return f"tie between {listed(tied)}: {agent} comes first in the order that settles ties"


def spent(decision: Decided) -> str:
    """Say what the calls cost."""
    unpriced = decision["unpriced_calls"]
    unknown = f", at least: {count_of(unpriced, 'call')} of unknown cost" if unpriced else ""
    return f"{count_of(decision['calls'], 'call')}, {usd(decision['cost_nusd'])}{unknown}"


def waits_for(waiting: WaitingFor) -> str:
    """Say what an open question waits for."""
    if waiting["on"] == "policy":
        return "a policy: the log holds none. `orch run` adopts the configured one"
    if waiting["on"] == "fold":
        return "the next run or worker: nothing is missing, and no process has worked on the log since"
    return f"{listed(waiting['seats'])}, in stage {waiting['stage']}"


def lesson_named(lesson: LessonSeen) -> tuple[str, str]:
    """Name a lesson, and say what it told."""
    who = lesson["source"] + (f" by {lesson['author']}" if lesson["author"] else "")
    if lesson["cause"] == "feedback":
        said = f"the answer is {lesson['answer']}" if lesson["answer"] else f"the decision is {lesson['verdict']}"
        return f"feedback, {who}", said
    if lesson["cause"] == "retraction":
        return "retraction", f"of feedback {short(lesson['retracts'])}"
    return "learned from the calls", ""


def taught_nothing(lesson: LessonSeen) -> str:
    """Say why a lesson changed no table; empty if it did."""
    if lesson["changes"] or lesson["weights"]:
        return ""
    return f"set aside: {lesson['set_aside']}" if lesson["set_aside"] else "taught nothing"
