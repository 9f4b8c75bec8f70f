"""Part of the page: the course as a picture."""

from collections.abc import Sequence

from streams.audit.explain.explanation import CandidateSeen, EntrySeen, Explanation, RoutedBy, SeatTaken, StageSeen
from streams.audit.explain.page.model import Steps, Tones
from streams.audit.explain.words import (
    lesson_named,
    policy_in_short,
    seat_said,
    spent,
    taught_nothing,
    waits_for,
    why_decided,
    why_opened,
    why_these,
)
from streams.audit.figures import count_of, dollars, ms_of_ns, ratio, usd
from streams.drawing.flow import Box, Group
from streams.processors.score import UNKNOWN_BONUS_PPB


def course(told: Explanation, tones: Tones) -> Steps:
    """Draw a question from its asking to what was learned of it."""
    groups = [Group("question", told["question"]["asked_at"], [])]
    policy, routed, decision = told["policy"], told["routing"], told["decision"]
    if routed is not None:
        if policy is not None:
            box = Box(f"policy {policy['policy_id']}", policy_in_short(policy).split("; "))
            groups[0] = Group("question and policy", told["question"]["asked_at"], [box])
        groups.append(_panel_group(routed, why_these(routed, policy)))
    for stage in told["stages"]:
        boxes = [_seat_box(stage, seat, tones) for seat in stage["seats"]]
        role = {"analyst": "analysts", "merger": "merge agent"}.get(stage["role"], stage["role"])
        groups.append(Group(f"stage {stage['number']}: {role}", why_opened(stage, routed), boxes))
    if decision is not None:
        answer = decision["answer"]
        posterior = decision["trace"][-1]["posterior_ppb"]
        lines = [why_decided(decision), spent(decision)]
        if posterior is not None:
            lines.insert(0, f"posterior {ratio(posterior)}")
        chosen = decision["answer_text"] or ("decided" if answer else "no answer")
        box = Box(chosen, lines, answer or "?", tones.get(answer or "", 0), "strong" if answer else "hollow")
        groups.append(Group("decision", decision["rule"], [box]))
    if told["waiting"] is not None:
        groups.append(Group("waits", "", [Box(waits_for(told["waiting"]), look="hollow")]))
    after = []
    for lesson in told["lessons"]:
        name, about = lesson_named(lesson)
        changed = len(lesson["changes"]) + sum(len(change["moved"]) for change in lesson["weights"])
        said = taught_nothing(lesson) or f"{count_of(changed, 'number')} moved"
        lines = [line for line in (about, said) if line]
        after.append(Box(name, lines, look="hollow" if lesson["set_aside"] else "plain"))
    if after:
        groups.append(Group("what it taught", "the router's table and the weights", after))
    caption = "From the question to what was learned. Colours stand for answers; a dashed box did not count."
    return Steps("Course of the question", caption, groups)


def _panel_group(routed: RoutedBy, why: str) -> Group:
    boxes = [
        Box(
            f"{candidate['rank']}. {candidate['agent']}",
            [
                *([] if candidate["score_ppb"] is None else [f"score {_score(candidate)}"]),
                f"quality {ratio(candidate['averages']['quality_ppb'])}, n {_seen(candidate['entries'])}",
                f"{ms_of_ns(candidate['averages']['latency_ns'])}, {dollars(candidate['averages']['cost_pusd'])}",
            ],
            look="plain" if candidate["seat"] in ("panel", "explored") else "hollow",
        )
        for candidate in routed["candidates"]
    ]
    return Group("panel, and what the router knew", why, boxes)


def _score(candidate: CandidateSeen) -> str:
    terms = candidate["terms"]
    if terms is not None and terms["bonus"] >= UNKNOWN_BONUS_PPB:
        return "first: never asked yet"
    return ratio(candidate["score_ppb"] or 0)


def _seen(entries: Sequence[EntrySeen]) -> str:
    counted = [entry["observations"]["quality"] for entry in entries if entry["observations"] is not None]
    return f"{max(counted):,}" if counted else "0"


def _seat_box(stage: StageSeen, seat: SeatTaken, tones: Tones) -> Box:
    lines = []
    if seat["status"] == "counted":
        lines.append(f"read as {seat['read_as']}")
    elif seat["status"] == "excluded":
        lines.append(f"excluded: {(seat['reason'] or '').replace('_', ' ')}")
    else:
        lines.append(seat_said(stage, seat, None))
    calls = [attempt for attempt in seat["attempts"] if attempt["outcome"] != "refused"]
    if calls:
        cost = usd(seat["cost_nusd"]) if not seat["unpriced_calls"] else "cost unknown"
        lines.append(f"{seat['latency_ms'] or 0:,} ms, {cost}")
        if len(calls) > 1:
            lines.append(f"{len(calls)} attempts")
    counts = seat["status"] in ("counted", "heard")
    answer = seat["answer"] or ""
    return Box(seat["agent"], lines, answer, tones.get(answer, 0), "plain" if counts else "hollow")
