"""Long form: a row for each question, order, arm."""

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from streams.errors import OperatorError
from streams.evaluation.derived import ArmSeries
from streams.evaluation.outcomes import GradedQuestion

COLUMNS = (
    "panel",
    "arm",
    "kind",
    "order",
    "place",
    "question_id",
    "dataset",
    "subject",
    "gold",
    "answer",
    "correct",
    "calls",
    "input_tokens",
    "output_tokens",
    "cost_nusd",
    "unpriced_calls",
    "latency_ms",
    "posterior_ppb",
)
"""`order` counts from 1; an arm that does not depend on the order has one. Unknown amounts are empty."""


def write_long_form(path: Path, series: Iterable[ArmSeries], asked: Mapping[str, GradedQuestion]) -> int:
    """
    Write the rows; the file appears whole or not at all.

    Returns:
        Number of rows.

    Raises:
        OperatorError: The file cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    rows = 0
    try:
        with open(beside, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            for arm in series:
                for order, outcomes in enumerate(arm.orders, 1):
                    for row in outcomes:
                        question = asked[row.question_id]
                        writer.writerow(
                            (
                                arm.panel,
                                arm.name,
                                arm.kind,
                                order,
                                row.place,
                                row.question_id,
                                question.dataset,
                                question.subject,
                                question.gold,
                                row.answer,
                                int(row.correct),
                                *row[4:],
                            )
                        )
                        rows += 1
        os.replace(beside, path)
    except OSError as error:
        raise OperatorError(
            f"{path}: {error.strerror}", remedy="Check folder, disk and permissions", file=str(path)
        ) from error
    return rows
