"""
Replay of a log: derived events recomputed and compared.

Events are compared to the byte. A replay calls no model and writes nothing.
"""

import gc
import math
import multiprocessing
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from streams.audit.replay import ordered_panels, ordered_questions, unordered_panels, unordered_questions
from streams.audit.replay.budget_check import spending_pass
from streams.audit.replay.cause_order import CauseOrder
from streams.audit.replay.claims import (
    ARCHIVE_NOT_PROVED,
    ARCHIVE_PROVED,
    ORDERED_NOT_PROVED,
    ORDERED_PROVED,
    UNORDERED_ARCHIVE_NOT_PROVED,
    UNORDERED_ARCHIVE_PROVED,
    UNORDERED_NOT_PROVED,
    UNORDERED_PROVED,
    aborted_records,
    removed_policies,
    taken_as_given,
)
from streams.audit.replay.difference import Difference, Findings, at
from streams.audit.replay.origin_check import origin_of
from streams.audit.replay.set_aside import RecordsAside
from streams.log import LogReader, Record, UnorderedReader
from streams.processors import MERGE
from streams.processors.fold import Processor
from streams.topology import POLICIES

Progress = Callable[[int], None]
"""Called with the number of records that one pass has taken since the last call."""

PARALLEL_FROM = 20_000
"""Records from which a second process pays for its start of about half a second."""
_STRIDE = 1_000

R = TypeVar("R", bound=LogReader)
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Replay:
    """Result of a replay."""

    events: int
    """Records in the log."""
    derived: int
    """Records written by processors, each derived again."""
    pending: int
    """Questions that have no decision yet."""
    different: int
    seconds: float
    first_difference: Difference | None
    repeats: int | None = None
    """Records that repeat an earlier one; None in a log that cannot hold repeats."""
    unproved: int = 0
    """Panels that cannot be derived any more, because compaction has removed the policy they name."""
    proved: tuple[str, ...] = ()
    """What the log proves, as sentences; nothing where anything differs."""
    not_proved: tuple[str, ...] = ()
    """What no log of its kind can prove."""

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch replay --format json`."""
        first = self.first_difference
        return {
            "events": self.events,
            "derived": self.derived,
            "different": self.different,
            "pending": self.pending,
            "seconds": round(self.seconds, 3),
            "first_difference": None if first is None else first.as_json(),
            "proved": list(self.proved),
            "not_proved": list(self.not_proved),
        } | ({} if self.repeats is None else {"repeats": self.repeats, "unproved": self.unproved})


def replay(
    reader: LogReader,
    progress: Progress = lambda records: None,
    *,
    second_process: bool = True,
    merge: Processor = MERGE,
) -> Replay:
    """
    Derive every derived event of a log again.

    Args:
        reader: The log; a second process opens a reader of its own by `reader.elsewhere()`.
        progress: Called as the pass in this process goes on.
        second_process: Whether a long log may use one; a caller that keeps every core busy itself says no.
        merge: The processor, with the merge rules of other distributions that the log's policies name.

    Returns:
        Counts, and the first difference in the order of the log.
    """
    started = time.perf_counter()
    unordered = reader.unordered()
    if unordered is not None:
        return _unordered(unordered, progress, started, merge)
    return _ordered(reader, progress, started, PARALLEL_FROM if second_process else math.inf, merge)


def _ordered(reader: LogReader, progress: Progress, started: float, parallel_from: float, merge: Processor) -> Replay:
    end = reader.end
    proved, not_proved = ORDERED_PROVED, ORDERED_NOT_PROVED
    if reader.archived:
        proved, not_proved = ARCHIVE_PROVED, ARCHIVE_NOT_PROVED
    faults = reader.faults()
    if any(fault.unreadable for fault in faults):
        # What cannot be read proves nothing, nor does what follows from it.
        damage = Findings()
        for fault in faults:
            damage.note(Difference(*fault[:7]))
        seconds = time.perf_counter() - started
        return Replay(end, 0, 0, damage.different, seconds, damage.first, not_proved=(*proved, *not_proved))
    with CauseOrder(reader, end) as order:
        checked = ordered_questions.OrderedQuestionPass(reader, min(end, reader.folded), order, merge)

        def questions() -> None:
            _take_all(ordered_questions.groups(reader, end), checked.take, progress)

        findings = checked.findings
        panels = partial(ordered_panels.panel_pass, end=end)
        findings.add(_both(questions, panels, reader, reader.elsewhere(), parallel_from))
        findings.add(spending_pass(reader))
        for difference in order.differences():
            findings.note(difference)
    for beside in (cut_off(reader), set_back(reader, findings.reached), *(Difference(*fault[:7]) for fault in faults)):
        if beside is not None:
            findings.note(beside)
    seconds = time.perf_counter() - started
    return Replay(
        end,
        findings.derived,
        checked.pending,
        findings.different,
        seconds,
        findings.first,
        proved=() if findings.different else proved,
        not_proved=(*_given(reader), *not_proved),
    )


def _unordered(reader: UnorderedReader, progress: Progress, started: float, merge: Processor) -> Replay:
    aside = RecordsAside.of(reader)
    checked = unordered_questions.UnorderedQuestionPass(reader, aside, merge)

    def questions() -> None:
        _take_all(unordered_questions.groups(reader), checked.take, progress)

    panels = _both(questions, partial(unordered_panels.panel_pass, aside=aside), reader, reader.elsewhere())
    findings = checked.findings
    findings.add(panels.findings)
    findings.add(spending_pass(reader))
    marked = Findings()
    for fault in reader.faults():
        marked.note(Difference(*fault[:7]))
    findings.add(marked)
    proved, not_proved = UNORDERED_PROVED, UNORDERED_NOT_PROVED
    if reader.archived:
        proved, not_proved = UNORDERED_ARCHIVE_PROVED, UNORDERED_ARCHIVE_NOT_PROVED
    removed = (removed_policies(panels.unproved),) if panels.unproved else ()
    return Replay(
        events=reader.taken,
        derived=findings.derived,
        pending=checked.pending,
        different=findings.different,
        seconds=time.perf_counter() - started,
        first_difference=findings.first,
        repeats=reader.repeats,
        unproved=panels.unproved,
        proved=() if findings.different else proved,
        not_proved=(*_given(reader), *aside.told(), *aborted_records(reader.aborted()), *removed, *not_proved),
    )


def _given(reader: LogReader) -> tuple[str, ...]:
    started = origin_of(reader)
    return () if started is None else (taken_as_given(started),)


def _take_all(groups: Iterable[tuple[Any, ...]], take: Callable[..., None], progress: Progress) -> None:
    """Check all groups; the second item of each is its records."""
    taken = 0
    for group in groups:
        take(*group)
        taken += len(group[1])
        if taken >= _STRIDE:
            progress(taken)
            taken = 0
    progress(taken)


def _both(
    questions: Callable[[], None],
    panels: Callable[[R], P],
    reader: R,
    open_reader: Callable[[], R],
    parallel_from: float = PARALLEL_FROM,
) -> P:
    """Run both passes; in a long log the one over panels runs in a second process."""
    if reader.end < parallel_from:
        found = panels(reader)
        questions()
        return found
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        other = pool.submit(_elsewhere, panels, open_reader)
        questions()
        return other.result()


def _elsewhere(panels: Callable[[R], P], open_reader: Callable[[], R]) -> P:
    # This pass makes no reference cycles, and the search for them would take an eighth of its time.
    gc.disable()
    with open_reader() as reader:
        return panels(reader)


def cut_off(reader: LogReader) -> Difference | None:
    """Report a log that ends before the last record its writer has folded, at the record where it ends."""
    end, folded = reader.end, reader.folded
    if folded <= end:
        return None
    expected = f"{folded - end} more records, which were folded"
    for record in reader.records(after=end - 1, limit=1):
        return at(record, "record", expected, None)
    # The log is empty. Its first folded record was a policy.
    return Difference(0, POLICIES, 0, 0, "record", expected, None)


def set_back(reader: LogReader, reached: Record | None) -> Difference | None:
    """Report a checkpoint that is set back: outputs of a record that it leaves out were committed together with it."""
    if reached is None or reached.seq <= reader.folded:
        return None
    return at(reached, "checkpoint", f"{reached.seq} or more", reader.folded)
