"""Weights of the rule `odds`, with their history, as text."""

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from schemas.odds import ONE
from streams.audit.explain.words import nats, share
from streams.audit.figures import count_of, short
from streams.audit.weights_table import StandingSeen, WeightsLine, WeightsPoint, agent_weight
from streams.cli.output import clean
from streams.cli.render.narrow import NarrowTable
from streams.cli.render.odds_text import weights_line
from streams.cli.render.router_text import ROWS, sparkline, thinned


def standing(lines: Sequence[WeightsLine]) -> Group:
    """Show tables of weights: one block for each policy."""
    parts: list[Text | NarrowTable] = []
    for scope in dict.fromkeys(line["scope"] for line in lines):
        parts += [Text(), *_block([line for line in lines if line["scope"] == scope])]
    return Group(*parts)


def _block(lines: Sequence[WeightsLine]) -> list[Text | NarrowTable]:
    first = lines[0]
    entry = "no entry yet" if first["event_id"] is None else f"entry {short(first['event_id'])} #{first['sequence']:,}"
    title = Text(f"Weights of policy {clean(first['scope'])}: {count_of(first['lessons'], 'lesson')}, {entry}; in nats")
    drawn = NarrowTable(
        ("agent", "kind", "right", "n", "mean", "weights"), ("agent", "kind", "weights"), names=2, folds=("weights",)
    )
    shared = ""
    for line in lines:
        if line["agent"] is None:
            shared = weights_line(line["weights"])
            continue
        own = weights_line(line["weights"]) or "none learned"
        agent = line["agent"]
        for kind, fared in line["standing"].items() or [("", None)]:
            drawn.add_row(agent, kind, *_cells(fared), own)
            agent = own = ""
    return [title, drawn, *([Text(f"for all agents: {shared}")] if shared else [])]


def _cells(fared: StandingSeen | None) -> tuple[str, str, str]:
    if fared is None:
        return "", "", ""
    return share(fared["skill"]), "" if fared["asked"] is None else f"{fared['asked']}", nats(fared["mean"])


def course(points: Sequence[WeightsPoint]) -> Group:
    """Show a history: the agent's weight as a sparkline, and at most `ROWS` steps."""
    last = points[-1]
    title = f"Weights of {last['agent']}: {count_of(len(points), 'step')}, in nats"
    weights = [agent_weight(point) for point in points]
    reach = f"{nats(min(weights))} to {nats(max(weights))}, now {nats(weights[-1])}"
    drawn = NarrowTable(
        ("lesson", "policy", "question", "agent", "weights"),
        ("policy", "question", "weights"),
        names=2,
        folds=("weights",),
    )
    for point in thinned(points, ROWS):
        others = weights_line({name: value for name, value in point["weights"].items() if name != "agent"})
        drawn.add_row(
            f"{point['sequence']:,}",
            clean(point["scope"]),
            clean(point["question_id"]),
            nats(agent_weight(point)),
            others,
        )
    parts: list[Text | NarrowTable] = [
        Text(),
        Text(title),
        Text(f"agent {sparkline(weights, least=ONE // 20)}  {reach}"),
        drawn,
    ]
    if len(points) > ROWS:
        parts.append(Text(f"{ROWS} of {len(points):,} steps; --format json prints all", style="dim"))
    return Group(*parts)
