"""Part of the page: the choice of the panel."""

from collections.abc import Iterator, Mapping

from streams.audit.explain.explanation import Explanation, RoutedBy
from streams.audit.explain.page.model import Block, Facts, Grid, PagePart, Say
from streams.audit.explain.words import HOW_ASKED, nats, share, what_it_knew, why_these
from streams.audit.figures import count_of, dollars, ms_of_ns, ratio, short, signed
from streams.processors.score import UNKNOWN_BONUS_PPB


def panel_part(told: Explanation) -> Iterator[PagePart]:
    """Lay out what the router knew, and why it chose; nothing without a panel."""
    routed = told["routing"]
    if routed is None:
        return
    blocks: list[Block] = [
        Say([f"Asked were {why_these(routed, told['policy'])}. Ties go to {' > '.join(routed['priority'])}."])
    ]
    if any(candidate["score_ppb"] is not None for candidate in routed["candidates"]):
        head = ["#", "agent", "score", "= quality", "+ stability", "+ latency", "+ cost", "+ bonus", "seat"]
        blocks.append(Grid(head, list(_scores(routed)), (0, 2, 3, 4, 5, 6, 7)))
    blocks.append(Say([f"{what_it_knew(routed)[:1].upper()}{what_it_knew(routed)[1:]}:"], "quiet"))
    head = ["agent", "scope", "entry", "n", "quality", "latency", "cost", "stability"]
    blocks.append(Grid(head, list(_knowledge(routed)), (3, 4, 5, 6, 7)))
    facts = [("merge agent", routed["merger"] or ""), ("reserve", ", ".join(routed["reserve"]))]
    blocks.append(Facts([pair for pair in facts if pair[1]]))
    odds = routed["odds"]
    if odds is not None:
        lessons = count_of(odds["lessons"], "lesson")
        blocks.append(
            Say(
                [
                    f"Asked {HOW_ASKED[odds['mode']]}.",
                    f"What the weights of policy {odds['scope']} knew for questions of kind {odds['kind']}: {lessons}.",
                ]
            )
        )
        rows = [
            [m["agent"], share(m["skill"]), nats(m["mean"]), _weights(m["weights"]) or "none learned"]
            for m in odds["members"]
        ]
        blocks.append(Grid(["agent", "right", "mean weight", "own weights, in nats"], rows, (1, 2)))
        if odds["shared"]:
            blocks.append(Say([f"For all agents: {_weights(odds['shared'])}."], "quiet"))
    yield PagePart("Who was asked, and why", blocks)


def _weights(weights: Mapping[str, int]) -> str:
    ordered = sorted(weights.items(), key=lambda item: -abs(item[1]))
    return ", ".join(f"{name} {nats(value)}" for name, value in ordered)


def _scores(routed: RoutedBy) -> Iterator[list[str]]:
    for one in routed["candidates"]:
        terms = one["terms"]
        score = "" if one["score_ppb"] is None else ratio(one["score_ppb"])
        cells = [""] * 5
        if terms is not None:
            cells = [ratio(terms["quality"]), *(signed(terms[k]) for k in ("stability", "latency", "cost", "bonus"))]
            if terms["bonus"] >= UNKNOWN_BONUS_PPB:
                score, cells[-1] = "first", "unasked"
        yield [f"{one['rank']}", one["agent"], score, *cells, one["seat"] or ""]


def _knowledge(routed: RoutedBy) -> Iterator[list[str]]:
    for one in routed["candidates"]:
        for entry in one["entries"]:
            known, counted = entry["averages"], entry["observations"]
            n = "0" if counted is None else f"{counted['quality']:,}"
            name = "none yet" if entry["event_id"] is None else short(entry["event_id"])
            values = [""] * 4
            if known is not None:
                values = [
                    ratio(known["quality_ppb"]),
                    ms_of_ns(known["latency_ns"]),
                    dollars(known["cost_pusd"]),
                    ratio(known["stability_ppb"]),
                ]
            yield [one["agent"], entry["scope"], name, n, *values]
        used = one["averages"]
        if len(routed["scopes"]) > 1 or one["entries"][0]["event_id"] is None:
            yield [
                "",
                "used",
                "",
                "",
                ratio(used["quality_ppb"]),
                ms_of_ns(used["latency_ns"]),
                dollars(used["cost_pusd"]),
                ratio(used["stability_ppb"]),
            ]
