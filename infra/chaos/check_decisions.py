"""
Checks of each question, from its panel to its decision.

Each question has one panel and one decision. The decision rests on the first analyses, and on a vote counted again
here.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from infra.chaos.reading import (
    ANALYSES,
    ASSIGNMENTS,
    DEADLINES,
    DECISIONS,
    FEEDBACK,
    PANELS,
    QUESTIONS,
    CheckFindings,
    Read,
)

_SAID = re.compile(r"answer is \(?([A-Z])\)?", re.IGNORECASE)
"""The answer in a simulated agent's text."""


class SeatKey(NamedTuple):
    """One agent's place in a stage, as its analysis names it."""

    opener: str
    stage: int
    role: str
    agent: str


class Observation(NamedTuple):
    """What `learn` is to write about one agent."""

    question_id: str
    agent: str
    source: str
    causes: tuple[str, ...]


@dataclass(slots=True)
class _QuestionTrail:
    """One question: ids, and what the checks need of the events."""

    home: int
    panels: list[str] = field(default_factory=list)
    decisions: list[Read] = field(default_factory=list)
    seats: dict[SeatKey, None] = field(default_factory=dict)
    """Those of all stages."""
    openers: list[str] = field(default_factory=list)
    first: dict[SeatKey, str] = field(default_factory=dict)
    """Of each seat the analysis that came first in the log."""
    said: dict[str, str | None] = field(default_factory=dict)
    """What the analyses answer, by event id."""
    deadlines: list[str] = field(default_factory=list)
    feedback: dict[tuple[str, str | None], Read] = field(default_factory=dict)
    """The first of each source and author."""
    priority: list[str] = field(default_factory=list)
    quorum: int = 1


class DecisionCheck:
    """
    The questions of a log.

    Records of one topic and partition come in their order; questions before panels, and feedback after all others.
    """

    def __init__(self, findings: CheckFindings) -> None:
        self.reasons: Counter[str] = Counter()
        """Decisions by their reason."""
        self.second_calls = 0
        """Analyses of a seat that had one: a call made again after a crash."""
        self.later_stages = 0
        self.late_feedback = 0
        """Feedback that was given after the decision."""
        self._findings = findings
        self._cases: dict[str, _QuestionTrail] = {}
        self._seen: dict[tuple[int, str, str], tuple[int, str]] = {}
        self._asked_at: dict[tuple[int, str], int] = {}
        self._askings: defaultdict[str, set[str]] = defaultdict(set)
        self._assigned: dict[int, tuple[int, str]] = {}
        """By partition: the offset of the question assigned last, and the position of its panel."""
        self._takes = {
            QUESTIONS: self._take_question,
            ASSIGNMENTS: self._take_opener,
            ANALYSES: self._take_analysis,
            DEADLINES: self._take_deadline,
            DECISIONS: self._take_decision,
            FEEDBACK: self._take_feedback,
        }

    def take(self, read: Read) -> None:
        """Take in an event; events of other topics are ignored."""
        if read.found.topic in self._takes:
            self._takes[read.found.topic](read)

    def _case(self, read: Read) -> _QuestionTrail:
        question_id = read.fields["question_id"]
        case = self._cases.setdefault(question_id, _QuestionTrail(read.found.partition))
        if case.home != read.found.partition or read.found.key != question_id.encode():
            self._findings.add("scattered", f"{read.found.place}: question {question_id} lives in {case.home}")
        return case

    @property
    def asked_again(self) -> int:
        """Questions that were asked at another time too, each time counted."""
        return sum(len(ids) - 1 for ids in self._askings.values())

    def _take_question(self, read: Read) -> None:
        self._askings[read.fields["question_id"]].add(read.event_id)
        self._asked_at.setdefault((read.found.partition, read.fields["question_id"]), read.found.offset)

    def _in_order(self, read: Read) -> None:
        """Panels of a partition come in the order of its questions."""
        question_id, partition = read.fields["question_id"], read.found.partition
        asked_at = self._asked_at.get((partition, question_id))
        if asked_at is None:
            self._findings.add("never asked", f"{read.found.place}: {question_id}, not in this partition")
            return
        newest, place = self._assigned.get(partition, (-1, ""))
        if asked_at < newest:
            self._findings.add("out of order", f"{read.found.place}: question {asked_at} after {newest} at {place}")
        self._assigned[partition] = max((newest, place), (asked_at, read.found.place))

    def _take_opener(self, read: Read) -> None:
        case, stage = self._case(read), read.fields["stage"]
        if read.fields["kind"] in PANELS:
            case.panels.append(read.event_id)
            case.priority = read.fields["priority"]
            case.quorum = read.fields["merge"]["quorum"]
            self._in_order(read)
            self._look_back(read)
        else:
            self.later_stages += 1
        if stage["number"] != len(case.openers):
            place = f"{read.found.place}: stage {stage['number']} is the {len(case.openers) + 1}. in the log"
            self._findings.add("out of order", place)
        case.openers.append(read.event_id)
        for seat in stage["seats"]:
            case.seats[SeatKey(read.event_id, stage["number"], stage["role"], seat["agent"])] = None

    def _look_back(self, read: Read) -> None:
        """What a partition saw of the router never goes backwards."""
        scopes = read.fields["scopes"]
        for candidate in read.fields["candidates"]:
            for scope, sequence in zip(scopes, candidate["sequences"], strict=True):
                line = read.found.partition, scope, candidate["agent"]
                newest, seen_at = self._seen.get(line, (0, ""))
                if sequence < newest:
                    case = f"{read.found.place}: {scope}/{candidate['agent']} at {sequence}, {seen_at} saw {newest}"
                    self._findings.add("went backwards", case)
                self._seen[line] = max((newest, seen_at), (sequence, read.found.place))

    def _take_analysis(self, read: Read) -> None:
        case, fields = self._case(read), read.fields
        seat = SeatKey(fields["causes"][0], fields["stage"], fields["role"], fields["agent"])
        self.second_calls += seat in case.first
        case.first.setdefault(seat, read.event_id)
        case.said[read.event_id] = answer_of(fields)

    def _take_deadline(self, read: Read) -> None:
        self._case(read).deadlines.append(read.event_id)

    def _take_decision(self, read: Read) -> None:
        self._case(read).decisions.append(read)

    def _take_feedback(self, read: Read) -> None:
        case = self._cases.get(read.fields["question_id"])
        # In another partition it is the misplaced record, which a stage republished.
        if case is not None and case.home == read.found.partition:
            case.feedback.setdefault((read.fields["source"], read.fields["author"]), read)

    def finish(self, asked: Collection[str]) -> tuple[list[Observation], list[Observation]]:
        """
        Check every question, and list what is to be observed of the agents, and what is to be taught the weights.

        Args:
            asked: Ids of the questions that a broker has acknowledged.
        """
        for question_id in sorted(set(asked) - self._cases.keys()):
            self._findings.add("lost", f"{question_id}: no panel")
        for question_id in sorted(self._cases.keys() - set(asked)):
            self._findings.add("never asked", question_id)
        expected: list[Observation] = []
        taught: list[Observation] = []
        for question_id, case in self._cases.items():
            if len(case.panels) != 1:
                self._findings.add("panels", f"{question_id}: {case.panels}")
            if len(case.decisions) > 1:
                ids = [decision.event_id for decision in case.decisions]
                self._findings.add("decided differently", f"{question_id}: {ids}")
            for seat in case.first.keys() - case.seats.keys():
                self._findings.add("nobody's seat", f"{question_id}: {seat}")
            if not case.decisions:
                self._findings.add("lost", f"{question_id}: no decision")
                continue
            decision = case.decisions[0]
            self.reasons[decision.fields["reason"]] += 1
            for kind, what in (*_rests(case, decision), *_counted(case, decision.fields)):
                self._findings.add(kind, f"{question_id}: {what}")
            expected.extend(_observations(case, decision))
            taught.extend(_lessons(case, decision))
            decided_at_ms = decision.found.timestamp_ms
            self.late_feedback += sum(one.found.timestamp_ms > decided_at_ms for one in case.feedback.values())
        return expected, taught


def _voices(decision: dict[str, Any]) -> list[dict[str, Any]]:
    return [*decision["counted"], *decision["excluded"]]


def _rests(case: _QuestionTrail, decision: Read) -> Iterator[tuple[str, str]]:
    """Check that a decision counts each seat once, by its first analysis in the log, and names its causes."""
    fields, seats = decision.fields, {(seat.stage, seat.agent): seat for seat in case.seats if seat.role == "analyst"}
    heard = [(voice["stage"], voice["agent"]) for voice in _voices(fields)]
    if Counter(heard) != Counter(seats.keys()):
        yield "wrong seats", f"heard {sorted(heard)}, seated {sorted(seats)}"
        return
    overdue = fields["reason"] == "deadline"
    for voice in _voices(fields):
        seat = seats[voice["stage"], voice["agent"]]
        analysis_id = voice["analysis_id"]
        if analysis_id is None:
            if not overdue:
                yield "left out", f"{voice['agent']} did not answer, and the deadline had not passed"
            continue
        if analysis_id != case.first.get(seat):
            yield "not the first", f"{voice['agent']}: {analysis_id}, not {case.first.get(seat)}"
        if analysis_id not in fields["causes"]:
            yield "unnamed cause", analysis_id
    for opener in case.openers:
        if opener not in fields["causes"]:
            yield "unnamed cause", opener
    if overdue and not set(case.deadlines) & set(fields["causes"]):
        yield "unnamed cause", f"the deadline, one of {case.deadlines}"


def _counted(case: _QuestionTrail, decision: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Count the vote again: the most ballots win, and of equal answers the one of the agent first in the order."""
    ballots = decision["counted"]
    for ballot in ballots:
        if case.said.get(ballot["analysis_id"]) not in (None, ballot["answer"]):
            yield "misread", f"{ballot['agent']} said {case.said[ballot['analysis_id']]}, not {ballot['answer']}"
    if decision["rule"] != "vote.v1":
        return
    tally = Counter(ballot["answer"] for ballot in ballots)
    most = [answer for answer, count in tally.items() if count == max(tally.values())]
    order = {agent: place for place, agent in enumerate(case.priority)}
    ranked = sorted(
        (order.get(ballot["agent"], len(order)), ballot["answer"]) for ballot in ballots if ballot["answer"] in most
    )
    answer = ranked[0][1] if ranked and len(ballots) >= case.quorum else None
    told = decision["answer"], decision["status"], decision["tally"], decision["agreement"]
    agreement = {"agreeing": tally[answer] if answer else 0, "counted": len(ballots)}
    counted = answer, "decided" if answer else "undecided", dict(tally), agreement
    if told != counted:
        yield "miscounted", f"{told}, not {counted}"


def _observations(case: _QuestionTrail, decision: Read) -> Iterator[Observation]:
    fields = decision.fields
    for voice in _voices(fields):
        yield Observation(fields["question_id"], voice["agent"], "decision", (decision.event_id,))
    for feedback in case.feedback.values():
        for voice in _voices(fields):
            if voice.get("reason") not in ("failed", "no_reply"):
                causes = decision.event_id, feedback.event_id
                yield Observation(fields["question_id"], voice["agent"], feedback.fields["source"], causes)


def _lessons(case: _QuestionTrail, decision: Read) -> Iterator[Observation]:
    """List the lessons for the weights: one of each feedback, unless no agent gave an analysis that it judges."""
    spoiled = [one for one in decision.fields["excluded"] if one["reason"] in ("unreadable", "outside_options")]
    said = decision.fields["counted"] or spoiled
    if decision.fields.get("odds") is not None and said:
        for feedback in case.feedback.values():
            causes = decision.event_id, feedback.event_id
            yield Observation(decision.fields["question_id"], "", feedback.fields["source"], causes)


def answer_of(analysis: dict[str, Any]) -> str | None:
    """Read the answer of a simulated agent; none where it gave none."""
    if analysis["answer"] is not None:
        return str(analysis["answer"])
    said = _SAID.findall(analysis["text"])
    return said[-1].upper() if said else None
