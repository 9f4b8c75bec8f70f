"""Replay: derive every derived event again from the inputs, and compare to the byte. Calls no model, writes nothing."""

import gc
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from streams.audit import rederive_panels, rederive_questions
from streams.audit.difference import Difference, Findings, at
from streams.audit.rederive_panels import PanelPass
from streams.audit.rederive_questions import QuestionPass
from streams.runtimes.contract import LogReader, Record
from streams.topology import POLICIES, ROUTER

OpenReader = Callable[[], LogReader]
Progress = Callable[[int], None]
"""Hears how many records one pass has taken since the last call."""

PARALLEL_FROM = 20_000
"""Records from which a second process pays for its start of about half a second."""
_STRIDE = 1_000


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found."""

    events: int
    """Records in the log."""
    derived: int
    """Records that a processor had written, each derived again."""
    pending: int
    """Questions that have no decision yet."""
    different: int
    seconds: float
    first_difference: Difference | None

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
        }


def replay(open_reader: OpenReader, progress: Progress = lambda records: None) -> Replay:
    """
    Derive every derived event of a log again.

    Args:
        open_reader: Opens the log; called once in each process, so it must be picklable.
        progress: Hears how far the pass in this process is.

    Returns:
        Counts, and the first difference in the order of the log.
    """
    started = time.perf_counter()
    with open_reader() as reader:
        end = reader.end
        if end < PARALLEL_FROM:
            panels = panel_pass(reader, end)
            questions, pending = question_pass(reader, end, progress)
        else:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                other = pool.submit(_panels_elsewhere, open_reader, end)
                questions, pending = question_pass(reader, end, progress)
                panels = other.result()
        cut = cut_off(reader)
    questions.add(panels)
    if cut is not None:
        questions.note(cut)
    seconds = time.perf_counter() - started
    return Replay(end, questions.derived, pending, questions.different, seconds, questions.first)


def cut_off(reader: LogReader) -> Difference | None:
    """Report a log that ends before the last record its writer has folded, at the record where it ends."""
    end, folded = reader.end, reader.folded
    if folded <= end:
        return None
    expected = f"{folded - end} more records, which were folded"
    for record in reader.records(after=end - 1, limit=1):
        return at(record, "record", expected, None)
    # What was folded began with a policy.
    return Difference(0, POLICIES, 0, 0, "record", expected, None)


def panel_pass(reader: LogReader, end: int) -> Findings:
    """Derive router entries and panels again, over the records up to *end*."""

    def find(topic: str, name: str) -> Record | None:
        if topic == ROUTER:
            # Ids have no index. This is the long way, for a panel that saw what was superseded long before.
            mark = f'"event_id":"{name}"'.encode()
            return next((record for record in reader.records((ROUTER,)) if mark in record.value), None)
        return next((record for record in reader.about(name) if record.topic == topic), None)

    checked = PanelPass(find)
    for record in reader.records(rederive_panels.TOPICS):
        if record.seq > end:
            break
        checked.take(record)
    checked.finish(min(end, reader.folded))
    return checked.findings


def question_pass(reader: LogReader, end: int, progress: Progress) -> tuple[Findings, int]:
    """Derive stages, decisions, observations and dead letters again; count the questions without a decision too."""
    partitions: dict[str, int] = {}
    for topic, partition in reader.ends():
        partitions[topic] = max(partitions.get(topic, 0), partition + 1)
    checked = QuestionPass(partitions, min(end, reader.folded))
    taken = 0
    for question_id, records in reader.by_correlation(rederive_questions.TOPICS):
        checked.take(question_id, [record for record in records if record.seq <= end])
        taken += len(records)
        if taken >= _STRIDE:
            progress(taken)
            taken = 0
    progress(taken)
    return checked.findings, checked.pending


def _panels_elsewhere(open_reader: OpenReader, end: int) -> Findings:
    # Nothing here makes cycles, and looking for them takes an eighth of the time.
    gc.disable()
    with open_reader() as reader:
        return panel_pass(reader, end)
