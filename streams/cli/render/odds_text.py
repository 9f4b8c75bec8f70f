"""Weights of the merge rule `odds` as text."""

from collections.abc import Mapping

from rich.text import Text
from rich.tree import Tree

from streams.audit.explain.explanation import AnswerScored, DecidedByOdds, OddsSeen, WeightsChange
from streams.audit.explain.words import HOW_ASKED, nats, share
from streams.audit.figures import count_of, ratio, short
from streams.cli.output import clean
from streams.cli.render.narrow import NarrowTable

MOST_MOVED = 12
"""Weights of one lesson that are shown; JSON has all."""


def weights_line(weights: Mapping[str, int]) -> str:
    """Write named weights on one line, the largest first."""
    ordered = sorted(weights.items(), key=lambda item: -abs(item[1]))
    return ", ".join(f"{clean(name)} {nats(weight)}" for name, weight in ordered)


def knew(branch: Tree, odds: OddsSeen) -> None:
    """Show what the rule knew of the agents of a panel."""
    entry = "no entry yet" if odds["entry_id"] is None else f"entry {short(odds['entry_id'])} #{odds['sequence']:,}"
    lessons = count_of(odds["lessons"], "lesson")
    branch.add(Text(f"asked {HOW_ASKED[odds['mode']]}"))
    table = NarrowTable(("agent", "right", "mean", "weights"), ("agent", "weights"), names=1, folds=("weights",))
    for member in odds["members"]:
        own = weights_line(member["weights"]) or "none learned"
        table.add_row(member["agent"], share(member["skill"]), nats(member["mean"]), own)
    head = f"what the weights of policy {clean(odds['scope'])} knew, for questions of kind {odds['kind']}"
    leaf = branch.add(Text(f"{head}: {lessons}, {entry}"))
    leaf.add(table)
    if odds["shared"]:
        leaf.add(Text(f"for all agents: {weights_line(odds['shared'])}"))


def scored(branch: Tree, decided: DecidedByOdds) -> None:
    """Show the score of each answer as the sum of its terms."""
    if not decided["lines"]:
        return
    leaf = branch.add(Text("scores in nats, term by term"))
    for line in decided["lines"]:
        leaf.add(Text(f"{_score(line)} = {_terms(line)}"))


def _score(line: AnswerScored) -> str:
    posterior = "" if line["posterior_ppb"] is None else f", posterior {ratio(line['posterior_ppb'])}"
    return f"{clean(line['answer'])} {line['score_unats'] / 10**6:.3f}{posterior}"


def _terms(line: AnswerScored) -> str:
    parts = []
    for term in line["terms"]:
        times = f" ({term['times']} × {nats(term['weight'])})" if term["times"] > 1 else ""
        parts.append(f"{clean(term['name'])} {nats(term['weight'] * term['times'])}{times}")
    return ", ".join(parts) or "nothing"


def learned(change: WeightsChange) -> tuple[Text, NarrowTable]:
    """Show what one lesson changed in the weights."""
    known = f"right: {change['right']}" if change["right"] is not None else f"wrong: {change['wrong']}"
    if change["right"] is None and change["wrong"] is None:
        known = "by the agents' agreement"
    if change["corrects"] is not None:
        known = f"lesson {short(change['corrects'])} taken back"
    title = Text(f"weights of policy {clean(change['scope'])}, entry {short(change['event_id'])}")
    title.append(f" #{change['sequence']:,}; {clean(known)}")
    table = NarrowTable(("weight", "before", "after", "step"), ("weight",), names=1)
    for moved in change["moved"][:MOST_MOVED]:
        before, after = moved["before"], moved["after"]
        was, step = ("", "") if before is None else (nats(before), nats(after - before))
        table.add_row(clean(moved["name"]), was, nats(after), step)
    if len(change["moved"]) > MOST_MOVED:
        title.append(f"; {MOST_MOVED} of {len(change['moved'])} weights that moved", style="dim")
    return title, table
