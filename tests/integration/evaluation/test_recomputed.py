"""
Figures of a report, computed again from its CSV.

`ORCH_EVALUATION=DIR` names the run folder of an evaluation to be computed again, in place of a small generated one.
"""

import os
from collections.abc import Iterator
from math import comb
from pathlib import Path
from typing import Any

import duckdb
import pytest

from streams.app.evaluate import EvalJob, Evaluation, evaluate
from streams.evaluation.comparing import adjusted, compared
from streams.evaluation.derived import ArmSeries
from streams.evaluation.measures import measured
from streams.evaluation.outcomes import ArmOutcome, GradedQuestion
from streams.evaluation.report import BEST_OF, ArmResult, EvalReport
from streams.evaluation.run_folder import REPORT, RunFolder
from streams.settings import Config

from .small_world import write_world

ARM = "panel = ? AND arm = ?"
GIVEN = os.environ.get("ORCH_EVALUATION")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """An evaluation with tokens, costs, latencies, posteriors and two panels, or the given one."""
    if GIVEN is not None:
        given = RunFolder(Path(GIVEN))
        return Evaluation(EvalReport.model_validate_json(given.file(REPORT).read_bytes()), given, 0)
    folder = tmp_path_factory.mktemp("small")
    files = tuple(map(str, write_world(folder, 40, seed=5)))
    rules = ("vote", "weighted", "cascade")
    panels = ("all=able,middling,weak,absent", "pair=able,weak")
    job = EvalJob(files, folder / "run", Config(), panels, rules=rules, orders=3, resamples=300, processes=1)
    return evaluate(job)


@pytest.fixture(scope="module")
def database(done: Evaluation) -> Iterator[duckdb.DuckDBPyConnection]:
    """Its long form as the table `rows`."""
    connection = duckdb.connect(":memory:")
    connection.execute(
        "CREATE TABLE rows AS SELECT * FROM read_csv(?, all_varchar = true, header = true)",
        [str(done.folder.file("rows.csv"))],
    )
    for column in ("order", "place", "correct", "calls", "input_tokens", "output_tokens"):
        connection.execute(f'ALTER TABLE rows ALTER "{column}" TYPE BIGINT')
    for column in ("cost_nusd", "unpriced_calls", "latency_ms", "posterior_ppb"):
        connection.execute(f'ALTER TABLE rows ALTER "{column}" TYPE BIGINT')
    yield connection
    connection.close()


def _one(database: duckdb.DuckDBPyConnection, query: str, *values: Any) -> tuple[Any, ...]:
    row = database.execute(query, list(values)).fetchone()
    assert row is not None
    return row


def test_figures_of_each_arm(done: Evaluation, database: duckdb.DuckDBPyConnection) -> None:
    """Accuracy, range of orders, undecided, calls, tokens, cost and latency of every arm follow from the rows."""
    assert len(done.report.arms) > 15
    for arm in done.report.arms:
        found = _one(
            database,
            'SELECT count(DISTINCT question_id), count(DISTINCT "order"), avg(correct), avg((answer IS NULL)::INT),'
            " avg(calls), avg(input_tokens), avg(output_tokens), avg(unpriced_calls), avg(latency_ms),"
            " CASE WHEN sum(calls - unpriced_calls) > 0 THEN sum(cost_nusd) / 1e9 / count(*) END"
            f" FROM rows WHERE {ARM}",
            arm.panel,
            arm.name,
        )
        expected = (arm.questions, arm.orders, arm.accuracy, arm.undecided, arm.calls, arm.input_tokens)
        expected += (arm.output_tokens, arm.unpriced_calls, arm.latency_ms, arm.cost_usd)
        assert found == pytest.approx(expected), arm.name
        low, high = _one(
            database,
            f'SELECT min(a), max(a) FROM (SELECT avg(correct) AS a FROM rows WHERE {ARM} GROUP BY "order")',
            arm.panel,
            arm.name,
        )
        assert (low, high) == pytest.approx((arm.by_order.low, arm.by_order.high))


def test_subjects_and_early_exits(done: Evaluation, database: duckdb.DuckDBPyConnection) -> None:
    """Accuracy by subject, and answers by number of calls, follow from the rows."""
    for arm in done.report.arms:
        subjects = database.execute(
            "SELECT subject, count(DISTINCT question_id), avg(correct)"
            f" FROM rows WHERE {ARM} GROUP BY subject ORDER BY subject",
            [arm.panel, arm.name],
        ).fetchall()
        assert subjects == [(s.subject, s.questions, pytest.approx(s.accuracy)) for s in arm.subjects]
        taken = database.execute(
            f"SELECT calls, count(*), avg(correct) FROM rows WHERE {ARM} GROUP BY calls ORDER BY calls",
            [arm.panel, arm.name],
        ).fetchall()
        assert taken == [(point.calls, point.answers, pytest.approx(point.accuracy)) for point in arm.calls_taken]


def test_calibration(done: Evaluation, database: duckdb.DuckDBPyConnection) -> None:
    """The bins of posteriors, and the calibration error over them, follow from the rows."""
    with_posteriors = [arm for arm in done.report.arms if arm.calibration is not None]
    assert with_posteriors
    for arm in with_posteriors:
        assert arm.calibration is not None
        bins = database.execute(
            "SELECT avg(posterior_ppb) / 1e9, avg(correct), count(*) FROM rows"
            f" WHERE {ARM} AND posterior_ppb IS NOT NULL AND answer IS NOT NULL"
            " GROUP BY least(9, posterior_ppb * 10 // 1000000000) ORDER BY 1",
            [arm.panel, arm.name],
        ).fetchall()
        assert bins == [(pytest.approx(p), pytest.approx(a), n) for p, a, n in arm.calibration.bins]
        answers = sum(n for _, _, n in bins)
        assert arm.calibration.ece == pytest.approx(sum(abs(p - a) * n for p, a, n in bins) / answers)


def test_comparisons(done: Evaluation, database: duckdb.DuckDBPyConnection) -> None:
    """Difference, discordant questions, flips and prices of extra right answers follow from the rows."""
    arms = {(arm.panel, arm.name): arm for arm in done.report.arms}
    assert len(done.report.comparisons) > 20
    for one in done.report.comparisons:
        joined = (
            "WITH a AS (SELECT * FROM rows WHERE panel = $1 AND arm = $2),"
            " b AS (SELECT * FROM rows WHERE panel = $1 AND arm = $3),"
            " orders AS (SELECT unnest(range(1, $4 + 1)) AS k), pairs AS (SELECT k, a.correct - b.correct AS d"
            ' FROM orders JOIN a ON a."order" = least(k, (SELECT max("order") FROM a))'
            ' JOIN b ON b."order" = least(k, (SELECT max("order") FROM b)) AND b.question_id = a.question_id)'
        )
        found = _one(
            database,
            f"{joined} SELECT avg(d), count(*) FILTER (k = 1 AND d > 0), count(*) FILTER (k = 1 AND d < 0),"
            " avg((d > 0)::INT), avg((d < 0)::INT) FROM pairs",
            one.panel,
            one.first,
            one.second,
            one.orders,
        )
        expected = (one.difference, one.only_first, one.only_second, one.flips_to_right, one.flips_to_wrong)
        assert found == pytest.approx(expected)
        first, second = arms[one.panel, one.first], arms[one.panel, one.second]
        extra = first.accuracy - second.accuracy
        assert one.extra_right == pytest.approx(1_000 * extra)
        if extra > 0:
            assert one.calls_per_extra_right == pytest.approx((first.calls - second.calls) / extra)
        else:
            assert one.calls_per_extra_right is None


def test_errors_and_confusion(done: Evaluation, database: duckdb.DuckDBPyConnection) -> None:
    """Error correlations are Pearson's of the rows; the confusion counts the rows of the first order."""
    assert len(done.report.errors) == sum(comb(len(agents), 2) for agents in done.report.panels.values())
    for pair in done.report.errors:
        both = (
            "FROM rows a JOIN rows b USING (panel, question_id)"
            " WHERE panel = ? AND a.arm = ? AND b.arm = ? AND a.kind = 'single' AND b.kind = 'single'"
        )
        found = _one(
            database,
            "SELECT corr(1 - a.correct, 1 - b.correct), avg(((a.correct + b.correct) = 0)::INT),"
            f" avg(coalesce(a.answer = b.answer, false)::INT) FILTER (a.correct + b.correct = 0) {both}",
            pair.panel,
            pair.first,
            pair.second,
        )
        assert found == pytest.approx((pair.correlation, pair.both_wrong, pair.same_wrong))
    cells = database.execute(
        "SELECT panel, arm, gold, answer, count(*) FROM rows"
        " WHERE \"order\" = 1 AND regexp_full_match(gold, '[A-Z]') GROUP BY ALL"
    ).fetchall()
    assert set(cells) == {(c.panel, c.arm, c.gold, c.answer, c.answers) for c in done.report.confusion}


def test_intervals_and_p_values(done: Evaluation, database: duckdb.DuckDBPyConnection) -> None:
    """Intervals, p-values, Holm and sentences are functions of the rows and the seed alone."""
    report = done.report
    questions: dict[str, GradedQuestion] = {}
    held: dict[tuple[str, str], tuple[str, dict[int, list[ArmOutcome]]]] = {}
    for row in database.execute("SELECT * FROM rows").fetchall():
        panel, arm, kind, order, place, key, dataset, subject, gold, answer, correct, *amounts = row
        questions[key] = GradedQuestion(key, gold, subject, dataset)
        _, orders = held.setdefault((panel, arm), (kind, {}))
        orders.setdefault(order, []).append(ArmOutcome(place, key, answer, bool(correct), *amounts))
    again: dict[tuple[str, str], tuple[ArmSeries, ArmResult]] = {}
    for arm in report.arms:
        kind, orders = held[arm.panel, arm.name]
        series = ArmSeries(arm.panel, arm.name, kind, [orders[order] for order in sorted(orders)], arm.agents)
        result = measured(
            series, questions, seed=report.seed, resamples=report.resamples, rule=arm.rule, routing=arm.routing
        )
        again[arm.panel, arm.name] = (series, result)
        assert result == arm.model_copy(update={"vote_at_equal_calls": None})
    found = [
        compared(
            one.family,
            again[one.panel, one.first],
            again[one.panel, one.second],
            questions,
            seed=report.seed,
            resamples=report.resamples,
        )
        for one in report.comparisons
    ]
    assert adjusted(found) == list(report.comparisons)


def test_vote_at_equal_calls(done: Evaluation) -> None:
    """Beside each rule stands the vote, best first, at the same calls: between the two sizes around them."""
    for panel, agents in done.report.panels.items():
        arms = [arm for arm in done.report.arms if arm.panel == panel]
        sizes = sorted((arm.calls, arm.accuracy) for arm in arms if arm.name.startswith(BEST_OF))
        assert len(sizes) == len(agents)
        rules = [arm for arm in arms if arm.kind == "rule"]
        for arm in rules:
            assert arm.vote_at_equal_calls is not None
            near = [accuracy for calls, accuracy in sizes if abs(calls - arm.calls) <= 1]
            assert min(near) - 1e-9 <= arm.vote_at_equal_calls <= max(near) + 1e-9


def test_the_report_on_disk_is_the_report(done: Evaluation) -> None:
    """report.json holds the data model, whole."""
    assert type(done.report).model_validate_json(Path(done.folder.file("report.json")).read_bytes()) == done.report
