"""Explanation laid out as the model of its page."""

from collections.abc import Iterator

from streams.audit.explain.explanation import Explanation, QuestionSeen
from streams.audit.explain.page.answers import answer_part, cut
from streams.audit.explain.page.changes import change_part
from streams.audit.explain.page.count import count_part
from streams.audit.explain.page.course import course
from streams.audit.explain.page.lessons import lesson_part
from streams.audit.explain.page.model import Block, Choices, Grid, OptionShown, PageModel, PagePart, Quote, Say, Tones
from streams.audit.explain.page.panel import panel_part
from streams.audit.explain.words import lesson_named, spent, waits_for, why_decided
from streams.audit.figures import count_of

LONGEST_QUESTION, LONGEST_OPTION = 4_000, 600
"""Characters of a text that a page shows; all of them with *full*."""


def page_model(told: Explanation, *, full: bool = False) -> PageModel:
    """
    Lay an explanation out.

    Args:
        told: The explanation.
        full: Whether texts are shown whole.
    """
    decision = told["decision"]
    tones = tones_of(told)
    parts = [
        PagePart("Question", _question(told, full=full)),
        PagePart("Course", [course(told, tones)]),
        *count_part(told, tones),
        *change_part(told, tones),
        *panel_part(told),
        *answer_part(told, tones, full=full),
        *lesson_part(told),
        *_set_aside(told),
        PagePart("Events", [_events(told)]),
    ]
    if decision is None:
        waiting = told["waiting"]
        summary = ["no decision yet", *([f"waits for {waits_for(waiting)}"] if waiting else [])]
        return PageModel(told["question_id"], "", "", "open", summary, parts)
    agreement = decision["agreement"]
    summary = [
        why_decided(decision),
        f"{agreement['agreeing']} of {agreement['counted']} agreed",
        f"rule {decision['rule']}",
        spent(decision),
        decision["decided_at"],
    ]
    state: str = decision["status"]
    return PageModel(
        told["question_id"],
        decision["answer"] or "undecided",
        decision["answer_text"] or "",
        "decided" if state == "decided" else "undecided",
        summary,
        parts,
    )


def tones_of(told: Explanation) -> Tones:
    """Give each answer a colour: the one decided the first, then those with the larger sums."""
    decision = told["decision"]
    if decision is None:
        given = [seat["answer"] for stage in told["stages"] for seat in stage["seats"] if seat["answer"]]
        order = sorted(dict.fromkeys(given))
    else:
        tally = decision["tally"]
        order = sorted(tally, key=lambda answer: (answer != decision["answer"], -tally[answer], answer))
        if decision["answer"] is not None and decision["answer"] not in order:
            order.insert(0, decision["answer"])
    return {answer: 1 + place % 8 for place, answer in enumerate(order)}


def _question(told: Explanation, *, full: bool) -> list[Block]:
    asked = told["question"]
    text, left_out = cut(asked["text"], LONGEST_QUESTION, full=full)
    about = ", ".join([f"subject {asked['subject']}" if asked["subject"] else "no subject", asked["asked_at"]])
    blocks: list[Block] = [Quote("", about, text, left_out)]
    if asked["options"]:
        blocks.append(Choices(list(_choices(told, asked, full=full))))
    else:
        blocks.append(Say(["The answer is a number."], "quiet"))
    return blocks


def _choices(told: Explanation, asked: QuestionSeen, *, full: bool) -> Iterator[OptionShown]:
    decision = told["decision"]
    for option in asked["options"]:
        letter = option["letter"]
        given = sum(
            seat["answer"] == letter and seat["status"] == "counted"
            for stage in told["stages"]
            for seat in stage["seats"]
        )
        text, left_out = cut(option["text"], LONGEST_OPTION, full=full)
        chosen = decision is not None and decision["answer"] == letter
        shown = text + (f" … {left_out:,} characters more" if left_out else "")
        yield OptionShown(letter, shown, count_of(given, "ballot") if given else "", chosen)


def _set_aside(told: Explanation) -> Iterator[PagePart]:
    if told["set_aside"]:
        lines = [
            f"A record of {letter['source_topic']}: {letter['reason']}: {letter['detail']}"
            for letter in told["set_aside"]
        ]
        yield PagePart("Set aside", [Say(lines, "list")])


def _events(told: Explanation) -> Grid:
    rows = [["question", told["question"]["asked_at"], told["question"]["event_id"]]]
    if told["policy"] is not None:
        rows.append(["policy", told["policy"]["adopted_at"], told["policy"]["event_id"]])
    if told["routing"] is not None:
        rows.append(["panel", told["routing"]["assigned_at"], told["routing"]["event_id"]])
        for one in told["routing"]["candidates"]:
            for entry in one["entries"]:
                if entry["event_id"] is not None:
                    rows.append([f"router entry, {one['agent']} in {entry['scope']}", "", entry["event_id"]])
        odds = told["routing"]["odds"]
        if odds is not None and odds["entry_id"] is not None:
            rows.append([f"weights of {odds['scope']}", "", odds["entry_id"]])
    for stage in told["stages"]:
        if stage["number"]:
            rows.append([f"stage {stage['number']}", stage["opened_at"], stage["event_id"]])
        for seat in stage["seats"]:
            if seat["analysis_id"] is not None:
                rows.append([f"analysis, {seat['agent']}", seat["published_at"] or "", seat["analysis_id"]])
    decision = told["decision"]
    if decision is not None:
        if decision["deadline_id"] is not None:
            rows.append(["deadline", "", decision["deadline_id"]])
        rows.append(["decision", decision["decided_at"], decision["event_id"]])
    for lesson in told["lessons"]:
        if lesson["cause"] != "decision":
            rows.append([lesson_named(lesson)[0], lesson["at"], lesson["event_id"]])
        for change in lesson["changes"]:
            rows.append([f"observation, {change['agent']}", "", change["observation_id"]])
            rows.append([f"router entry, {change['agent']} in {change['scope']}", "", change["event_id"]])
        for moved in lesson["weights"]:
            rows.append(["lesson", "", moved["lesson_id"]])
            rows.append([f"weights of {moved['scope']}", "", moved["event_id"]])
    seen = {tuple(row): row for row in rows}
    return Grid(["event", "event time", "id"], list(seen.values()), (), "All events that this page rests on")
