"""Tables of an explanation: scores, router estimates and learning."""

from streams.audit.explain.explanation import AveragesSeen, EntryChange, LessonSeen, RoutedBy, ScoreTerms
from streams.audit.figures import dollars, ms_of_ns, ratio, seen, short, signed
from streams.cli.output import clean
from streams.cli.render.narrow import NarrowTable
from streams.processors.score import UNKNOWN_BONUS_PPB


def scores(routed: RoutedBy) -> NarrowTable:
    """Show each candidate's score as the sum of its terms, and its seat."""
    columns = ("#", "agent", "score", "= quality", "stable", "latency", "cost", "bonus", "seat")
    table = NarrowTable(columns, ("agent", "seat"), names=2)
    for candidate in routed["candidates"]:
        score = "" if candidate["score_ppb"] is None else ratio(candidate["score_ppb"])
        terms = _terms(candidate["terms"])
        if candidate["terms"] is not None and candidate["terms"]["bonus"] >= UNKNOWN_BONUS_PPB:
            # The bonus exceeds any score; its digits would only take room from the agent's name.
            score, terms = "first", (*terms[:-1], "unasked")
        seat = candidate["seat"] or ""
        cells = (str(candidate["rank"]), candidate["agent"], score, *terms, seat)
        table.add_row(*cells, style="" if seat else "dim")
    return table


def _terms(terms: ScoreTerms | None) -> tuple[str, ...]:
    if terms is None:
        return ("",) * 5
    return (
        ratio(terms["quality"]),
        signed(terms["stability"]),
        signed(terms["latency"]),
        signed(terms["cost"]),
        signed(terms["bonus"]),
    )


def knowledge(routed: RoutedBy) -> NarrowTable:
    """Show each agent's own averages in each scope, and the averages after shrinkage."""
    columns = ("agent", "scope", "entry", "n", "quality", "latency", "cost", "stability")
    table = NarrowTable(columns, ("agent", "scope", "entry"), names=2)
    for candidate in routed["candidates"]:
        agent = candidate["agent"]
        for entry in candidate["entries"]:
            known, counted = entry["averages"], entry["observations"]
            seen = "" if counted is None else f"{counted['quality']:,}"
            name = "none yet" if entry["event_id"] is None else short(entry["event_id"])
            values = ("",) * 4 if known is None else averages(known)
            table.add_row(agent, clean(entry["scope"]), name, seen, *values)
            agent = ""
        if len(routed["scopes"]) > 1 or candidate["entries"][0]["event_id"] is None:
            table.add_row(agent, "used", "", "", *averages(candidate["averages"]), style="bold")
    return table


def averages(known: AveragesSeen) -> tuple[str, str, str, str]:
    """Write the four averages."""
    return (
        ratio(known["quality_ppb"]),
        ms_of_ns(known["latency_ns"]),
        dollars(known["cost_pusd"]),
        ratio(known["stability_ppb"]),
    )


def changes(lesson: LessonSeen) -> NarrowTable:
    """Show each observation of an agent, and the changed averages of each router entry before and after it."""
    columns = ("agent", "scope", "observed", "entry", "before → after")
    table = NarrowTable(columns, columns, names=2, folds=("observed", "before → after"))
    told = ""
    for change in lesson["changes"]:
        again = change["observation_id"] == told
        told = change["observation_id"]
        agent, observed = ("", "") if again else (change["agent"], _observed(change))
        entry = f"{short(change['event_id'])} #{change['sequence']:,}"
        table.add_row(agent, clean(change["scope"]), observed, entry, _moved(change))
    return table


def _observed(change: EntryChange) -> str:
    taken_back = "" if change["corrects"] is None else f", taken back: {short(change['corrects'])}"
    return seen(change["observed"]) + taken_back


def _moved(change: EntryChange) -> str:
    """Write the averages that an observation changed, one a line."""
    before, after = change["before"], change["after"]
    lines = []
    written = zip(
        ("quality_ppb", "latency_ms", "cost_nusd", "stability_ppb"),
        ("quality", "latency", "cost", "stability"),
        (None,) * 4 if before is None else averages(before),
        averages(after),
        strict=True,
    )
    for observed, name, old, new in written:
        if observed in change["observed"] and old != new:
            lines.append(f"{name} {'new' if old is None else old} → {new}")
    return "\n".join(lines) or "unchanged"
