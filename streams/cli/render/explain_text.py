"""An explanation as a tree of text."""

from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from streams.app.amounts import usd
from streams.audit.explain.explanation import (
    AttemptMade,
    Decided,
    Explanation,
    LessonSeen,
    PolicyUsed,
    QuestionSeen,
    RoutedBy,
    SeatTaken,
    StageSeen,
    WaitingFor,
)
from streams.cli.output import clean, one_line
from streams.cli.render.explain_tables import changes, knowledge, scores
from streams.cli.render.figures import count_of, ratio, short, weight

WHY_DECIDED = {
    "panel complete": "every agent asked had answered",
    "early exit": "the posterior was high enough to stop asking",
    "merge agent": "the merge agent gave its verdict",
    "deadline": "the deadline had passed",
    "quorum": "too few ballots, and no agent left to ask",
}
WHY_OPENED = {
    "assigned": "by the panel",
    "dispatched": "the sub-questions were there",
    "window": "the posterior called for more analysts",
    "quorum": "there were too few ballots",
    "merge": "the merge agent is to decide",
}


def tree(told: Explanation) -> Tree:
    """Draw an explanation, with ids cut to 12 digits."""
    root = Tree(_headline(told))
    _question(root, told["question"])
    if told["policy"] is not None:
        _policy(root, told["policy"])
    if told["routing"] is not None:
        _routing(root, told["routing"], told["policy"])
    decision = told["decision"]
    votes = decision is not None and decision["rule"].startswith("vote")
    for stage in told["stages"]:
        _stage(root, stage, votes=votes)
    if decision is not None:
        _decision(root, decision, votes=votes)
    if told["waiting"] is not None:
        _waiting(root, told["waiting"])
    for lesson in told["lessons"]:
        _lesson(root, lesson)
    for letter in told["set_aside"]:
        about = f"{letter['reason']}: {clean(letter['detail'])}"
        root.add(Text(f"set aside: a record of {letter['source_topic']}, {about}"))
    return root


def _headline(told: Explanation) -> Text:
    head = Text(clean(told["question_id"]), style="bold")
    decision = told["decision"]
    if decision is None:
        return head.append("  no decision yet", style="yellow")
    if decision["answer"] is None:
        return head.append(f"  undecided: {WHY_DECIDED[decision['reason']]}", style="yellow")
    chosen = f" ({one_line(decision['answer_text'], 40)})" if decision["answer_text"] else ""
    agreement = decision["agreement"]
    head.append(f"  {decision['answer']}{chosen}", style="green")
    return head.append(f"  {agreement['agreeing']} of {agreement['counted']} agreed", style="not bold")


def _branch(root: Tree, name: str, event_id: str, at: str, about: str = "") -> Tree:
    label = Text(name, style="bold").append(f"  {short(event_id)}  {at}", style="not bold dim")
    return root.add(label.append(f"  {about}" if about else "", style="not bold"))


def _question(root: Tree, asked: QuestionSeen) -> None:
    about = f"subject {clean(asked['subject'])}" if asked["subject"] else "no subject"
    branch = _branch(root, "question", asked["event_id"], asked["asked_at"], about)
    branch.add(Text(one_line(asked["text"], 600)))
    for option in asked["options"]:
        branch.add(Text(f"{option['letter']}  {one_line(option['text'])}"))
    if not asked["options"]:
        branch.add(Text("the answer is a number"))


def _policy(root: Tree, policy: PolicyUsed) -> None:
    branch = _branch(root, f"policy {clean(policy['policy_id'])}", policy["event_id"], policy["adopted_at"])
    agents = count_of(len(policy["agents"]), "agent")
    parts = [f"{policy['routing']} routing, {policy['panel_size']} of {agents}", f"{policy['merge']} merge"]
    if policy["decomposition"] != "none":
        parts.append(f"{policy['decomposition']} decomposition")
    if policy["exploration"] != "none":
        parts.append(f"exploration {policy['exploration']}")
    branch.add(Text("; ".join(parts)))


def _routing(root: Tree, routed: RoutedBy, policy: PolicyUsed | None) -> None:
    branch = _branch(root, "panel", routed["event_id"], routed["assigned_at"])
    branch.add(Text(_why(routed, policy)))
    if any(candidate["score_ppb"] is not None for candidate in routed["candidates"]):
        branch.add(Text("score")).add(scores(routed))
    knew = "what the router knew"
    if len(routed["scopes"]) > 1:
        knew += f": the subject's own average counts n, that of all subjects (*) {routed['shrinkage']}"
    branch.add(Text(knew)).add(knowledge(routed))
    if routed["merger"]:
        branch.add(Text(f"merge agent: {routed['merger']}"))
    if routed["reserve"]:
        branch.add(Text(f"reserve: {', '.join(routed['reserve'])}"))
    branch.add(Text(f"ties go to: {' > '.join(routed['priority'])}"))


def _why(routed: RoutedBy, policy: PolicyUsed | None) -> str:
    """Explain the choice of agents in one sentence."""
    seated = [candidate["agent"] for candidate in routed["candidates"] if candidate["seat"] in ("panel", "explored")]
    if routed["warm_up"]:
        return f"all {len(seated)} agents in one stage: at least one was hardly known yet (warm-up)"
    order = "in the configured order" if policy is not None and policy["routing"] == "static" else "by rank"
    if routed["explored"]:
        return f"the first {len(seated) - 1} {order}, and {routed['explored']} as the least known (exploration)"
    return f"the first {len(seated)} of {len(routed['candidates'])} {order}"


def _stage(root: Tree, stage: StageSeen, *, votes: bool) -> None:
    about = f"{stage['role']}: {WHY_OPENED[stage['reason']]}"
    branch = _branch(root, f"stage {stage['number']}", stage["event_id"], stage["opened_at"], about)
    if stage["material"]:
        branch.add(Text(f"reads, in this order: {', '.join(map(short, stage['material']))}"))
    for seat in stage["seats"]:
        _seat(branch, stage, seat, votes=votes)


def _seat(branch: Tree, stage: StageSeen, seat: SeatTaken, *, votes: bool) -> None:
    label = Text(seat["agent"], style="bold").append(f"  {_outcome(stage, seat, votes=votes)}", style="not bold")
    leaf = branch.add(label)
    if seat["sub_question"]:
        leaf.add(Text(f"asked: {one_line(seat['sub_question'])}"))
    if seat["analysis_id"] is not None:
        late = ", after the decision" if seat["late"] else ""
        words = one_line(seat["text"] or "", 160) or "(no text)"
        leaf.add(Text(f"analysis {short(seat['analysis_id'])}{late}: {words}"))
    for number, attempt in enumerate(seat["attempts"], 1):
        leaf.add(Text(f"attempt {number}: {_attempt(attempt)}"))


def _attempt(attempt: AttemptMade) -> str:
    """Format one attempt: outcome, latency, cost, tokens and provider metadata."""
    error = f" ({clean(attempt['error'])})" if attempt["error"] else ""
    if attempt["outcome"] == "refused":
        return f"refused{error}, not called"
    cost = "unknown cost" if attempt["cost_nusd"] is None else usd(attempt["cost_nusd"])
    parts = [f"{attempt['outcome']}{error}", f"{attempt['latency_ms']:,} ms", cost]
    if attempt["input_tokens"] is not None or attempt["output_tokens"] is not None:
        given, written = (_known(attempt["input_tokens"]), _known(attempt["output_tokens"]))
        parts.append(f"{given} + {written} tokens")
    called = attempt["provider"]
    if called is not None:
        reported = called["reported_model"]
        served = f", served by {clean(reported)}" if reported not in (None, called["model"]) else ""
        parts.append(f"asked {clean(called['model'])}{served}")
        if called["finish_reason"]:
            parts.append(f"finish {clean(called['finish_reason'])}")
        if called["cached"]:
            parts.append("cached: an earlier reply to the same request")
    return ", ".join(parts)


def _known(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


def _outcome(stage: StageSeen, seat: SeatTaken, *, votes: bool) -> str:
    """Format the outcome of a seat."""
    if seat["status"] == "counted":
        believed = "" if seat["quality_ppb"] is None or votes else f"quality {ratio(seat['quality_ppb'])} → "
        weighed = weight(seat["weight"] or 0, votes=votes)
        return f"{clean(seat['answer'] or '')}, read as {seat['read_as']}; {believed}weight {weighed}"
    if seat["status"] == "excluded":
        return f"excluded: {(seat['reason'] or '').replace('_', ' ')}"
    if seat["status"] == "heard" and stage["role"] != "dispatcher":
        answered = seat["reason"] or seat["answer"] or seat["read_as"] or "heard"
        return f"verdict {answered}" if stage["role"] == "merger" else f"{answered}, not counted yet"
    if seat["status"] == "heard":
        return seat["reason"] or "wrote the sub-questions"
    return "has not answered yet" if seat["status"] == "waiting" else "no reply in time"


def _decision(root: Tree, decision: Decided, *, votes: bool) -> None:
    branch = _branch(root, "decision", decision["event_id"], decision["decided_at"], decision["rule"])
    chosen = f"{decision['answer']}: " if decision["answer"] else "undecided: "
    branch.add(Text(f"{chosen}{WHY_DECIDED[decision['reason']]}"))
    totals = sorted(decision["tally"].items(), key=lambda item: (-item[1], item[0]))
    if totals:
        unit = "votes" if votes else "nats of log-odds"
        branch.add(Text(f"tally: {', '.join(f'{clean(a)} {weight(w, votes=votes)}' for a, w in totals)} ({unit})"))
    agreement = decision["agreement"]
    branch.add(Text(f"{agreement['agreeing']} of {agreement['counted']} agreed"))
    if decision["tie_break"] is not None:
        tied, agent = decision["tie_break"]["tied"], decision["tie_break"]["agent"]
        branch.add(Text(f"tie between {' and '.join(tied)}: {agent} comes first in the order that settles ties"))
    if decision["verdict_id"] is not None:
        branch.add(Text(f"the merge agent's verdict decides: {short(decision['verdict_id'])}"))
    if len(decision["trace"]) > 1 or any(step["posterior_ppb"] is not None for step in decision["trace"]):
        steps = branch.add(Text("what the merge looked at"))
        for step in decision["trace"]:
            posterior = "" if step["posterior_ppb"] is None else f", posterior {ratio(step['posterior_ppb'])}"
            leader = f"leader {clean(step['leader'] or 'none')}"
            steps.add(Text(f"stage {step['stage']}, {step['rule']}: {leader}{posterior} → {step['outcome']}"))
    unpriced = decision["unpriced_calls"]
    unknown = f", at least: {count_of(unpriced, 'call')} of unknown cost" if unpriced else ""
    branch.add(Text(f"{count_of(decision['calls'], 'call')}, {usd(decision['cost_nusd'])}{unknown}"))


def _waiting(root: Tree, waiting: WaitingFor) -> None:
    if waiting["on"] == "policy":
        text = "a policy: the log holds none. `orch run` adopts the configured one"
    elif waiting["on"] == "fold":
        text = "the next run or worker: nothing is missing, and no process has worked on the log since"
    else:
        text = f"{_listed(waiting['seats'])}, in stage {waiting['stage']}"
    branch = root.add(Text(f"waits for {text}", style="yellow"))
    if waiting["deadline_at"] is not None:
        at = waiting["deadline_at"]
        branch.add(Text(f"decided without them at {at}, or as much later as a worker saw the panel"))


def _lesson(root: Tree, lesson: LessonSeen) -> None:
    who = lesson["source"] + (f" by {clean(lesson['author'])}" if lesson["author"] else "")
    name, about = "learned from the calls", ""
    if lesson["cause"] == "feedback":
        said = f"the answer is {lesson['answer']}" if lesson["answer"] else f"the decision is {lesson['verdict']}"
        name, about = f"feedback, {who}", clean(said)
    elif lesson["cause"] == "retraction":
        name, about = "retraction", f"of feedback {short(lesson['retracts'])}"
    branch = _branch(root, name, lesson["event_id"], lesson["at"], about)
    if lesson["changes"]:
        branch.add(changes(lesson))
    else:
        branch.add(Text(f"set aside: {lesson['set_aside']}" if lesson["set_aside"] else "taught the router nothing"))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
