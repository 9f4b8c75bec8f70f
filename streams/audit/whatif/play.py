"""A log under other policies, played through the pipeline."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdopted
from streams.audit.whatif.deciding import Deciding
from streams.audit.whatif.grading import known_of
from streams.audit.whatif.outcome import Answer, Compared
from streams.audit.whatif.recorded import RecordedQuestion, SameCalls, recorded_question
from streams.audit.whatif.schedule import PlayMove, Schedule
from streams.errors import InvariantError
from streams.log import FoldingWriter, LogReader, read_event
from streams.topology import ASSIGNMENTS

T = TypeVar("T")

HELD = 512
"""Questions read from the log, and panels, that are kept in memory; those of a window are asked for several times."""
COMMITTED = 256
"""Moves of one transaction of the scratch log."""

SEEN_OTHERWISE = "its panel saw lessons in another order than any order of whole lessons"
STATE_UNKNOWN = "what the router had learned before it is not known exactly"


def rests_on_lessons(policy: PolicyAdopted) -> bool:
    """Whether decisions under a policy depend on the router's table; a static panel that votes does not."""
    return policy.routing.rule != "static" or policy.merge.rule != "vote"


@dataclass(slots=True)
class Play:
    """
    Plays the moves of a log through the processors, under other policies.

    The scratch log takes the questions, the recorded analyses, the deadlines and the feedback as its inputs; the same
    stages as ever derive all the rest. Where a decision rests on lessons, the first question that is not exact leaves
    every question behind its lesson unknown, so those are not played.

    Args:
        reader: The log.
        log: An empty scratch log.
        recorded: Policies of the log, by the ids of their events.
        others: The policy that stands in the place of each.
        kept: How many questions and panels stay in memory.
    """

    reader: LogReader
    log: FoldingWriter
    recorded: Mapping[str, PolicyAdopted]
    others: Mapping[str, PolicyAdopted]
    kept: int = HELD
    _in_force: str = ""
    _learned_exactly: bool = True
    _unknown: dict[str, str] = field(default_factory=dict)
    """Why the panel of an asked question is not known."""
    _changed: set[str] = field(default_factory=set)
    """Questions with another answer than recorded."""
    _unplayed: set[str] = field(default_factory=set)
    """Questions whose feedback teaches nothing here, because they were not decided here."""
    _panels: OrderedDict[str, PanelAssigned] = field(default_factory=OrderedDict)
    _read: OrderedDict[str, RecordedQuestion] = field(default_factory=OrderedDict)
    _calls: dict[tuple[str, str], SameCalls] = field(default_factory=dict)

    def run(self, schedule: Schedule) -> Iterator[Compared]:
        """Play all moves, and give each question when it is decided."""
        for event in schedule.carried:
            self.log.append(event)
        for number, move in enumerate(schedule.moves(), start=1):
            if move.kind == "ask":
                self._ask(move)
            elif move.kind == "decide":
                yield self._decide(move.question_id)
            else:
                self._tell(move)
            if number % COMMITTED == 0:
                self.log.commit()

    def _ask(self, move: PlayMove) -> None:
        other = self.others[move.given]
        if rests_on_lessons(other) and not (move.exact and self._learned_exactly):
            self._unknown[move.question_id] = STATE_UNKNOWN if move.exact else SEEN_OTHERWISE
            return
        if self._in_force != other.event_id:
            # Carried entries are folded with it: a question sees what stands before it.
            self._put(other, again=True)
            self._in_force = other.event_id
        panel = next(
            (e for e in self._put(self._question(move.question_id).question) if isinstance(e, PanelAssigned)), None
        )
        if panel is None:
            raise InvariantError(f"question {move.question_id!r} got no panel", key=move.question_id)
        _keep(self._panels, move.question_id, panel, self.kept)

    def _decide(self, question_id: str) -> Compared:
        recorded = self._question(question_id)
        known = known_of(recorded.decision, recorded.feedback.values())
        before = Answer.of(recorded.decision)
        unknown = self._unknown.pop(question_id, None)
        if unknown is not None:
            self._learned_exactly = False
            self._unplayed.add(question_id)
            return Compared(question_id, "unknown", unknown, before, None, known)
        deciding = Deciding(self._panel(question_id), recorded, self._same_calls(recorded), self._put)
        decision = deciding.decide()
        if deciding.coverage != "exact":
            self._learned_exactly = False
        if decision.answer != recorded.decision.answer:
            self._changed.add(question_id)
        return Compared(question_id, deciding.coverage, deciding.why, before, Answer.of(decision), known)

    def _tell(self, move: PlayMove) -> None:
        if move.question_id in self._unplayed:
            return
        feedback = self._question(move.question_id).feedback[move.given]
        if isinstance(feedback, FeedbackGiven) and feedback.verdict and move.question_id in self._changed:
            # It judges an answer that was not given here.
            self._learned_exactly = False
            return
        self._put(feedback)

    def _same_calls(self, recorded: RecordedQuestion) -> SameCalls:
        before = self.recorded[recorded.panel.causes[1]]
        other = self.others[before.event_id]
        calls = self._calls.get((before.event_id, other.event_id))
        if calls is None:
            calls = self._calls[before.event_id, other.event_id] = SameCalls(before, other)
        return calls

    def _put(self, event: Event, *, again: bool = False) -> list[Event]:
        """Append an input, and fold until nothing is left."""
        self.log.append(event, again=again)
        made: list[Event] = []
        while self.log.ready:
            made += [stored.event for stored in self.log.fold()]
        return made

    def _question(self, question_id: str) -> RecordedQuestion:
        found = self._read.get(question_id)
        if found is None:
            found = recorded_question(self.reader.about(question_id))
            if found is None:
                raise InvariantError(f"question {question_id!r} has a decision and no question", key=question_id)
            _keep(self._read, question_id, found, self.kept)
        return found

    def _panel(self, question_id: str) -> PanelAssigned:
        panel = self._panels.pop(question_id, None)
        if panel is not None:
            return panel
        events = (read_event(record) for record in self.log.about(question_id) if record.topic == ASSIGNMENTS)
        return next(event for event in events if isinstance(event, PanelAssigned))


def _keep(held: OrderedDict[str, T], question_id: str, value: T, most: int) -> None:
    held[question_id] = value
    if len(held) > most:
        held.popitem(last=False)
