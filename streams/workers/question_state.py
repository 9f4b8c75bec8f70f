"""State of one question, and the seats free to take."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, Role, StageOpened
from schemas.questions import QuestionAsked
from streams.agents.calls.seat import Opener, OpenSeat
from streams.log import Headers, Record

Claim = tuple[str, int, Role, str]
"""A seat as an analysis names it: the event that opened its stage, number and role of the stage, the agent."""


class Opened(NamedTuple):
    """A stage that was opened."""

    event: Opener
    at_ms: int
    """Timestamp of its record."""
    headers: Headers


@dataclass(slots=True, eq=False)
class QuestionState:
    """A question that waits for its decision; closing it frees its content."""

    question_id: str
    partition: int
    question: QuestionAsked | None = None
    opened: list[Opened] = field(default_factory=list)
    """The first panel in the log, then the stages that follow from it."""
    taken: dict[Claim, None] = field(default_factory=dict)
    """Seats that have their analysis, or whose call this process has queued."""
    texts: dict[str, str] = field(default_factory=dict)
    """Texts that a merge agent may have to read, by event id."""
    since: dict[str, int] = field(default_factory=dict)
    """Offset of the first record in each topic."""
    asked_ms: int | None = None
    """Timestamp of the question's record; None while it is unknown."""
    waited_ms: int | None = None
    """Time from that to the timestamp of the decision's record; None while either is unknown."""
    decision: DecisionMade | None = None
    """The decision, if it was read while the question was open."""
    closed: bool = False
    """Whether no work is left here: it is decided, its deadline is published, or the partition was revoked."""

    @property
    def panel(self) -> PanelAssigned | None:
        """Give the panel that counts."""
        first = self.opened[0].event if self.opened else None
        return first if isinstance(first, PanelAssigned) else None

    @property
    def due_ms(self) -> int | None:
        """Give the instant of its deadline, from the timestamp of the panel's record, so that all processes agree."""
        panel = self.panel
        return None if panel is None else self.opened[0].at_ms + panel.deadline_ms

    def hear(self, record: Record, event: Event) -> bool:
        """
        Apply a record.

        The first panel counts, the question that it was assigned to, and the stages that follow from it.

        Returns:
            Whether the seats to be taken may have changed.
        """
        match event:
            case QuestionAsked() if self.question is None and _meets(event, self.panel):
                self.question, self.asked_ms = event, record.timestamp_ms
            case PanelAssigned() if not self.opened and _meets(self.question, event):
                # The candidates are two thirds of a panel's size and are not used here.
                self._open(record, event.model_copy(update={"candidates": ()}))
                if event.merger is None:
                    self.texts.clear()
            case StageOpened() if self._follows(event):
                self._open(record, event)
            case AnalysisPublished():
                return self._hear_analysis(event)
            case DecisionMade():
                self.decision = event
                self.waited_ms = None if self.asked_ms is None else record.timestamp_ms - self.asked_ms
                self.close()
            case _:
                return False
        return True

    def calls(self) -> Iterator[tuple[Opened, OpenSeat]]:
        """Yield the seats to be taken now: free ones whose question and texts to read are known."""
        if self.question is None:
            return
        for opened in self.opened:
            for stage in opened.event.stages:
                if all(analysis_id in self.texts for analysis_id in stage.material):
                    calls = (OpenSeat(opened.event, stage, seat) for seat in stage.seats)
                    yield from ((opened, call) for call in calls if claim_of(call) not in self.taken)

    def close(self) -> None:
        """Mark the question as closed, and free its content."""
        self.closed = True
        self.question = None
        self.opened.clear()
        self.taken.clear()
        self.texts.clear()
        self.since.clear()

    def _open(self, record: Record, event: Opener) -> None:
        self.opened.append(Opened(event, record.timestamp_ms, record.headers))

    def _follows(self, event: StageOpened) -> bool:
        panel = self.panel
        if panel is None or panel.event_id not in event.causes:
            return False
        return all(event.event_id != known.event.event_id for known in self.opened)

    def _hear_analysis(self, event: AnalysisPublished) -> bool:
        panel = self.panel
        if panel is None or panel.merger is not None:
            self.texts[event.event_id] = event.text
        if len(event.causes) == 1:
            self.taken[event.causes[0], event.stage, event.role, event.agent] = None
        return True


def _meets(question: QuestionAsked | None, panel: PanelAssigned | None) -> bool:
    """Whether the panel was assigned to the question; also true while either is unknown."""
    return question is None or panel is None or panel.causes[:1] == (question.event_id,)


def claim_of(call: OpenSeat) -> Claim:
    """Build the claim of a seat, as its analysis will state it."""
    return call.opener.event_id, call.stage.number, call.stage.role, call.seat.agent
