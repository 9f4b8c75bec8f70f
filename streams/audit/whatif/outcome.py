"""
Result of a counterfactual, as plain data.

It knows nothing of how it is shown: the command line prints it, and a page may.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from schemas.decisions import DecisionMade

Coverage = Literal["exact", "partial", "unknown"]
"""
What the log says of one question under the other policy.

`exact`: every analysis that this policy asks for is recorded, with the same request, and everything that its panel
rests on is known exactly too. `partial`: the panel is known, and an analysis that it asks for is not recorded; the
answer is that of the others. `unknown`: the panel cannot be derived from what is recorded.
"""
COVERAGES: tuple[Coverage, ...] = ("exact", "partial", "unknown")

Flip = Literal["to right", "to wrong", "wrong to wrong", "ungraded"]
"""
How a changed answer compares with the right one; `to wrong` is a negative flip. Undecided is not right.

Source of the term: Yan et al., Positive-Congruent Training (CVPR 2021); Echterhoff et al., MUSCLE (2024).
"""

MOST_ROWS = 1_000
"""Changed questions that a result holds; each is handed on as it is found, so a file has all of them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one policy makes of a question: its answer, and what that took."""

    answer: str | None
    """None if undecided."""
    calls: int
    cost_nusd: int
    """RightAnswer part of the cost."""
    unpriced_calls: int

    @classmethod
    def of(cls, decision: DecisionMade) -> "Answer":
        """Take it from a decision."""
        return cls(decision.answer, decision.calls, decision.cost_nusd, decision.unpriced_calls)


@dataclass(frozen=True, slots=True)
class RightAnswer:
    """What feedback says of the right answer."""

    right: str | None = None
    wrong: tuple[str, ...] = ()
    """Answers that a verdict called wrong."""

    def grade(self, answer: str | None) -> bool | None:
        """Say whether an answer is right; None if that is not known. Undecided is not right where anything is known."""
        if self.right is not None:
            return answer == self.right
        return False if answer in self.wrong or (answer is None and self.wrong) else None


@dataclass(frozen=True, slots=True)
class Compared:
    """One question as it was decided, and as the other policy decides it."""

    question_id: str
    coverage: Coverage
    why: str
    """Why the coverage is not exact; else empty."""
    recorded: Answer
    other: Answer | None
    """None where the coverage is unknown: nothing is imputed."""
    known: RightAnswer

    @property
    def changed(self) -> bool:
        """Whether the answer differs."""
        return self.other is not None and self.other.answer != self.recorded.answer

    @property
    def flip(self) -> Flip | None:
        """How the answer changed; None if it did not."""
        if self.other is None or not self.changed:
            return None
        before, after = self.known.grade(self.recorded.answer), self.known.grade(self.other.answer)
        if after:
            return "to right"
        if before:
            return "to wrong"
        return "ungraded" if before is None or after is None else "wrong to wrong"

    def as_json(self) -> dict[str, Any]:
        """Give the row of a table of flips; a right answer is null where no feedback tells it."""
        return {
            "question_id": self.question_id,
            "coverage": self.coverage,
            "why": self.why,
            "recorded": self.recorded.answer,
            "other": None if self.other is None else self.other.answer,
            "right": self.known.right,
            "flip": self.flip,
        }


@dataclass(slots=True)
class Sums:
    """Sums over questions of one coverage. Those of the other policy are over the same questions."""

    questions: int = 0
    changed: int = 0
    to_right: int = 0
    to_wrong: int = 0
    """Negative flips."""
    wrong_to_wrong: int = 0
    ungraded: int = 0
    graded: int = 0
    """Questions of which it is known whether either answer is right."""
    right_recorded: int = 0
    right_other: int = 0
    undecided_recorded: int = 0
    undecided_other: int = 0
    calls_recorded: int = 0
    calls_other: int = 0
    cost_recorded_nusd: int = 0
    cost_other_nusd: int = 0
    unpriced_recorded: int = 0
    unpriced_other: int = 0

    def add(self, row: Compared) -> None:
        """Add one question."""
        self.questions += 1
        recorded, other = row.recorded, row.other
        self.undecided_recorded += recorded.answer is None
        self.calls_recorded += recorded.calls
        self.cost_recorded_nusd += recorded.cost_nusd
        self.unpriced_recorded += recorded.unpriced_calls
        if other is None:
            return
        self.undecided_other += other.answer is None
        self.calls_other += other.calls
        self.cost_other_nusd += other.cost_nusd
        self.unpriced_other += other.unpriced_calls
        before, after = row.known.grade(recorded.answer), row.known.grade(other.answer)
        if before is not None and after is not None:
            self.graded += 1
            self.right_recorded += before
            self.right_other += after
        flip = row.flip
        if flip is not None:
            self.changed += 1
            self.to_right += flip == "to right"
            self.to_wrong += flip == "to wrong"
            self.wrong_to_wrong += flip == "wrong to wrong"
            self.ungraded += flip == "ungraded"

    def as_json(self) -> dict[str, Any]:
        """Give the sums, with the shares of right answers; null where nothing is graded."""
        sums = asdict(self)
        sums["accuracy_recorded"] = share(self.right_recorded, self.graded)
        sums["accuracy_other"] = share(self.right_other, self.graded)
        return sums


@dataclass(slots=True)
class WhatIf:
    """Questions of a log under another policy."""

    changes: tuple[str, ...]
    """What differs from the policies of the log: `KEY: old -> new`."""
    sums: dict[Coverage, Sums] = field(default_factory=lambda: {coverage: Sums() for coverage in COVERAGES})
    open: int = 0
    """Questions without a decision in the log; they are in no sum."""
    why: dict[str, int] = field(default_factory=dict)
    """Number of questions for each reason why a coverage is not exact."""
    rows: list[Compared] = field(default_factory=list)
    """The first changed questions, at most `MOST_ROWS`, exact and partial ones."""

    @property
    def questions(self) -> int:
        """Questions compared."""
        return sum(part.questions for part in self.sums.values())

    @property
    def changed(self) -> int:
        """Questions whose answer changed, exact and partial ones."""
        return sum(part.changed for part in self.sums.values())

    def add(self, row: Compared) -> None:
        """Add one question."""
        self.sums[row.coverage].add(row)
        if row.why:
            self.why[row.why] = self.why.get(row.why, 0) + 1
        if row.changed and len(self.rows) < MOST_ROWS:
            self.rows.append(row)

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch whatif --format json`."""
        return {
            "changes": list(self.changes),
            "questions": self.questions,
            "open": self.open,
            **{coverage: part.as_json() for coverage, part in self.sums.items()},
            "why": dict(sorted(self.why.items())),
            "flips": [row.as_json() for row in self.rows],
            "flips_left_out": self.changed - len(self.rows),
        }


@dataclass(slots=True)
class Radius:
    """Retraction radius: the decisions that stand on something no longer trusted."""

    without: tuple[str, ...]
    direct: int = 0
    """Decisions that use it themselves; the other tainted ones stand on what was learned from it."""
    changed: int = 0
    """Tainted decisions whose answer differs without it."""
    same: int = 0
    """Tainted decisions whose answer is the same without it."""
    unsaid: int = 0
    """Tainted decisions of which the log cannot say it, since the coverage is not exact."""
    untouched: int = 0
    to_right: int = 0
    to_wrong: int = 0
    open: int = 0
    """Questions without a decision in the log."""
    why: dict[str, int] = field(default_factory=dict)
    rows: list[Compared] = field(default_factory=list)
    """The first changed decisions, at most `MOST_ROWS`."""

    @property
    def tainted(self) -> int:
        """Decisions that stand on it."""
        return self.changed + self.same + self.unsaid

    def add(self, row: Compared, *, tainted: bool, direct: bool) -> bool:
        """Add one decision; say whether it is tainted and changed."""
        if not tainted:
            self.untouched += 1
            return False
        self.direct += direct
        if row.coverage != "exact":
            self.unsaid += 1
            self.why[row.why] = self.why.get(row.why, 0) + 1
            return False
        self.changed += row.changed
        self.same += not row.changed
        self.to_right += row.flip == "to right"
        self.to_wrong += row.flip == "to wrong"
        if row.changed and len(self.rows) < MOST_ROWS:
            self.rows.append(row)
        return row.changed

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch whatif --without --format json`."""
        counts = asdict(self) | {"without": list(self.without), "why": dict(sorted(self.why.items()))}
        counts["rows"] = [row.as_json() for row in self.rows]
        return counts | {"tainted": self.tainted, "rows_left_out": self.changed - len(self.rows)}


@dataclass(frozen=True, slots=True)
class NearPolicy:
    """One policy near another: what differs, and what comes of it."""

    change: str
    exact: int
    """Questions of which the log says exactly what it answers."""
    changed: int
    """Those of them that it answers otherwise."""


@dataclass(slots=True)
class Multiplicity:
    """
    How much hangs on the choice among near-equal policies.

    Ambiguity is the share of questions that some policy of the set answers otherwise, discrepancy the largest share
    that one of them does. Only exact coverage counts.

    Source: Marx, Calmon, Ustun, Predictive Multiplicity in Classification (ICML 2020).
    """

    policies: list[NearPolicy] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Steps that give no valid policy."""
    questions: int = 0
    """Questions that at least one policy of the set covers exactly."""
    hanging: dict[str, list[str]] = field(default_factory=dict)
    """Questions that some policy answers otherwise, with those policies, in the order in which they were found."""

    @property
    def ambiguity(self) -> float | None:
        """Share of questions that hang on the choice; None without questions."""
        return share(len(self.hanging), self.questions)

    @property
    def discrepancy(self) -> float | None:
        """Largest share of its questions that one policy answers otherwise; None without questions."""
        shares = [found for p in self.policies if (found := share(p.changed, p.exact)) is not None]
        return max(shares, default=None)

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch whatif --near --format json`."""
        return {
            "questions": self.questions,
            "hanging": len(self.hanging),
            "ambiguity": self.ambiguity,
            "discrepancy": self.discrepancy,
            "policies": [asdict(policy) for policy in self.policies],
            "left_out": self.left_out,
            "answers": [{"question_id": q, "policies": p} for q, p in _first(self.hanging)],
        }


def _first(hanging: dict[str, list[str]]) -> Sequence[tuple[str, list[str]]]:
    return list(hanging.items())[:MOST_ROWS]


def share(part: int, whole: int) -> float | None:
    """Give part of whole; None of nothing."""
    return part / whole if whole else None
