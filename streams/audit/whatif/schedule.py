"""
Order of questions, decisions and lessons in a log.

What a question knew of others is not its place in time but what its panel saw: each panel names how many observations
each line of the router's table held. So a counterfactual can ask, decide and learn in the same order, on a log in one
total order and on Kafka alike.
"""

import sqlite3
from array import array
from collections.abc import Iterator
from typing import Literal, NamedTuple, Self

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.lessons import LessonGiven
from schemas.origins import LogStarted, RouterCarried, WeightsCarried
from schemas.panels import PanelAssigned, PanelAssignedV2
from schemas.router import AgentObserved
from streams.log import LogReader, read_event
from streams.topology import ASSIGNMENTS, DECISIONS, FEEDBACK, LESSONS, OBSERVATIONS, POLICIES

Line = tuple[str, str]
"""A line of the router's table: scope and agent; of the tables of weights: their scope, and no agent."""

READ = (POLICIES, ASSIGNMENTS, DECISIONS, FEEDBACK, OBSERVATIONS, LESSONS)

Carried = LogStarted | RouterCarried | WeightsCarried


class PlayMove(NamedTuple):
    """One step of a counterfactual."""

    kind: Literal["ask", "decide", "tell"]
    question_id: str
    given: str
    """`ask`: event id of the panel's policy; `tell`: of the feedback, or of its retraction."""
    exact: bool = True
    """`ask`: whether a place in the order of lessons shows the panel just what it saw."""


_Key = tuple[int, int, int]
"""Place of a move: lesson, then what comes first behind the same lesson, then the place in the log."""

_TABLES = """
CREATE TABLE panels (question TEXT PRIMARY KEY, policy TEXT, lines BLOB, counts BLOB, at INT) WITHOUT ROWID;
CREATE TABLE decided (question TEXT PRIMARY KEY, lesson INT, at INT) WITHOUT ROWID;
CREATE TABLE told (question TEXT, given TEXT, lesson INT, at INT, PRIMARY KEY (question, given)) WITHOUT ROWID;
CREATE TABLE lessons (question TEXT, cause TEXT, number INT, PRIMARY KEY (question, cause)) WITHOUT ROWID;
CREATE TABLE moves (a INT, b INT, c INT, kind TEXT, question TEXT, given TEXT, exact INT);
"""


class Schedule:
    """
    The moves of one log, in order.

    They are kept in a temporary database of SQLite, which lies on disk and is gone with its connection. In memory stays
    the lesson of each observation, four bytes for each of its scopes.

    Attributes:
        carried: What the log goes on from, if it began with the tables of an earlier one.
        questions: Questions with panel and decision.
        open: Questions with a panel and no decision.
    """

    def __init__(self, reader: LogReader) -> None:
        # An empty name is a temporary file, and not memory as `:memory:` is.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(f"PRAGMA temp_store = FILE; PRAGMA journal_mode = OFF; {_TABLES} BEGIN;")
        scan = _Scan(self._connection)
        for order, record in enumerate(reader.records(READ)):
            scan.read(read_event(record), order)
        scan.place_all()
        self.carried: tuple[Carried, ...] = tuple(scan.carried)
        ((self.questions,),) = self._connection.execute("SELECT count(*) FROM moves WHERE kind = 'decide'")
        ((panels,),) = self._connection.execute("SELECT count(*) FROM panels")
        self.open = panels - self.questions

    def moves(self) -> Iterator[PlayMove]:
        """Iterate the moves, any number of times."""
        for kind, question_id, given, exact in self._connection.execute(
            "SELECT kind, question, given, exact FROM moves ORDER BY a, b, c"
        ):
            yield PlayMove(kind, question_id, given, bool(exact))

    def close(self) -> None:
        """Drop the temporary database."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


class _Scan:
    """What one pass over a log collects."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._do = connection.execute
        self._lessons = 0
        self._lines: dict[Line, int] = {}
        self._observed: list[array[int]] = []
        """By line, the lesson of each observation."""
        self._began: dict[int, int] = {}
        """By line that was carried from an earlier log, how many entries of its chain stand before its observations."""
        self.carried: list[Carried] = []

    def read(self, event: Event, order: int) -> None:
        """Take one event; of what is there twice the first counts."""
        if isinstance(event, PanelAssigned):
            self._panel(event, order)
        elif isinstance(event, DecisionMade):
            self._do("INSERT OR IGNORE INTO decided VALUES (?, ?, ?)", (event.question_id, self._lessons - 1, order))
        elif isinstance(event, FeedbackGiven | FeedbackRetracted):
            self._do(
                "INSERT OR IGNORE INTO told VALUES (?, ?, ?, ?)",
                (event.question_id, event.event_id, self._lessons - 1, order),
            )
        elif isinstance(event, AgentObserved):
            cause = "" if event.source == "decision" else event.causes[-1]
            lesson = self._lesson_of(event.question_id, cause)
            for scope in event.scopes:
                self._observed[self._line((scope, event.agent))].append(lesson)
        elif isinstance(event, LogStarted | RouterCarried | WeightsCarried):
            self.carried.append(event)
            if not isinstance(event, LogStarted):
                line, sequence = line_carried(event)
                self._began[self._line(line)] = sequence
        elif isinstance(event, LessonGiven):
            cause = event.causes[-1] if len(event.causes) > 1 else ""
            self._observed[self._line((event.scope, ""))].append(self._lesson_of(event.question_id, cause))

    def _lesson_of(self, question_id: str, cause: str) -> int:
        """Number a lesson by its question and feedback; what a decision itself taught has no feedback."""
        known = self._number(question_id, cause)
        if known is None:
            known = self._lessons
            self._do("INSERT INTO lessons VALUES (?, ?, ?)", (question_id, cause, known))
            self._lessons += 1
        return known

    def _number(self, question_id: str, cause: str) -> int | None:
        found = self._do("SELECT number FROM lessons WHERE question = ? AND cause = ?", (question_id, cause)).fetchone()
        return None if found is None else int(found[0])

    def _line(self, line: Line) -> int:
        number = self._lines.setdefault(line, len(self._lines))
        if number == len(self._observed):
            self._observed.append(array("I"))
        return number

    def _panel(self, panel: PanelAssigned, order: int) -> None:
        seen = lines_seen(panel)
        lines = array("I", [self._line(line) for line, _ in seen])
        counts = array("I", [count for _, count in seen])
        self._do(
            "INSERT OR IGNORE INTO panels VALUES (?, ?, ?, ?, ?)",
            (panel.question_id, panel.causes[1], lines.tobytes(), counts.tobytes(), order),
        )

    def place_all(self) -> None:
        """Find the place of every move."""
        decided = (
            "SELECT p.question, policy, lines, counts, p.at, d.lesson, d.at FROM panels p"
            " JOIN decided d USING (question)"
        )
        for question_id, policy, lines, counts, order, lesson, at in self._do(decided):
            place, exact = self._place(array("I", lines), array("I", counts))
            self._move((place, 2, order), "ask", question_id, policy, exact=exact)
            # A question is decided behind its panel, and taught in the order in which feedback came.
            behind = max((place, 3, order), self._lesson(question_id, "", (lesson, 1, at)))
            self._move(behind, "decide", question_id)
            told = self._do("SELECT given, lesson, at FROM told WHERE question = ? ORDER BY at", (question_id,))
            for given, lesson_then, given_at in told.fetchall():
                following = (behind[0], behind[1], behind[2] + 1)
                behind = max(following, self._lesson(question_id, given, (lesson_then, 1, given_at)))
                self._move(behind, "tell", question_id, given)

    def _move(self, key: _Key, kind: str, question_id: str, given: str = "", *, exact: bool = True) -> None:
        self._do("INSERT INTO moves VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, kind, question_id, given, exact))

    def _lesson(self, question_id: str, cause: str, otherwise: _Key) -> _Key:
        number = self._number(question_id, cause)
        return otherwise if number is None else (number, 0, 0)

    def _place(self, lines: "array[int]", counts: "array[int]") -> tuple[int, bool]:
        """Find the last lesson that a panel saw, and whether it saw exactly the lessons up to it."""
        place = -1
        counts = array("q", [count - self._began.get(line, 0) for line, count in zip(lines, counts, strict=True)])
        if min(counts, default=0) < 0:
            return place, False
        for line, count in zip(lines, counts, strict=True):
            observed = self._observed[line]
            if count > len(observed):
                return self._lessons - 1, False
            if count:
                place = max(place, observed[count - 1])
        further = (
            observed[count]
            for line, count in zip(lines, counts, strict=True)
            if count < len(observed := self._observed[line])
        )
        return place, all(lesson > place for lesson in further)


def line_carried(event: RouterCarried | WeightsCarried) -> tuple[Line, int]:
    """Give the line that a carried entry begins, and the sequence number of its first entry in this log."""
    line = (event.scope, event.agent) if isinstance(event, RouterCarried) else (event.scope, "")
    return line, event.carried.sequence + 1


def lines_seen(panel: PanelAssigned) -> list[tuple[Line, int]]:
    """List the lines that a panel consulted, each with the number of observations that it held."""
    seen = [
        ((scope, candidate.agent), sequence)
        for candidate in panel.candidates
        for scope, sequence in zip(panel.scopes, candidate.sequences, strict=True)
    ]
    odds = panel.odds if isinstance(panel, PanelAssignedV2) else None
    return seen if odds is None else [*seen, ((odds.scope, ""), odds.sequence)]
