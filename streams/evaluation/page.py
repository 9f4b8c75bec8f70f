"""Report of an evaluation as one self-contained page."""

from collections.abc import Iterator

from streams.drawing.charts import Estimate, estimates_chart
from streams.drawing.elements import Node, element
from streams.drawing.page import both_widths, figure, page, section
from streams.evaluation.page_figures import panel_figures
from streams.evaluation.page_tables import comparisons_table
from streams.evaluation.report import Comparison, EvalReport

_DIFFERENCES = (
    "percentage points with their 95 % intervals, of the same questions in the same orders. Coloured: p after Holm's"
    " correction is below 0.05."
)


def report_page(report: EvalReport) -> str:
    """Write the page; every figure has its numbers as a table beneath."""
    return page("Evaluation", *report_parts(report))


def report_parts(report: EvalReport) -> list[Node]:
    """Give what the page shows, a heading first."""
    heading = element("h1", f"Evaluation of {_panels(report)} on {report.source.questions:,} questions")
    return [heading, _about(report), *_found(report), *_parts(report), _again(report), _terms()]


def _panels(report: EvalReport) -> str:
    names = list(report.panels)
    return f"panel {names[0]!r}" if len(names) == 1 else f"{len(names)} panels"


def _about(report: EvalReport) -> Node:
    orders = "one order" if report.orders == 1 else f"{report.orders} random orders"
    text = (
        f"The questions were asked in {orders} of the questions (seed {report.seed}); right answers were fed back"
        f" {'after each question' if report.window == 1 else f'after every {report.window} questions'}."
    )
    left_out = f" {report.source.ungraded:,} questions without a right answer were left out."
    return element("p", text, left_out if report.source.ungraded else None, class_="quiet")


def _found(report: EvalReport) -> Iterator[Node]:
    if not report.comparisons:
        return
    figures = []
    for family in dict.fromkeys((one.panel, one.family) for one in report.comparisons):
        members = [one for one in report.comparisons if (one.panel, one.family) == family]
        rows = [
            Estimate(one.first, one.difference, one.interval.low, one.interval.high, _tone_of(one.p_holm))
            for one in members
        ]
        said = element("details", element("summary", "Sentences for a paper"))
        said.append(element("ul", [element("li", one.sentence) for one in members]))
        panel, name = family
        about = f"{name[:1].upper()}{name[1:]}"
        about += f" ({members[0].second})" if members[0].second in report.panels[panel] else ""
        about += f", panel {panel}" if len(report.panels) > 1 else ""
        figures += [_differences(about, rows, members), said]
    yield section("What can be told apart", figures)


def _differences(about: str, rows: list[Estimate], members: list[Comparison]) -> Node:
    chart = both_widths(lambda width: estimates_chart(about, rows, _points, zero=True, width=width))
    return figure(chart, f"{about}: {_DIFFERENCES}", comparisons_table(members))


def _tone_of(p_holm: float) -> int:
    return 1 if p_holm < 0.05 else 0


def _points(difference: float) -> str:
    """Write a difference of accuracies in percentage points."""
    written = f"{100 * difference:+.1f}".replace("-", "−")
    return "0.0" if written in ("+0.0", "−0.0") else written


def _parts(report: EvalReport) -> Iterator[Node]:
    for panel in report.panels:
        yield section(f"Panel {panel}", *panel_figures(report, panel))


def _again(report: EvalReport) -> Node:
    facts = [
        ("orch", report.version),
        ("files", ", ".join(report.source.files)),
        ("sampling", report.source.sampling or "all questions"),
        ("SHA-256 of the questions and outputs", report.source.sha256),
        ("bootstrap", f"{report.resamples:,} resamples"),
        (
            "logs",
            f"{report.logs:,}; of {report.replayed:,} every event was derived again, {report.different} different",
        ),
        *((f"not measured: {what}", why) for what, why in report.not_run.items()),
    ]
    listed = [part for name, said in facts for part in (element("dt", name), element("dd", said))]
    return section("To make this page again", element("pre", report.command), element("dl", listed))


def _terms() -> Node:
    terms = {
        "arm": "One way to get an answer: an agent, the vote of a panel, or a merge rule with its routing.",
        "agent as chosen on line": "Before each question the agent that has been right most often so far.",
        "95 % interval": "Of one order Wilson's; of several, bootstrap by question, each question with all its orders.",
        "Holm": "Correction of p-values, because of many comparisons some look significant by chance.",
        "posterior": "Probability that a merge rule gives its answer. Agreement of agents is not a probability.",
    }
    listed = [part for name, said in terms.items() for part in (element("dt", name), element("dd", said))]
    return section("Words", element("dl", listed))
