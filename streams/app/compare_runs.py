"""Comparison of two logs on the questions both decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.decisions import DecisionMade
from streams.app.workspace import Workspace
from streams.audit.run_summary import known_answers
from streams.errors import UsageError
from streams.evaluation.comparing import adjusted, compared
from streams.evaluation.derived import ArmSeries
from streams.evaluation.measures import measured
from streams.evaluation.outcomes import ArmOutcome, GradedQuestion, outcome_of
from streams.evaluation.report import ArmResult, Comparison
from streams.log import read_event
from streams.processors.lesson import lesson_of
from streams.topology import DECISIONS, QUESTIONS

MOST_FLIPS = 1_000
"""Ids of flipped questions that a comparison names."""


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two logs beside each other."""

    first: ArmResult
    second: ArmResult
    comparison: Comparison
    only_in_one: int
    """Questions that one log alone decided."""
    ungraded: int
    """Questions of both whose right answer neither log knows."""
    to_right: tuple[str, ...]
    """Questions that the first has right and the second has wrong."""
    to_wrong: tuple[str, ...]
    """Questions that the first has wrong and the second has right."""

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch eval --compare --format json`."""
        return {
            "first": self.first.model_dump(mode="json"),
            "second": self.second.model_dump(mode="json"),
            "comparison": self.comparison.model_dump(mode="json"),
            "only_in_one": self.only_in_one,
            "ungraded": self.ungraded,
            "only_first_right": list(self.to_right[:MOST_FLIPS]),
            "only_second_right": list(self.to_wrong[:MOST_FLIPS]),
        }


@dataclass(frozen=True, slots=True)
class _Run:
    decisions: Mapping[str, DecisionMade]
    golds: Mapping[str, str | None]
    subjects: Mapping[str, str]


def compare_runs(first: str, second: str, *, seed: int, resamples: int) -> RunComparison:
    """
    Compare the first decisions of two logs, paired by question id.

    A right answer that one log knows, from gold feedback that stands, counts for both.

    Raises:
        UsageError: They share no decided question whose right answer is known.
        OperatorError: A log cannot be read.
    """
    runs = [_read(first), _read(second)]
    shared = [key for key in runs[0].decisions if key in runs[1].decisions]
    golds = {key: runs[0].golds.get(key) or runs[1].golds.get(key) for key in shared}
    graded = [key for key in shared if golds[key] is not None]
    if not graded:
        raise UsageError(
            f"{first} and {second} share {len(shared):,} decided questions, and know the right answer of none",
            remedy="`orch run --feedback gold` puts the right answers of a file into the log",
        )
    asked = {key: GradedQuestion(key, golds[key] or "", runs[0].subjects.get(key, "")) for key in graded}
    arms = []
    for name, run in zip(_names(first, second), runs, strict=True):
        rows = [_row(run.decisions[key], place, golds[key] or "") for place, key in enumerate(graded)]
        series = ArmSeries("two logs", name, "rule", [rows])
        arms.append((series, measured(series, asked, seed=seed, resamples=resamples, rule=None, routing=None)))
    (comparison,) = adjusted([compared("two logs", arms[0], arms[1], asked, seed=seed, resamples=resamples)])
    pairs = list(zip(arms[0][0].orders[0], arms[1][0].orders[0], strict=True))
    return RunComparison(
        arms[0][1],
        arms[1][1],
        comparison,
        only_in_one=len(runs[0].decisions) + len(runs[1].decisions) - 2 * len(shared),
        ungraded=len(shared) - len(graded),
        to_right=tuple(a.question_id for a, b in pairs if a.correct and not b.correct),
        to_wrong=tuple(a.question_id for a, b in pairs if b.correct and not a.correct),
    )


def _names(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first != second else (first, f"{second} (again)")


def _read(url: str) -> _Run:
    decisions: dict[str, DecisionMade] = {}
    subjects: dict[str, str] = {}
    with Workspace(url).open_reader() as reader:
        golds = known_answers(reader)
        for record in reader.records((QUESTIONS, DECISIONS)):
            event = read_event(record)
            if isinstance(event, DecisionMade):
                decisions.setdefault(event.question_id, event)
            else:
                subjects.setdefault(record.key, getattr(event, "subject", None) or "")
    return _Run(decisions, golds, subjects)


def _row(decision: DecisionMade, place: int, gold: str) -> ArmOutcome:
    """Give a row; the right answer in the form of this log's decisions, whose rules may be older."""
    return outcome_of(decision, place, lesson_of(decision).right_answer(gold) or gold, {})
