"""
A forger of log files that leaves no trace.

Records are moved, removed and added without a trace in places and tables; a question is routed by false tables.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from schemas.router import RouterEntry
from streams.audit.replay.replay import Replay, replay
from streams.processors.fold import Tables
from streams.runtimes.embedded.schema import NEWEST_COUNTS
from streams.runtimes.urls import open_reader

from ..integration.played_log import Played
from .tampering import Row, Tampering, answers

Entries = dict[tuple[str, str], RouterEntry]
Falsify = Callable[[PolicyAdopted, Entries], Tables]
"""Makes the false tables from the policy in force and the router entries."""


class Forger(Tampering):
    """A tampering that leaves no gap: seqs, offsets, times, checkpoint and newest records fit afterwards."""

    def arrange(self, seqs: Iterable[int]) -> None:
        """Keep these records, in this order, and number them anew; all of them were folded."""
        columns = "stream, timestamp_ms, key, correlation, value, headers"
        query = f"SELECT {columns} FROM records WHERE seq = ?"
        rows = [self.connection.execute(query, (seq,)).fetchone() for seq in seqs]
        self.connection.execute("DELETE FROM records")
        offsets: dict[int, int] = {}
        latest_ms = 0
        for seq, (stream, timestamp_ms, *rest) in enumerate(rows, start=1):
            offset = offsets.get(stream, 0)
            offsets[stream] = offset + 1
            latest_ms = max(latest_ms, timestamp_ms)
            record = (seq, stream, offset, latest_ms, *rest)
            self.connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", record)
        self.fit_tables()

    def without(self, *seqs: int) -> None:
        """Remove records without a trace."""
        self.arrange(row.seq for row in self.rows() if row.seq not in seqs)

    def move(self, seq: int, before: int) -> None:
        """Move a record to the place before another."""
        order = [row.seq for row in self.rows() if row.seq != seq]
        order.insert(order.index(before), seq)
        self.arrange(order)

    def contents(self) -> list[list[tuple[Any, ...]]]:
        """Give all rows of the tables that change."""
        tables = ("records", "states", "checkpoint", "latest")
        return [self.connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]

    def judge(self) -> Replay:
        """Replay."""
        self.connection.commit()
        with open_reader(f"sqlite:///{self.path}") as reader:
            return replay(reader)

    def fit_tables(self) -> None:
        """Write checkpoint and newest records as the writer would leave them."""
        self.connection.execute("UPDATE checkpoint SET seq = (SELECT max(seq) FROM records)")
        self.connection.execute("DELETE FROM latest")
        self.connection.execute(
            "INSERT INTO latest SELECT stream, key, max(seq) FROM records JOIN streams USING (stream)"
            f" WHERE topic IN ({', '.join('?' * len(NEWEST_COUNTS))}) GROUP BY stream, key",
            NEWEST_COUNTS,
        )

    def hide(self, seq: int, index: str) -> None:
        """Take a record out of an index: it is deleted while the index is no index, and comes back likewise."""
        definition = self._definition(index)
        row = self.connection.execute("SELECT * FROM records WHERE seq = ?", (seq,)).fetchone()
        self.connection.execute("DELETE FROM records WHERE seq = ?", (seq,))
        self._define(index, None)
        self.connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._define(index, definition)

    def _definition(self, index: str) -> tuple[Any, ...]:
        query = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master WHERE name = ?"
        found: tuple[Any, ...] = self.connection.execute(query, (index,)).fetchone()
        return found

    def _define(self, index: str, definition: tuple[Any, ...] | None) -> None:
        """Write or remove the row of the schema, which leaves the index's pages as they are."""
        self.connection.execute("PRAGMA writable_schema = ON")
        if definition is None:
            self.connection.execute("DELETE FROM sqlite_master WHERE name = ?", (index,))
        else:
            self.connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", definition)
        self.connection.commit()
        self.connection.close()
        # The schema is read again by a new connection alone.
        self.connection = sqlite3.connect(self.path)

    def go_on_falsely(
        self,
        question: QuestionAsked,
        falsify: Falsify,
        *,
        before: Iterable[PolicyAdopted] = (),
        after: Iterable[PolicyAdopted] = (),
    ) -> int:
        """
        Let the program ask one question more, and route it by false tables; all that follows from it is true again.

        Args:
            question: The question.
            falsify: Makes the tables.
            before, after: Policies adopted before the question and behind its panel.

        Returns:
            Seq before the question.
        """
        self.close()
        played = ForgedPlay(self.path)
        for policy in before:
            played.put(policy)
        end = played.end
        played.ask_falsely(question, falsify)
        for policy in after:
            played.put(policy)
        played.play(answers)
        played.close()
        self.connection = sqlite3.connect(self.path)
        return end

    def go_on_out_of_order(self, questions: Iterable[QuestionAsked], *inputs: Event) -> int:
        """Let the program ask questions more, then fold some inputs backwards; give the seq before those."""
        self.close()
        played = ForgedPlay(self.path)
        played.ask(questions, answers)
        end = played.end
        played.fold_backwards(*inputs)
        played.close()
        self.connection = sqlite3.connect(self.path)
        return end


class ForgedPlay(Played):
    """A played log whose writer can be lied to about the tables."""

    @property
    def end(self) -> int:
        """Seq of the last record."""
        return self._log._appender.end

    def ask_falsely(self, question: QuestionAsked, falsify: Falsify) -> None:
        """Route one question by false tables."""
        true = self._log._tables.tables
        assert true.policy is not None, "the log has a policy"
        self._log._tables.tables = falsify(true.policy, dict(true.entries))
        self.put(question)
        self._log._tables.tables = true

    def fold_backwards(self, *inputs: Event) -> None:
        """Append inputs, and fold the last one first; all that follows is right for that order."""
        log = self._log
        for event in inputs:
            log.append(event)
        waiting = [log._backlog.take() for _ in inputs]
        for one in reversed(waiting):
            assert one is not None, "it was appended"
            log._fold_one(one, [])
        log._cursor = log._appender.end if waiting[-1] is None else waiting[-1].stored.seq
        while log.ready:
            log.fold()
        log.commit()


def of_kind(rows: Iterable[Row], kind: str, **fields: Any) -> list[Row]:
    """List the records of one kind whose events have these values."""
    return [
        row
        for row in rows
        if row.event["kind"].startswith(kind) and all(row.event.get(name) == value for name, value in fields.items())
    ]
