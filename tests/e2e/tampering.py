"""
Logs to tamper with, changed through SQL.

A small log has records of every kind; each test changes a copy of it.
"""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from schemas.analyses import AnalysisPublished
from schemas.canonical import canonical_json, content_id
from schemas.questions import QuestionAsked
from streams.audit.replay.difference import Difference
from streams.audit.replay.replay import replay
from streams.runtimes.urls import open_reader
from streams.topology import INPUT_TOPICS, TOPICS, partition_of

from ..golden.script import told
from ..integration.played_log import Played
from ..worlds import FAILED, UNREADABLE, Opener, analysis, gold, question

MORE_QUESTIONS = 10


class Row(NamedTuple):
    """A row of the record table."""

    seq: int
    topic: str
    partition: int
    offset: int
    key: str
    correlation: str
    value: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The fields of its event."""
        return json.loads(self.value)


class Tampering:
    """A copy of the log, to change through SQL."""

    def __init__(self, original: Path, folder: Path) -> None:
        self._original = original
        self.path = folder / "orch.db"
        self._copy()

    def _copy(self) -> None:
        shutil.copy(self._original, self.path)
        self.connection = sqlite3.connect(self.path)
        self.connection.execute("PRAGMA synchronous = OFF")

    def reset(self) -> None:
        """Replace the copy by a new one."""
        self.close()
        self._copy()

    def close(self) -> None:
        """Commit the changes, and close the copy."""
        self.connection.commit()
        self.connection.close()

    def go_on(self, questions: Iterable[QuestionAsked]) -> None:
        """Let the program ask more questions."""
        self.close()
        played = Played(self.path)
        played.ask(questions, answers)
        played.close()
        self.connection = sqlite3.connect(self.path)

    def rows(self, topic: str | None = None) -> list[Row]:
        """List the records, all or of one topic, in log order."""
        query = 'SELECT seq, topic, partition, "offset", key, correlation, CAST(value AS BLOB) FROM log ORDER BY seq'
        return [row for row in map(Row._make, self.connection.execute(query)) if topic in (None, row.topic)]

    def change(self, seq: int, **columns: object) -> None:
        """Change columns of one record."""
        names = ", ".join(f'"{name}" = ?' for name in columns)
        self.connection.execute(f"UPDATE records SET {names} WHERE seq = ?", (*columns.values(), seq))

    def remove(self, seq: int) -> None:
        """Remove one record; the others keep their positions."""
        self.connection.execute("DELETE FROM records WHERE seq = ?", (seq,))

    def insert(self, topic: str, key: str, correlation: str, value: bytes) -> Row:
        """Append a record where the program would."""
        stream = self.stream(topic, partition_of(key.encode(), TOPICS[topic].partitions))
        place = "SELECT (SELECT max(seq) FROM records) + 1, (SELECT count(*) FROM records WHERE stream = ?)"
        seq, offset = self.connection.execute(place, (stream,)).fetchone()
        record = (seq, stream, offset, 0, key, correlation, value, None)
        self.connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", record)
        (added,) = (row for row in self.rows(topic) if row.seq == seq)
        return added

    def stream(self, topic: str, partition: int) -> int:
        """Find the number of a partition."""
        query = "SELECT stream FROM streams WHERE topic = ? AND partition = ?"
        (stream,) = self.connection.execute(query, (topic, partition)).fetchone()
        return int(stream)

    def forge(self, seq: int, **fields: Any) -> Row:
        """Change fields of one event, and recompute its id and those of all events that name it as a cause."""
        renamed: dict[bytes, bytes] = {}
        for row in self.rows():
            value = re.sub(rb"[0-9a-f]{64}", lambda found: renamed.get(found[0], found[0]), row.value)
            if row.seq == seq:
                value = canonical_json({**row.event, **fields})
            if value == row.value:
                continue
            content = json.loads(value)
            old = content.pop("event_id")
            content["event_id"] = content_id(canonical_json(content))
            renamed[old.encode()] = content["event_id"].encode()
            self.change(row.seq, value=canonical_json(content))
        (forged,) = (row for row in self.rows() if row.seq == seq)
        return forged

    def first(self) -> Difference | None:
        """Replay, and give the first difference."""
        self.connection.commit()
        with open_reader(f"sqlite:///{self.path}") as reader:
            found = replay(reader)
        assert (found.first_difference is None) == (found.different == 0)
        return found.first_difference


def place(found: Row | Difference | None) -> tuple[str, int, int] | None:
    """Give topic, partition and offset."""
    return None if found is None else (found.topic, found.partition, found.offset)


def answers(opener: Opener, agent: str) -> AnalysisPublished:
    """Answer by the question's number: at one, or not, or not at all."""
    number = int(opener.question_id[1:])
    replies = {
        "ada": "ABCD"[number % 4],
        "bo": "ABCD"[number % 3],
        "cy": "ABCD"[number // 2 % 4] if number % 5 else FAILED,
        "di": "A" if number % 4 else UNREADABLE,
    }
    return analysis(opener, agent, replies[agent])


def write(path: Path) -> None:
    """Write a log with records of every kind: the golden story, then some more questions with right answers."""
    log = Played(path)
    for event in told("v2").log:
        if event.topic in INPUT_TOPICS:
            log.put(event)
    for number in range(MORE_QUESTIONS):
        log.ask([question(f"n{number}", at=10 + number, subject=("law", "art")[number % 2])], answers)
        log.put(gold("ABCD"[number % 4], f"n{number}", at=2_000 + number))
    log.close()
