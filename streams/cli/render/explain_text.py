"""An explanation as a tree of text."""

from rich.text import Text
from rich.tree import Tree

from streams.audit.explain.counterfactual.sentences import sentences
from streams.audit.explain.explanation import (
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
from streams.audit.explain.words import (
    attempt_said,
    bounds_said,
    counts_votes,
    gain_of,
    lesson_named,
    policy_in_short,
    seat_said,
    spent,
    taught_nothing,
    tie_said,
    unit_of,
    waits_for,
    what_it_knew,
    why_decided,
    why_opened,
    why_these,
)
from streams.audit.figures import ratio, short, weight
from streams.cli.output import clean, one_line
from streams.cli.render import odds_text
from streams.cli.render.explain_tables import changes, knowledge, scores

LONGEST_QUESTION, LONGEST_ANALYSIS = 600, 160
"""Characters of a text that are shown; all of them with `--full`."""


def tree(told: Explanation, *, full: bool = False) -> Tree:
    """Draw an explanation, with ids cut to 12 digits; *full*: with whole texts."""
    root = Tree(_headline(told))
    _question(root, told["question"], full=full)
    if told["policy"] is not None:
        _policy(root, told["policy"])
    if told["routing"] is not None:
        _routing(root, told["routing"], told["policy"])
    decision = told["decision"]
    for stage in told["stages"]:
        _stage(root, stage, decision, why_opened(stage, told["routing"]), full=full)
    if decision is not None:
        _decision(root, decision, told["routing"])
        if told["would_change"] is not None:
            branch = root.add(Text("what would have changed it", style="bold"))
            for line in sentences(told["would_change"], decision):
                branch.add(Text(clean(line), style="not bold"))
    if told["waiting"] is not None:
        _waiting(root, told["waiting"])
    for lesson in told["lessons"]:
        _lesson(root, lesson)
    for letter in told["set_aside"]:
        about = f"{letter['reason']}: {clean(letter['detail'])}"
        root.add(Text(f"set aside: a record of {letter['source_topic']}, {about}"))
    return root


def _shown(text: str, most: int, *, full: bool) -> Text:
    """Show the beginning of a text on one line, or the whole of it on lines of its own."""
    return Text(clean(text.strip("\n"))) if full else Text(one_line(text, most))


def _headline(told: Explanation) -> Text:
    head = Text(clean(told["question_id"]), style="bold")
    decision = told["decision"]
    if decision is None:
        return head.append("  no decision yet", style="yellow")
    if decision["answer"] is None:
        return head.append(f"  undecided: {why_decided(decision)}", style="yellow")
    chosen = f" ({one_line(decision['answer_text'], 40)})" if decision["answer_text"] else ""
    agreement = decision["agreement"]
    head.append(f"  {decision['answer']}{chosen}", style="green")
    return head.append(f"  {agreement['agreeing']} of {agreement['counted']} agreed", style="not bold")


def _branch(root: Tree, name: str, event_id: str, at: str, about: str = "") -> Tree:
    label = Text(name, style="bold").append(f"  {short(event_id)}  {at}", style="not bold dim")
    return root.add(label.append(f"  {about}" if about else "", style="not bold"))


def _question(root: Tree, asked: QuestionSeen, *, full: bool) -> None:
    about = f"subject {clean(asked['subject'])}" if asked["subject"] else "no subject"
    branch = _branch(root, "question", asked["event_id"], asked["asked_at"], about)
    branch.add(_shown(asked["text"], LONGEST_QUESTION, full=full))
    for option in asked["options"]:
        branch.add(Text(f"{option['letter']}  ").append(_shown(option["text"], 200, full=full)))
    if not asked["options"]:
        branch.add(Text("the answer is a number"))


def _policy(root: Tree, policy: PolicyUsed) -> None:
    branch = _branch(root, f"policy {clean(policy['policy_id'])}", policy["event_id"], policy["adopted_at"])
    branch.add(Text(policy_in_short(policy)))


def _routing(root: Tree, routed: RoutedBy, policy: PolicyUsed | None) -> None:
    branch = _branch(root, "panel", routed["event_id"], routed["assigned_at"])
    branch.add(Text(why_these(routed, policy)))
    if any(candidate["score_ppb"] is not None for candidate in routed["candidates"]):
        branch.add(Text("score")).add(scores(routed))
    branch.add(Text(what_it_knew(routed))).add(knowledge(routed))
    if routed["merger"]:
        branch.add(Text(f"merge agent: {routed['merger']}"))
    if routed["reserve"]:
        branch.add(Text(f"reserve: {', '.join(routed['reserve'])}"))
    branch.add(Text(f"ties go to: {' > '.join(routed['priority'])}"))
    if routed["odds"] is not None:
        odds_text.knew(branch, routed["odds"])


def _stage(root: Tree, stage: StageSeen, decision: Decided | None, why: str, *, full: bool) -> None:
    about = f"{stage['role']}: {why}"
    name = "shadow seats" if stage["reason"] == "shadow" else f"stage {stage['number']}"
    branch = _branch(root, name, stage["event_id"], stage["opened_at"], about)
    if stage["material"]:
        branch.add(Text(f"reads, in this order: {', '.join(map(short, stage['material']))}"))
    for seat in stage["seats"]:
        _seat(branch, seat, seat_said(stage, seat, decision), full=full)


def _seat(branch: Tree, seat: SeatTaken, outcome: str, *, full: bool) -> None:
    label = Text(seat["agent"], style="bold").append(f"  {clean(outcome)}", style="not bold")
    leaf = branch.add(label)
    if seat["sub_question"]:
        leaf.add(Text("asked: ").append(_shown(seat["sub_question"], 200, full=full)))
    if seat["analysis_id"] is not None:
        late = ", after the decision" if seat["late"] else ""
        name = f"analysis {short(seat['analysis_id'])}{late}: "
        words = _shown(seat["text"] or "", LONGEST_ANALYSIS, full=full)
        if full and "\n" in words.plain:
            leaf.add(Text(name.rstrip(" "))).add(words)
        else:
            leaf.add(Text(name).append(words if words.plain else "(no text)"))
    for number, attempt in enumerate(seat["attempts"], 1):
        leaf.add(Text(clean(f"attempt {number}: {attempt_said(attempt)}")))


def _decision(root: Tree, decision: Decided, routed: RoutedBy | None) -> None:
    votes = counts_votes(decision)
    branch = _branch(root, "decision", decision["event_id"], decision["decided_at"], decision["rule"])
    chosen = f"{decision['answer']}: " if decision["answer"] else "undecided: "
    branch.add(Text(f"{chosen}{why_decided(decision)}"))
    totals = sorted(decision["tally"].items(), key=lambda item: (-item[1], item[0]))
    if totals:
        branch.add(
            Text(f"tally: {', '.join(f'{clean(a)} {weight(w, votes=votes)}' for a, w in totals)} ({unit_of(decision)})")
        )
    if decision["odds"] is not None:
        odds_text.scored(branch, decision["odds"])
    agreement = decision["agreement"]
    branch.add(Text(f"{agreement['agreeing']} of {agreement['counted']} agreed"))
    if decision["tie_break"] is not None:
        branch.add(Text(clean(tie_said(decision))))
    if decision["verdict_id"] is not None:
        branch.add(Text(f"the merge agent's verdict decides: {short(decision['verdict_id'])}"))
    own = decision["own_rule"]
    if own is not None:
        of = f"{own['distribution']} {own['distribution_version']}"
        branch.add(Text(clean(f"rule {own['name']} {own['version']} of {of}, files {short(own['files_sha256'])}")))
    shown = (step["posterior_ppb"] is not None or step.get("note") for step in decision["trace"])
    if len(decision["trace"]) > 1 or any(shown):
        steps = branch.add(Text(f"what the merge looked at{bounds_said(decision, routed)}"))
        for step in decision["trace"]:
            posterior = "" if step["posterior_ppb"] is None else f", posterior {ratio(step['posterior_ppb'])}"
            leader = f"leader {clean(step['leader'] or 'none')}"
            gain = f", {gain_of(step)}" if step.get("gain") else ""
            looked = f"stage {step['stage']}, {step['rule']}: {leader}{posterior}{gain}"
            note = f" ({clean(step['note'])})" if step.get("note") else ""
            steps.add(Text(f"{looked} → {step['outcome']}{note}"))
    branch.add(Text(spent(decision)))


def _waiting(root: Tree, waiting: WaitingFor) -> None:
    branch = root.add(Text(f"waits for {waits_for(waiting)}", style="yellow"))
    if waiting["deadline_at"] is not None:
        at = waiting["deadline_at"]
        branch.add(Text(f"decided without them at {at}, or as much later as a worker saw the panel"))


def _lesson(root: Tree, lesson: LessonSeen) -> None:
    name, about = lesson_named(lesson)
    branch = _branch(root, clean(name), lesson["event_id"], lesson["at"], clean(about))
    if lesson["changes"]:
        branch.add(changes(lesson))
    for change in lesson["weights"]:
        title, table = odds_text.learned(change)
        branch.add(title).add(table)
    if nothing := taught_nothing(lesson):
        branch.add(Text(nothing))
