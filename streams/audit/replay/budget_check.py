"""
Replay pass over budgets: each refusal derived again.

A refusal must follow from the reservations before it, in the order of the topic.
"""

from collections import OrderedDict

from schemas.registry import decode_canonical
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled
from streams.audit.replay.difference import Findings, at, compare
from streams.log import LogReader, Record
from streams.processors.budget import Accounts, Verdict, refusal
from streams.topology import SPENDING

_REMEMBERED = 10_000
"""Settlements and refusals recognised when they are repeated."""


def spending_pass(reader: LogReader) -> Findings:
    """
    Fold all reservations again, compare each refusal with the derived one, and check that each settlement has an open
    reservation.

    A missing refusal is no difference: its worker may have died before it wrote one, and then made no call either. The
    calls themselves are checked question by question (`call_check`), as are keys and records that cannot be read.
    """
    checked = _BudgetCheck(may_repeat=reader.unordered() is not None)
    # A log file interleaves its topics, so finding the records of one topic means reading the whole log.
    if not reader.ends().get((SPENDING, 0)):
        return checked.findings
    for record in reader.records((SPENDING,)):
        checked.take(record)
    return checked.findings


class _BudgetCheck:
    def __init__(self, *, may_repeat: bool) -> None:
        self.findings = Findings()
        self._may_repeat = may_repeat
        self._answers: OrderedDict[str, None] = OrderedDict()
        self._accounts = Accounts()
        self._granted: dict[str, None] = {}
        """Open reservations."""
        self._refused: dict[str, Verdict] = {}

    def take(self, record: Record) -> None:
        try:
            event = decode_canonical(record.topic, record.value)
        except ValueError:
            return
        if self._may_repeat and not isinstance(event, BudgetReserved):
            if event.event_id in self._answers:
                return
            self._answers[event.event_id] = None
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        verdict = self._accounts.take(event)
        cause = event.causes[0] if event.causes else ""
        if isinstance(event, BudgetRefused):
            self._refusal(record, cause)
        elif isinstance(event, BudgetSettled):
            if cause not in self._granted:
                self.findings.note(at(record, "record", None, "a settlement of what was not reserved"))
            self._granted.pop(cause, None)
        elif verdict is not None and verdict.refused_by is not None:
            self._refused[event.event_id] = verdict
        else:
            self._granted[event.event_id] = None

    def _refusal(self, record: Record, cause: str) -> None:
        verdict = self._refused.pop(cause, None)
        if verdict is None:
            self.findings.note(at(record, "record", None, "a refusal for which there was no reason"))
            return
        expected = refusal(verdict)
        self.findings.derived += 1
        difference = compare(record, expected.encode(), expected.key)
        if difference is not None:
            self.findings.note(difference)
