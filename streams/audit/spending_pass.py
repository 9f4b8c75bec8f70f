"""The pass of a replay over budgets: each refusal must follow from the reservations before it, in the topic's order."""

from schemas.event import Event
from schemas.registry import decode_canonical
from schemas.spending import BudgetRefused, BudgetReserved
from streams.audit.difference import Findings, at, compare, unreadable
from streams.processors.budget import Accounts, Verdict, refusal
from streams.runtimes.contract import LogReader, Record
from streams.topology import SPENDING


def spending_pass(reader: LogReader) -> Findings:
    """
    Fold all reservations again, and compare each refusal with the one that follows.

    A refusal that should be there and is not is no difference: whoever was to write it may have died before, and then
    made no call either.
    """
    checked = _SpendingPass()
    for record in reader.records((SPENDING,)):
        checked.take(record)
    return checked.findings


class _SpendingPass:
    def __init__(self) -> None:
        self.findings = Findings()
        self._accounts = Accounts()
        self._refused: dict[str, Verdict] = {}

    def take(self, record: Record) -> None:
        try:
            event = decode_canonical(record.topic, record.value)
        except ValueError as problem:
            self.findings.note(unreadable(record, problem))
            return
        if isinstance(event, BudgetRefused):
            self._refusal(record, event)
            return
        verdict = self._accounts.take(event)
        if verdict is not None and verdict.refused_by is not None and isinstance(event, BudgetReserved):
            self._refused[event.event_id] = verdict

    def _refusal(self, record: Record, event: Event) -> None:
        verdict = self._refused.pop(event.causes[0], None) if event.causes else None
        if verdict is None:
            self.findings.note(at(record, "record", None, "a refusal for which there was no reason"))
            return
        expected = refusal(verdict)
        self.findings.derived += 1
        difference = compare(record, expected.encode(), expected.key)
        if difference is not None:
            self.findings.note(difference)
