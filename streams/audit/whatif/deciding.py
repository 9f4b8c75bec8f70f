"""One question decided again from its recorded analyses."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, Seat, Stage, StageOpened
from schemas.quantities import later
from streams.audit.whatif.outcome import Coverage
from streams.audit.whatif.recorded import (
    Opener,
    RecordedQuestion,
    SameCalls,
    SeatRequest,
    answered,
    not_called,
    request_of,
    stages_of,
)
from streams.errors import InvariantError
from streams.processors.deadlines import deadline_of

Put = Callable[[Event], Iterable[Event]]
"""Hands an event to the folds, and gives what followed from it."""

NOT_RECORDED = "not_recorded"
NOT_TRUSTED = "not_trusted"


@dataclass(slots=True)
class Deciding:
    """
    Answers the seats of one question from the log until it is decided.

    Analyses come in the order in which they were recorded. A seat whose analysis is not recorded is not called. A seat
    that the log's own panel asked in vain, until the deadline, is waited for until the deadline here too.

    Args:
        panel: The panel of the other policy.
        recorded: The question as it was decided.
        calls: Which analyses are those that the other policy asks for.
        put: The folds.
        struck: Agents that are not trusted: their seats are not called, whatever is recorded.
    """

    panel: PanelAssigned
    recorded: RecordedQuestion
    calls: SameCalls
    put: Put
    struck: frozenset[str] = frozenset()
    coverage: Coverage = "exact"
    why: str = ""
    _played: dict[str, str] = field(default_factory=dict)
    """Recorded analysis behind each one given here, by the id of the latter."""

    def decide(self) -> DecisionMade:
        """Give the decision; coverage and reason say what it rests on."""
        opener: Opener = self.panel
        while True:
            followed = self._answer(opener)
            if isinstance(followed, DecisionMade):
                return followed
            opener = followed

    def _answer(self, opener: Opener) -> StageOpened | DecisionMade:
        """Answer the seats of one stage, and give what follows from it."""
        given, missing, awaited = self._sorted(opener)
        for original, analysis in given:
            self._played[analysis.event_id] = original.event_id
        # Shadow seats are answered too when what they stand beside has gone on.
        followed: StageOpened | DecisionMade | None = None
        for _, analysis in given:
            followed = _next(self.put(analysis)) or followed
        for stage, seat in missing:
            followed = _next(self.put(not_called(opener, stage, seat, self._forgo(seat)))) or followed
        return followed or self._overdue(awaited)

    def _sorted(
        self, opener: Opener
    ) -> tuple[list[tuple[AnalysisPublished, AnalysisPublished]], list[tuple[Stage, Seat]], list[Seat]]:
        """
        Sort the seats of a stage: those with a recorded analysis, those without, and those waited for in vain.

        Of the first it gives the recorded analysis and the one that takes its place, in recorded order.
        """
        material = tuple(self._played.get(analysis_id, analysis_id) for analysis_id in opener.stage.material)
        found: dict[SeatRequest, Stage] = {}
        missing: list[tuple[Stage, Seat]] = []
        awaited: list[Seat] = []
        for stage, seat in [(opened, seat) for opened in stages_of(opener) for seat in opened.seats]:
            request = request_of(opener, stage, seat, material)
            original = self.recorded.analyses.get(request)
            if seat.agent in self.struck:
                missing.append((stage, seat))
            elif original is not None and self.calls.answer(original) is not None:
                found[request] = stage
            elif original is None and self.recorded.deadline is not None and request in self.recorded.asked:
                awaited.append(seat)
            else:
                missing.append((stage, seat))
        given = []
        for request, original in self.recorded.analyses.items():
            taken = self.calls.answer(original) if request in found else None
            if taken is not None:
                given.append((original, answered(taken, opener, found[request])))
        return given, missing, awaited

    def _forgo(self, seat: Seat) -> str:
        """Note a seat that is not called, and name the reason in its analysis."""
        if seat.agent in self.struck:
            return NOT_TRUSTED
        self._partial(f"no analysis of {seat.agent} is recorded for what it is asked")
        return NOT_RECORDED

    def _overdue(self, awaited: Sequence[Seat]) -> StageOpened | DecisionMade:
        """Let the deadline pass, where seats are waited for in vain, or an analysis was refused by the merge."""
        passed = self.recorded.deadline
        at = None if passed is None else passed.occurred_at
        if passed is None or self.panel.deadline_ms != self.recorded.panel.deadline_ms:
            at = later(self.panel.occurred_at, self.panel.deadline_ms)
            waits = awaited[0].agent if awaited else "an agent"
            self._partial(f"whether {waits} would answer before another deadline is not recorded")
        assert at is not None, "one of the two was chosen"
        followed = _next(self.put(deadline_of(self.panel, at)))
        if followed is None:
            raise InvariantError(
                f"question {self.panel.question_id!r} is not decided after its deadline", key=self.panel.question_id
            )
        return followed

    def _partial(self, why: str) -> None:
        if self.coverage == "exact":
            self.coverage, self.why = "partial", why


def _next(followed: Iterable[Event]) -> StageOpened | DecisionMade | None:
    """Find what the merge decided, a decision before a stage; None while it waits."""
    found = [event for event in followed if isinstance(event, StageOpened | DecisionMade)]
    return next((event for event in found if isinstance(event, DecisionMade)), found[-1] if found else None)
