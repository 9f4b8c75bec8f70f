"""Part of the page: the counting of the ballots."""

from collections.abc import Iterator

from schemas.odds import ONE
from schemas.quantities import PPB
from streams.audit.explain.explanation import AnswerScored, Decided, Explanation, SeatTaken
from streams.audit.explain.page.model import Block, Facts, Grid, PagePart, Say, SumsShown, Tones
from streams.audit.explain.words import bounds_said, counts_votes, evidence_of, gain_of, nats, tie_said, why_decided
from streams.audit.figures import ratio, short, weight
from streams.drawing.rows import SumOfParts


def count_part(told: Explanation, tones: Tones) -> Iterator[PagePart]:
    """Lay out every number that led to the answer; nothing without a decision."""
    decision = told["decision"]
    if decision is None:
        return
    blocks: list[Block] = []
    if decision["tally"]:
        blocks.append(_tally(told, decision, tones))
    said = [tie_said(decision)]
    if decision["verdict_id"] is not None:
        said.append(f"the merge agent's verdict decides: {short(decision['verdict_id'])}")
    if decision["answer"] is None:
        quorum = "" if told["routing"] is None else f"; {told['routing']['counting']['quorum']} were needed"
        said.append(f"{why_decided(decision)}{quorum}")
    blocks.append(Say([_sentence(line) for line in said if line]))
    if told["routing"] is not None:
        counting = told["routing"]["counting"]
        facts = [("rule", decision["rule"]), ("quorum", f"{counting['quorum']}"), ("choices", f"{counting['choices']}")]
        own = decision["own_rule"]
        if own is not None:
            facts += [
                ("rule of", f"{own['distribution']} {own['distribution_version']}"),
                ("files", own["files_sha256"]),
            ]
        blocks.append(Facts([*facts, ("answers read by", decision["extractor"])]))
    blocks.append(_ballots(told, decision))
    excluded = list(_excluded(told))
    if excluded:
        blocks += [Say(["Did not count:"], "quiet"), Grid(["agent", "stage", "why", "calls"], excluded, (1,))]
    if decision["odds"] is not None and decision["odds"]["lines"]:
        rows = [row for line in decision["odds"]["lines"] for row in _terms(line)]
        head = ["answer", "term", "weight", "times", "adds, in nats"]
        blocks.append(Grid(head, rows, (2, 3, 4), "Every term of the scores"))
    blocks += _trace(told, decision, tones)
    yield PagePart("How the answer was counted", blocks)


def _sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:]}."


def _tally(told: Explanation, decision: Decided, tones: Tones) -> SumsShown:
    votes = counts_votes(decision)
    rows = []
    posteriors = (
        {} if decision["odds"] is None else {o["answer"]: o["posterior_ppb"] for o in decision["odds"]["lines"]}
    )
    scale = 1.0 if votes else 1e6
    tally = decision["tally"]
    for answer in sorted(tally, key=lambda answer: (-tally[answer], answer != decision["answer"], answer)):
        parts = [
            (seat["agent"], (seat["weight"] or 0) / scale)
            for stage in told["stages"]
            for seat in stage["seats"]
            if seat["status"] == "counted" and seat["answer"] == answer
        ]
        rest = tally[answer] / scale - sum(value for _, value in parts)
        if abs(rest) > 1e-5:
            parts.append(("supporters", rest))
        sure = posteriors.get(answer)
        told_sum = weight(tally[answer], votes=votes) + ("" if sure is None else f", posterior {ratio(sure)}")
        rows.append(SumOfParts(answer, parts, told_sum, tones.get(answer, 0)))
    if decision["rule"].startswith("own:"):
        caption = "Weights that the rule gave to the ballots for each answer, in its own unit."
    elif votes:
        caption = "Ballots for each answer, each of which counts one."
    elif decision["odds"] is not None and decision["odds"]["lines"]:
        caption = "Score of each answer in nats: what each ballot adds, and what the number of its supporters adds."
    else:
        caption = "Sum of log-odds for each answer, in nats: each ballot adds what the router knew of its agent."
    return SumsShown("Sums of the ballots", caption, rows)


def _ballots(told: Explanation, decision: Decided) -> Grid:
    votes = counts_votes(decision)
    rows = []
    for stage in told["stages"]:
        for seat in stage["seats"]:
            if seat["status"] == "counted":
                known = evidence_of(decision["odds"], seat["agent"]) or _quality(seat)
                cells = [seat["agent"], f"{stage['number']}", seat["answer"] or "", seat["read_as"] or ""]
                rows.append([*cells, known, weight(seat["weight"] or 0, votes=votes)])
    why, figures = ("quality", (1, 4, 5)) if decision["odds"] is None else ("rests on", (1, 5))
    unit = "counts" if votes else "weight, in nats"
    return Grid(["agent", "stage", "answer", "read as", why, unit], rows, figures)


def _quality(seat: SeatTaken) -> str:
    return "" if seat["quality_ppb"] is None else ratio(seat["quality_ppb"])


def _excluded(told: Explanation) -> Iterator[list[str]]:
    for stage in told["stages"]:
        for seat in stage["seats"]:
            if seat["status"] in ("excluded", "no_reply"):
                why = (seat["reason"] or "no reply in time").replace("_", " ")
                late = "; its analysis came after the decision" if seat["late"] else ""
                made = [a["error"] or a["outcome"] for a in seat["attempts"]]
                yield [seat["agent"], f"{stage['number']}", why + late, ", ".join(made) or "none"]


def _terms(line: AnswerScored) -> Iterator[list[str]]:
    for term in line["terms"]:
        adds = f"{term['weight'] * term['times'] / ONE:+.3f}"
        yield [line["answer"], term["name"], nats(term["weight"]), f"{term['times']}", adds]
    yield [line["answer"], "all together", "", "", f"{line['score_unats'] / 10**6:+.3f}"]


def _trace(told: Explanation, decision: Decided, tones: Tones) -> Iterator[Block]:
    steps = decision["trace"]
    known = [step for step in steps if step["posterior_ppb"] is not None]
    counting = None if told["routing"] is None else told["routing"]["counting"]
    if known:
        accept = None if counting is None else counting["accept_ppb"]
        rows = []
        for step in known:
            share = step["posterior_ppb"] / PPB
            leader = step["leader"] or "none"
            rows.append(SumOfParts(f"stage {step['stage']}", [(leader, share)], f"{share:.3f}", tones.get(leader, 0)))
        mark = None if accept is None else (accept / PPB, f"accept {ratio(accept)}")
        caption = f"Posterior of the leading answer after each stage{bounds_said(decision, told['routing'])}."
        yield SumsShown("Posterior by stage", caption, rows, mark, 1.0)
    if len(steps) > 1 or known or any(step.get("note") for step in steps):
        rows_said = [
            [
                f"{step['stage']}",
                step["rule"],
                step["leader"] or "none",
                "" if step["posterior_ppb"] is None else ratio(step["posterior_ppb"]),
                gain_of(step),
                f"{step['outcome']}: {step['note']}" if step.get("note") else step["outcome"],
            ]
            for step in steps
        ]
        columns = ["stage", "rule", "leader", "posterior", "gain", "outcome"]
        if not any(row[4] for row in rows_said):
            columns.remove("gain")
            rows_said = [row[:4] + row[5:] for row in rows_said]
        yield Grid(columns, rows_said, (0, 3))
