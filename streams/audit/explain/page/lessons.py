"""Part of the page: lessons of decision and feedback."""

from collections.abc import Iterator

from streams.audit.explain.explanation import AveragesSeen, EntryChange, Explanation, LessonSeen
from streams.audit.explain.page.model import Block, Grid, PagePart, Say
from streams.audit.explain.words import lesson_named, nats, taught_nothing
from streams.audit.figures import dollars, ms_of_ns, ratio, seen, short


def lesson_part(told: Explanation) -> Iterator[PagePart]:
    """Lay out what was learned, and what later feedback changed; nothing without a decision."""
    blocks: list[Block] = []
    for lesson in told["lessons"]:
        name, about = lesson_named(lesson)
        said = f"{name[:1].upper()}{name[1:]}{', ' if about else ''}{about}, {lesson['at']}"
        nothing = taught_nothing(lesson)
        blocks.append(Say([f"{said}: {nothing}." if nothing else f"{said}:"]))
        blocks += _changes(lesson)
    if blocks:
        yield PagePart("What it taught, and what feedback changed", blocks)


def _changes(lesson: LessonSeen) -> Iterator[Block]:
    if lesson["changes"]:
        rows = [
            [
                change["agent"],
                change["scope"],
                seen(change["observed"]) + (f", taken back: {short(change['corrects'])}" if change["corrects"] else ""),
                f"{short(change['event_id'])} #{change['sequence']:,}",
                "; ".join(_moved(change)) or "unchanged",
            ]
            for change in lesson["changes"]
        ]
        yield Grid(["agent", "scope", "observed", "entry", "before → after"], rows)
    for one in lesson["weights"]:
        known = f"right: {one['right']}" if one["right"] is not None else f"wrong: {one['wrong']}"
        if one["right"] is None and one["wrong"] is None:
            known = "by the agents' agreement"
        if one["corrects"] is not None:
            known = f"lesson {short(one['corrects'])} taken back"
        yield Say([f"Weights of policy {one['scope']}, entry {short(one['event_id'])} #{one['sequence']:,}; {known}:"])
        rows = [
            [
                moved["name"],
                "" if moved["before"] is None else nats(moved["before"]),
                nats(moved["after"]),
                "" if moved["before"] is None else nats(moved["after"] - moved["before"]),
            ]
            for moved in one["moved"]
        ]
        yield Grid(["weight, in nats", "before", "after", "step"], rows, (1, 2, 3))


def _moved(change: EntryChange) -> Iterator[str]:
    before, after = change["before"], change["after"]
    names = (
        ("quality_ppb", "quality"),
        ("latency_ms", "latency"),
        ("cost_nusd", "cost"),
        ("stability_ppb", "stability"),
    )
    for (observed, name), old, new in zip(names, _values(before), _values(after), strict=True):
        if observed in change["observed"] and old != new:
            yield f"{name} {old or 'new'} → {new}"


def _values(known: AveragesSeen | None) -> tuple[str, str, str, str]:
    if known is None:
        return ("",) * 4
    return (
        ratio(known["quality_ppb"]),
        ms_of_ns(known["latency_ns"]),
        dollars(known["cost_pusd"]),
        ratio(known["stability_ppb"]),
    )
