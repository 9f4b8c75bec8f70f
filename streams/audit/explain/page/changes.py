"""Part of the page: changes that give another answer."""

from collections.abc import Iterator

from streams.audit.explain.counterfactual.sentences import (
    answer_said,
    follows_said,
    name_of,
    sentences,
    values_of,
    weights_of_ballot,
)
from streams.audit.explain.counterfactual.would_change import WeightWouldChange, WouldChange
from streams.audit.explain.explanation import Explanation
from streams.audit.explain.page.model import Block, Grid, PagePart, Say, Shifts, Tones
from streams.drawing.rows import Shift


def change_part(told: Explanation, tones: Tones) -> Iterator[PagePart]:
    """Lay out what would have changed the decision; nothing without one."""
    found, decision = told["would_change"], told["decision"]
    if found is None or decision is None:
        return
    lines = [f"{line[:1].upper()}{line[1:]}." for line in sentences(found, decision)]
    blocks: list[Block] = [Say(lines, "list"), *_missing(found), *_weights(found, tones)]
    about = (
        "Each change was derived again by the rule that decided, from the events of the log. Agents are taken to say"
    )
    blocks.append(Say([f"{about} what they said, whatever else changes."], "quiet"))
    yield PagePart("What would have changed it", blocks)


def _missing(found: WouldChange) -> Iterator[Block]:
    rows = [
        [
            name_of(one["agent"], one["role"]),
            one["answer"],
            follows_said(one["follows"]),
            "yes" if one["changes"] else "",
        ]
        for one in found["missing"]
    ]
    if rows:
        yield Grid(["without the ballot of", "for", "follows", "changes it"], rows, ())
    added = [
        [name_of(one["agent"], one["role"]), answer_said(one["answer"]), follows_said(one["follows"])]
        for one in found["added"]
    ]
    if added:
        yield Grid(["had it counted", "for", "follows"], added)


def _weights(found: WouldChange, tones: Tones) -> Iterator[Block]:
    weights = found["weights"]
    if weights is None or not weights["agents"]:
        return
    rows = [_shift(one, tones) for one in weights["agents"]]
    reach = "; a row without a ring: no weight of that agent alone does" if any(r.end is None for r in rows) else ""
    caption = f"Weight of each ballot in nats as it was (dot), and the nearest that gives another answer (ring){reach}."
    if any(row.end is not None for row in rows):
        yield Shifts("Weights that would have changed it", caption, rows, "nats")
    unit = "quality" if weights["agents"][0]["quantity"] == "quality_ppb" else "learned weight, in nats"
    table = [
        [
            one["agent"],
            one["answer"],
            weights_of_ballot(one)[0],
            values_of(one)[0],
            "never" if one["flips_at"] is None else values_of(one)[1],
            "" if one["flips_at"] is None else f"{one['flips_at']:,}",
            "" if one["weight_there"] is None else weights_of_ballot(one)[1],
            "" if one["follows"] is None else follows_said(one["follows"]),
        ]
        for one in weights["agents"]
    ]
    exactly = "in parts per billion" if weights["agents"][0]["quantity"] == "quality_ppb" else "in 1/65,536 nat"
    head = ["agent", "for", "ballot's weight", unit, "changes it at", exactly, "weight there", "follows"]
    yield Grid(head, table, (2, 3, 4, 5, 6))


def _shift(one: WeightWouldChange, tones: Tones) -> Shift:
    tone = tones.get(one["answer"], 0)
    start = one["weight"] / 1e6
    if one["weight_there"] is None or one["follows"] is None:
        return Shift(one["agent"], start, None, "never", tone)
    end = one["weight_there"] / 1e6
    return Shift(
        one["agent"], start, end, f"{' → '.join(weights_of_ballot(one))} gives {follows_said(one['follows'])}", tone
    )
