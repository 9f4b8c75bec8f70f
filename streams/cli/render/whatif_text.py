"""Counterfactuals as text for people."""

from collections.abc import Mapping, Sequence

from schemas.quantities import PPB
from streams.app import amounts
from streams.audit.figures import usd
from streams.audit.whatif.outcome import COVERAGES, Compared, Multiplicity, Radius, Sums, WhatIf
from streams.cli import output

SHOWN = 20
"""Rows of a table; JSON and files have more."""

_MEANT = {
    "exact": "every analysis asked for is recorded",
    "partial": "an analysis is not recorded: the answer is that of the others",
    "unknown": "whom the policy asks cannot be said",
}


def print_what_if(found: WhatIf, orch: str) -> None:
    """Print what another policy makes of a log."""
    output.print_pairs(
        [
            *_settings(found.changes),
            ("questions", _questions(found.questions, found.open)),
            *((coverage, _covered(found.sums[coverage], coverage)) for coverage in COVERAGES),
        ]
    )
    for coverage in COVERAGES[:2]:
        if found.sums[coverage].questions:
            output.print_text()
            _print_sums(found.sums[coverage], coverage)
    _print_why(found.why)
    if found.sums["unknown"].questions:
        output.say(
            "A router that learns is known up to the first question that is not exact. A fixed panel learns nothing:"
            " --set routing.rule=static --set merge.rule=vote"
        )
    _print_rows(found.rows, found.changed, f"{orch} explain")


def _settings(changes: Sequence[str]) -> list[tuple[str, str]]:
    """List changed settings, one a line; those that the other policy does not have share one."""
    gone = [change.partition(":")[0] for change in changes if change.endswith("-> unset")]
    lines = [change for change in changes if not change.endswith("-> unset")]
    tables = dict.fromkeys(name.partition(".")[0] for name in gone)
    lines += [f"without {amounts.counted(len(gone), 'setting')} of {', '.join(tables)}"] if gone else []
    lines = lines or ["none: the policies of the log"]
    return [("changed settings" if not number else "", line) for number, line in enumerate(lines)]


def _questions(questions: int, still_open: int) -> str:
    waiting = f", and {still_open:,} without a decision left out" if still_open else ""
    return f"{questions:,} decided in the log{waiting}"


def _covered(part: Sums, coverage: str) -> str:
    return f"{part.questions:,}  ({_MEANT[coverage]})"


def _print_sums(part: Sums, coverage: str) -> None:
    rows = [
        [
            "accuracy",
            amounts.share(part.right_recorded, part.graded),
            amounts.share(part.right_other, part.graded),
        ],
        ["undecided", f"{part.undecided_recorded:,}", f"{part.undecided_other:,}"],
        ["calls", f"{part.calls_recorded:,}", f"{part.calls_other:,}"],
        [
            "cost",
            _cost(part.cost_recorded_nusd, part.unpriced_recorded),
            _cost(part.cost_other_nusd, part.unpriced_other),
        ],
    ]
    of = "all" if part.graded == part.questions else f"{part.graded:,}"
    recorded = "; calls and cost are those of recorded analyses" if coverage == "partial" else ""
    output.print_table(
        ["", "in the log", "under the other policy"],
        rows,
        right=["in the log", "under the other policy"],
        title=f"{amounts.counted(part.questions, f'{coverage} question')}, {of} with a known right answer{recorded}",
    )
    output.print_text(f"  {_changed(part)}")


def _changed(part: Sums) -> str:
    """Say how many answers changed, and how."""
    if not part.changed:
        return "no answer changed"
    kinds = (
        (part.to_right, "to right"),
        (part.to_wrong, "to wrong (negative flips)"),
        (part.wrong_to_wrong, "from wrong to wrong"),
        (part.ungraded, "without a known right answer"),
    )
    return f"{amounts.counted(part.changed, 'answer')} changed: " + ", ".join(f"{n:,} {how}" for n, how in kinds if n)


def _cost(nusd: int, unpriced: int) -> str:
    return usd(nusd) + (f" and {amounts.counted(unpriced, 'unpriced call')}" if unpriced else "")


def _print_why(why: Mapping[str, int]) -> None:
    if not why:
        return
    output.print_text()
    output.print_text("Not exact, because", style="bold")
    for reason, questions in sorted(why.items(), key=lambda pair: -pair[1])[:SHOWN]:
        output.print_text(f"  {questions:,}: {output.one_line(reason)}")


def _print_rows(rows: Sequence[Compared], changed: int, explain: str) -> None:
    if not rows:
        return
    output.print_text()
    output.print_table(
        ["question", "in the log", "other", "right", "coverage", "flip"],
        [
            [
                row.question_id,
                _answer(row.recorded.answer),
                _answer(None if row.other is None else row.other.answer),
                row.known.right or "unknown",
                row.coverage,
                row.flip or "",
            ]
            for row in rows[:SHOWN]
        ],
        title="Changed answers",
    )
    if changed > SHOWN:
        output.say(f"The first {min(SHOWN, len(rows))} of {changed:,}; -o FILE writes all of them.")
    output.say(f"`{explain} QUESTION` shows how one was decided.")


def _answer(answer: str | None) -> str:
    return "undecided" if answer is None else answer


def print_radius(found: Radius, orch: str) -> None:
    """Print which decisions stand on something no longer trusted."""
    output.print_pairs(
        [
            ("without", ", ".join(found.without)),
            ("untouched", f"{found.untouched:,} do not stand on it"),
            ("tainted", f"{found.tainted:,} stand on it, {found.direct:,} of them directly"),
            ("  changed", f"{found.changed:,} would differ{_ways(found)}"),
            ("  same", f"{found.same:,} would not"),
            ("  cannot be said", f"{found.unsaid:,}"),
        ]
    )
    if found.open:
        output.print_text(f"  {amounts.counted(found.open, 'question')} without a decision left out")
    _print_why(found.why)
    _print_rows(found.rows, found.changed, f"{orch} explain")


def _ways(found: Radius) -> str:
    return f": {found.to_right:,} to right, {found.to_wrong:,} to wrong" if found.changed else ""


def print_multiplicity(found: Multiplicity) -> None:
    """Print which answers hang on the choice among near-equal policies."""
    output.print_table(
        ["policy", "exact", "changed"],
        [[policy.change, f"{policy.exact:,}", f"{policy.changed:,}"] for policy in found.policies],
        right=["exact", "changed"],
        title="The policy in force with one knob a step up or down; answers that change against the log",
    )
    for step in found.left_out:
        output.print_text(f"  left out: {output.one_line(step)}")
    output.print_text()
    hanging, questions = len(found.hanging), found.questions
    worst = found.discrepancy
    share = "-" if worst is None else amounts.percent(round(worst * PPB), 2)
    output.print_text(
        f"{hanging:,} of {amounts.counted(questions, 'question')} hang on the choice"
        f" (ambiguity {amounts.share(hanging, questions)});"
        f" one policy changes at most {share} of its questions (discrepancy)."
    )
    if hanging:
        output.print_table(
            ["question", "changes under"],
            [[question, "; ".join(changes)] for question, changes in list(found.hanging.items())[:SHOWN]],
        )
    if hanging > SHOWN:
        output.say(f"The first {SHOWN} of {hanging:,}; --format json lists more.")
