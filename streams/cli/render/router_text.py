"""The router's table and its history as text."""

from collections.abc import Sequence
from typing import TypeVar

from rich.console import Group
from rich.text import Text

from schemas.quantities import PPB
from streams.audit.figures import count_of, ratio, seen
from streams.audit.router_table import CoursePoint, RouterLine, RouterTable
from streams.cli.output import clean
from streams.cli.render.explain_tables import averages
from streams.cli.render.narrow import NarrowTable

P = TypeVar("P")

ROWS = 20
"""Most steps of a history that are shown, including the first and the last."""
SPARKS = "▁▂▃▄▅▆▇█"
SPARK_WIDTH = 60


def standing(table: RouterTable) -> Group:
    """Show a table: one block for each scope."""
    policy = f"policy {clean(table['policy_id'])}" if table["policy_id"] else "no policy"
    moment = f"as question {clean(table['at'])} saw it" if table["at"] else "now"
    rule = f", {table['rule']} routing" if table["rule"] else ""
    columns = ("#", "agent", "score", "used", "quality", "n", "latency", "cost", "stability")
    drawn = NarrowTable(columns, ("agent",), names=2)
    scope = None
    for line in table["lines"]:
        if line["scope"] != scope:
            scope = line["scope"]
            drawn.add_row("", f"scope {clean(scope)}", *[""] * (len(columns) - 2), style="bold")
        drawn.add_row(*_cells(line), style="" if line["rank"] else "dim")
    return Group(Text(f"Router table {moment}; {policy}{rule}"), drawn)


def _cells(line: RouterLine) -> tuple[str, ...]:
    own, used, counted = line["own"], line["used"], line["observations"]
    quality, latency, cost, stability = ("",) * 4 if own is None else averages(own)
    return (
        "–" if line["rank"] is None else str(line["rank"]),
        line["agent"],
        "" if line["score_ppb"] is None else ratio(line["score_ppb"]),
        "" if used is None else ratio(used["quality_ppb"]),
        quality,
        "0" if counted is None else f"{counted['quality']:,}",
        latency,
        cost,
        stability,
    )


def course(points: Sequence[CoursePoint]) -> Group:
    """Show a history: the quality as a sparkline, and at most `ROWS` steps."""
    title = f"{points[0]['agent']} in scope {clean(points[0]['scope'])}: {count_of(len(points), 'step')}"
    # Before its first observation a quality is the cold start, which says nothing about the agent.
    qualities = [p["averages"]["quality_ppb"] for p in points if p["observations"]["quality"]]
    columns = ("step", "question", "source", "observed", "quality", "n", "latency", "cost", "stability")
    drawn = NarrowTable(columns, ("question", "source", "observed"), names=2, folds=("source", "observed"))
    for point in thinned(points, ROWS):
        source = f"{point['source']}, taken back" if point["corrects"] else point["source"]
        quality, latency, cost, stability = averages(point["averages"])
        counted = f"{point['observations']['quality']:,}"
        step = f"{point['sequence']:,}"
        told = seen(point["observed"])
        drawn.add_row(step, clean(point["question_id"]), source, told, quality, counted, latency, cost, stability)
    spark = Text("no quality observed yet")
    if qualities:
        reach = f"{ratio(min(qualities))} to {ratio(max(qualities))}, now {ratio(qualities[-1])}"
        spark = Text(f"quality {sparkline(qualities)}  {reach}")
    if len(points) <= ROWS:
        return Group(Text(title), spark, drawn)
    note = f"{ROWS} of {len(points):,} steps; --format json prints all"
    return Group(Text(title), spark, drawn, Text(note, style="dim"))


def thinned(points: Sequence[P], most: int) -> list[P]:
    """Keep at most *most* points, evenly spread, including the first and the last."""
    if len(points) <= most:
        return list(points)
    return [points[place * (len(points) - 1) // (most - 1)] for place in range(most)]


def sparkline(values: Sequence[int], width: int = SPARK_WIDTH, *, least: int = PPB // 50) -> str:
    """Draw values as blocks, each the mean of its share of them; lowest and highest are at least *least* apart."""
    groups = min(width, len(values))
    means = []
    for group in range(groups):
        start, end = group * len(values) // groups, (group + 1) * len(values) // groups
        means.append(sum(values[start:end]) // (end - start))
    low, high = min(means), max(means)
    spread = max(high - low, least)
    return "".join(SPARKS[min((mean - low) * len(SPARKS) // spread, len(SPARKS) - 1)] for mean in means)
