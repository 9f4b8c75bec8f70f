"""Tree of the events behind a decision."""

from collections.abc import Iterator

from streams.audit.explain.explanation import Explanation, LessonSeen, SeatTaken, StageSeen
from streams.audit.explain.words import lesson_named, seat_said, taught_nothing, why_decided, why_opened
from streams.audit.figures import count_of, short
from streams.drawing.elements import Node, element

Branch = tuple[str, str, str | None, list["Branch"]]
"""Name of an event, what it says, its id, and what came from it."""


def event_tree(told: Explanation) -> Node:
    """Draw the events of a question as nested lists; long ids are cut, and whole in their titles."""
    return element("ul", _item(_root(told)), class_="tree")


def _item(branch: Branch) -> Node:
    name, said, event_id, beneath = branch
    return element(
        "li",
        element("b", name),
        f" {said} " if said else " ",
        element("code", short(event_id), title=event_id) if event_id else None,
        element("ul", [_item(each) for each in beneath]) if beneath else None,
    )


def _root(told: Explanation) -> Branch:
    question, routed = told["question"], told["routing"]
    asked = f"asked {question['asked_at']}"
    if routed is None:
        return ("question", asked, question["event_id"], [])
    policy = told["policy"]
    under = "" if policy is None else f" under policy {policy['policy_id']} ({short(policy['event_id'])})"
    known = sum(entry["event_id"] is not None for one in routed["candidates"] for entry in one["entries"])
    chosen = f"assigned{under}, from {count_of(known, 'router entry').replace('entrys', 'entries')}"
    beneath = [*(_stage(stage, told) for stage in told["stages"]), *_decision(told)]
    return ("question", asked, question["event_id"], [("panel", chosen, routed["event_id"], beneath)])


def _stage(stage: StageSeen, told: Explanation) -> Branch:
    seats = [_seat(stage, seat, told) for seat in stage["seats"]]
    return (f"stage {stage['number']}", f"{stage['role']}s: {why_opened(stage, told['routing'])}", _own(stage), seats)


def _own(stage: StageSeen) -> str | None:
    """Give the event that opened a stage; the panel opens the first one itself."""
    return None if stage["reason"] in ("assigned", "shadow") else stage["event_id"]


def _seat(stage: StageSeen, seat: SeatTaken, told: Explanation) -> Branch:
    late = "; it came after the decision" if seat["late"] else ""
    return (seat["agent"], f"{seat_said(stage, seat, told['decision'])}{late}", seat["analysis_id"], [])


def _decision(told: Explanation) -> Iterator[Branch]:
    decision = told["decision"]
    if decision is None:
        return
    said = f"{decision['answer'] or 'undecided'}: {why_decided(decision)}"
    beneath = [branch for lesson in told["lessons"] for branch in _lesson(lesson)]
    yield ("decision", said, decision["event_id"], beneath)


def _lesson(lesson: LessonSeen) -> Iterator[Branch]:
    name, about = lesson_named(lesson)
    own = lesson["event_id"] if lesson["cause"] != "decision" else None
    moved: list[Branch] = []
    for change in lesson["changes"]:
        entry = f"router entry of {change['agent']} in {change['scope']}, number {change['sequence']:,}"
        moved.append(("observation", f"of {change['agent']}, then {entry}", change["event_id"], []))
    for taught in lesson["weights"]:
        said = f"moved {count_of(len(taught['moved']), 'weight')} of policy {taught['scope']}"
        moved.append(("lesson", said, taught["event_id"], []))
    yield (name, "; ".join(part for part in (about, taught_nothing(lesson)) if part), own, moved)
