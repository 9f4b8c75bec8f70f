"""Part of the page: calls and texts of the agents."""

from collections.abc import Iterator

from schemas.quantities import ms_of_instant
from streams.audit.explain.explanation import Explanation, SeatTaken, StageSeen
from streams.audit.explain.page.model import Block, Calls, Grid, PagePart, Quote, Tones
from streams.audit.explain.words import attempt_said, seat_said
from streams.audit.figures import usd
from streams.drawing.rows import Span, Spans

LONGEST_ANALYSIS = 400
"""Characters of an analysis that a page shows; all of them with *full*."""


def cut(text: str, most: int, *, full: bool) -> tuple[str, int]:
    """Cut a text; say how many characters are left out."""
    return (text, 0) if full or len(text) <= most else (text[:most], len(text) - most)


def answer_part(told: Explanation, tones: Tones, *, full: bool) -> Iterator[PagePart]:
    """Lay out calls and texts; nothing without a panel."""
    if not told["stages"]:
        return
    rows: list[Spans] = []
    quotes: list[Quote] = []
    attempts: list[list[str]] = []
    begun = ms_of_instant(told["stages"][0]["opened_at"])
    for stage in told["stages"]:
        offset = float(ms_of_instant(stage["opened_at"]) - begun)
        for seat in stage["seats"]:
            if seat["attempts"]:
                rows.append(_spans(stage, seat, offset, tones))
            for number, attempt in enumerate(seat["attempts"], 1):
                attempts.append([f"{stage['number']}", seat["agent"], f"{number}", attempt_said(attempt)])
            quotes += _quotes(stage, seat, told, full=full)
    blocks: list[Block] = []
    if rows:
        caption = "Calls since the panel was assigned, one after another. A hollow bar failed or was not made."
        blocks.append(Calls("Calls", caption, rows))
        blocks.append(Grid(["stage", "agent", "attempt", "what happened"], attempts, (0, 2), "Every attempt"))
    yield PagePart("What the agents said", [*blocks, *quotes])


def _spans(stage: StageSeen, seat: SeatTaken, offset: float, tones: Tones) -> Spans:
    spans, at = [], offset
    for attempt in seat["attempts"]:
        failed = attempt["outcome"] != "ok"
        end = at + attempt["latency_ms"]
        tone = 2 if failed else tones.get(seat["answer"] or "", 0)
        spans.append(Span(at, end, attempt_said(attempt), 0 if failed else tone, failed))
        at = end
    cost = usd(seat["cost_nusd"]) if not seat["unpriced_calls"] else f"{usd(seat['cost_nusd'])} or more"
    outcome = seat["answer"] or (seat["reason"] or stage["role"]).replace("_", " ")
    return Spans(seat["agent"], spans, f"{outcome}, {seat['latency_ms'] or 0:,} ms, {cost}")


def _quotes(stage: StageSeen, seat: SeatTaken, told: Explanation, *, full: bool) -> Iterator[Quote]:
    about = seat_said(stage, seat, told["decision"])
    if seat["late"]:
        about += "; it came after the decision"
    if seat["sub_question"]:
        about += f"; asked: {cut(seat['sub_question'], LONGEST_ANALYSIS, full=full)[0]}"
    text, left_out = cut(seat["text"] or "", LONGEST_ANALYSIS, full=full)
    yield Quote(seat["agent"], about, text, left_out)
