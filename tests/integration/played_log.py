"""
Small logs in real files, played by scripted agents.

They are played question by question.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Self

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter

from ..worlds import Opener, Script


class Played:
    """A log whose clock ticks a millisecond a record, committed after every step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        ticks = count()
        self._log = EmbeddedWriter(path, PROCESSORS, clock=lambda: next(ticks))
        self._decided: set[str] = set()
        self._free: list[tuple[Opener, str]] = []

    def put(self, *events: Event) -> list[Event]:
        """Append events, fold all that follows, and give it."""
        made: list[Event] = []
        for event in events:
            self._log.append(event)
            while self._log.ready:
                made.extend(stored.event for stored in self._log.fold())
        self._log.commit()
        for event in made:
            if isinstance(event, DecisionMade):
                self._decided.add(event.question_id)
            elif isinstance(event, PanelAssigned | StageOpened):
                self._free.extend((event, seat.agent) for stage in event.stages for seat in stage.seats)
        return made

    def play(self, script: Script) -> list[AnalysisPublished]:
        """Let the agents answer until no seated agent has a reply left."""
        said: list[AnalysisPublished] = []
        while answers := list(self._answers(script)):
            for answer in answers:
                self.put(answer)
            said += answers
        return said

    def ask(self, questions: Iterable[Event], script: Script) -> Self:
        """Ask one question after the other."""
        for question in questions:
            self.put(question)
            self.play(script)
        return self

    def _answers(self, script: Script) -> Iterator[AnalysisPublished]:
        free, self._free = self._free, []
        for opener, agent in free:
            if opener.question_id not in self._decided and (answer := script(opener, agent)) is not None:
                yield answer

    def close(self) -> None:
        """Close the log."""
        self._log.close()
