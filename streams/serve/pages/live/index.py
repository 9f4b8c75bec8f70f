"""Index in memory of the newest questions."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from streams.app.consume import Consumed, Following, Waiter, consume
from streams.app.selection import TopicPlace
from streams.app.workspace import Workspace
from streams.errors import OrchError
from streams.log import LogReader, Record
from streams.serve.pages.live.row import QuestionRow, asked, decided
from streams.topology import DECISIONS, QUESTIONS

MOST_ROWS = 200_000
"""Questions kept, some 180 MB; older ones are in the log alone, and pages say so."""

STRETCH = 100_000
"""Records of all topics between two places from which the log is read; the newest stretch comes first."""

MOST_TRAITS = 500
"""Names among which a page lets a reader choose."""

FED = (QUESTIONS, DECISIONS)

RowNews = Literal["asked", "decided", "text"]
"""What is new of a row; `text`: its question, which was read after its decision."""


class NewestQuestions:
    """
    The newest questions of a log with their decisions, so that no page has to read the log for them.

    A thread reads the log backwards in stretches, so the newest questions are there at once; then one thread a topic
    follows what is new.

    Args:
        work: Workspace of the log.
        most: Questions that it keeps.
    """

    def __init__(self, work: Workspace, most: int = MOST_ROWS) -> None:
        self._work, self.most = work, most
        self._rows: OrderedDict[str, QuestionRow] = OrderedDict()
        self._lock = threading.Lock()
        self._waiters = [Waiter() for _ in FED]
        self._stopped = False
        self._newest = self._oldest = 0
        self.counts: Counter[str] = Counter()
        """Questions in the index: `open`, `decided`, `undecided`, and `disagreed` among those decided."""
        self.subjects: set[str] = set()
        self.agents: set[str] = set()
        """Subjects and agents that occurred, at most `MOST_TRAITS` of each."""
        self.begun = threading.Event()
        """Set when the newest stretch is there, or reading has failed."""
        self.complete = False
        """Whether the log was read to its beginning."""
        self.exceeded = False
        """Whether older questions were left out because there are too many."""
        self.failure: OrchError | None = None
        """Why no more is read."""
        self.heard: Callable[[QuestionRow, RowNews], None] = lambda row, news: None
        """Called in a thread with each row that is new or has changed since the index began to follow."""

    @property
    def total(self) -> int:
        """Number of questions in the index."""
        return len(self._rows)

    def start(self) -> None:
        """Begin to read."""
        self._begin(self._fill)

    def stop(self) -> None:
        """Stop reading soon."""
        self._stopped = True
        for waiter in self._waiters:
            waiter.stop()

    def poke(self) -> None:
        """Look for new records at once."""
        for waiter in self._waiters:
            waiter.poke()

    def newest_first(self) -> Sequence[QuestionRow]:
        """Give the rows as they are now, the newest first."""
        with self._lock:
            rows = list(self._rows.values())
        rows.reverse()
        return rows

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep all rows as they are until the block ends, so that what is drawn of one is what is noted of it."""
        with self._lock:
            yield

    def recent(self, since_ms: int) -> int:
        """Count the decisions since a time, in milliseconds since 1970."""
        found = 0
        with self._lock:
            for row in reversed(self._rows.values()):
                if row.at_ms < since_ms:
                    break
                found += row.state != "open"
        return found

    def row(self, question_id: str) -> QuestionRow | None:
        """Find the row of a question; None if it is none of the newest."""
        return self._rows.get(question_id)

    def _begin(self, job: Callable[..., None], *given: object) -> None:
        threading.Thread(target=self._guarded, args=(job, *given), name="orch-index", daemon=True).start()

    def _guarded(self, job: Callable[..., None], *given: object) -> None:
        try:
            job(*given)
        except OrchError as error:
            self.failure = error
            self.begun.set()

    def _fill(self) -> None:
        with self._work.open_reader(topics=FED) as reader:
            end = reader.end
            for waiter, topic in zip(self._waiters, FED, strict=True):
                self._begin(self._follow, topic, self._place(reader, topic), waiter)
            while end > 0 and not self._stopped and not self.exceeded:
                begin = max(end - STRETCH, 0)
                self._take_older(_between(reader, begin, end))
                self.begun.set()
                end = begin
            self.complete = end <= 0
            # An empty log has no stretch.
            self.begun.set()

    def _place(self, reader: LogReader, topic: str) -> TopicPlace:
        """Give the place after the newest record in view."""
        if self._work.log.scheme != "kafka":
            return TopicPlace(seq=reader.end)
        ends = [(number, end - 1) for (of, number), end in sorted(reader.ends().items()) if of == topic and end]
        return TopicPlace(offsets=tuple(ends))

    def _take_older(self, records: Sequence[Record]) -> None:
        """Put the questions of a stretch before those that are there, from its newest record back."""
        for record in reversed(records):
            if self._stopped:
                return
            with self._lock:
                row = self._rows.get(record.key)
                if row is None:
                    if len(self._rows) >= self.most:
                        self.exceeded = True
                        continue
                    row = self._rows[record.key] = QuestionRow(record.key, 0, record.timestamp_ms)
                    self.counts["open"] += 1
                    self._place_last(row)
                elif row.state == "open":
                    # What came behind it was a second question under its id, which counts for nothing.
                    self._place_last(row)
                self._note(row, record, earlier=True)

    def _place_last(self, row: QuestionRow) -> None:
        self._oldest -= 1
        row.number = self._oldest
        self._rows.move_to_end(row.question_id, last=False)

    def _note(self, row: QuestionRow, record: Record, *, earlier: bool = False) -> bool:
        """Take what a record says into its row; say whether that was new. Of two questions the earlier counts."""
        if record.topic == QUESTIONS:
            fresh = earlier or not row.text
            if fresh:
                asked(row, record)
                _remember(self.subjects, row.subject)
            return fresh
        if row.state != "open":
            return False
        decided(row, record)
        _remember(self.subjects, row.subject)
        _remember(self.agents, *row.agents)
        self.counts["open"] -= 1
        self.counts[row.state] += 1
        self.counts["disagreed"] += row.disagreed
        return True

    def _follow(self, topic: str, place: TopicPlace, waiter: Waiter) -> None:
        if self._work.log_url.startswith("parquet"):
            return
        found: Consumed
        for found in consume(self._work, topic, how=Following(place, follow=True, waiter=waiter)):
            with self._lock:
                row = self._take_newer(found.record)
                news: RowNews = "decided" if topic == DECISIONS else "text"
                if row is not None and row.state == "open":
                    news = "asked"
            if row is not None:
                self.heard(row, news)

    def _take_newer(self, record: Record) -> QuestionRow | None:
        row = self._rows.get(record.key)
        if row is None:
            row = self._rows[record.key] = QuestionRow(record.key, 0, record.timestamp_ms)
            self.counts["open"] += 1
        if not self._note(row, record):
            return None
        self._newest += 1
        row.number = self._newest
        self._rows.move_to_end(record.key)
        while len(self._rows) > self.most:
            _, gone = self._rows.popitem(last=False)
            self.exceeded = True
            self.counts[gone.state] -= 1
            self.counts["disagreed"] -= gone.disagreed
        return row


def _remember(names: set[str], *more: str) -> None:
    if len(names) < MOST_TRAITS:
        names.update(name for name in more if name)


def _between(reader: LogReader, begin: int, end: int) -> list[Record]:
    """Read the records after one place, up to another."""
    found = []
    for record in reader.records(FED, after=begin):
        if record.seq > end:
            break
        found.append(record)
    return found
