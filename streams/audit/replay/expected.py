"""Folds of one question, run again for an audit."""

from typing import Any

from schemas.event import Event
from schemas.questions import QuestionAsked
from streams.log import Record
from streams.processors import ROUTE
from streams.processors.dead_letters import dead_letter
from streams.processors.fold import Processor, Step, Tables
from streams.processors.route import Routed

_NO_TABLES = Tables(None, {})


class ExpectedFolds:
    """States of the processors for one question."""

    def __init__(self) -> None:
        self._states: dict[str, Any] = {}

    def begin(self, question: QuestionAsked) -> None:
        """
        Start with the first question of the id; its panel is proved elsewhere, because that needs the router table.
        """
        self._states[ROUTE.name] = Routed(question.statement_id, question.event_id)

    def fold(self, processor: Processor, record: Record, event: Event) -> list[Event]:
        """Fold an event; give the events that must follow, the dead letter of a rejected event included."""
        step = self._step(processor, record, event)
        self._states[processor.name] = step.state
        if step.rejection is None:
            return list(step.events)
        return [*step.events, dead_letter(event, record.partition, record.offset, step.rejection)]

    def changes(self, processor: Processor, record: Record, event: Event) -> bool:
        """Say whether folding an event would change the state; the state is not replaced."""
        return self._step(processor, record, event).state is not self._states.get(processor.name)

    def _step(self, processor: Processor, record: Record, event: Event) -> Step[Any]:
        return processor.fold(self._states.get(processor.name), event, record.key, _NO_TABLES)
