"""One question as a list of decisions shows it."""

import sys
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from streams.log import Record

QuestionState = Literal["open", "decided", "undecided"]

LONGEST = 160
"""Characters of a question or an option that a list shows."""


@dataclass(slots=True)
class QuestionRow:
    """A question, and what became of it; some 900 bytes."""

    question_id: str
    number: int
    """Place in the list: of two rows the newer one has the larger."""
    at_ms: int
    """When its newest record came into the log, in milliseconds since 1970."""
    state: QuestionState = "open"
    text: str = ""
    """Beginning of the question; empty while only its decision was read."""
    subject: str = ""
    answer: str = ""
    answer_text: str = ""
    agreeing: int = 0
    counted: int = 0
    """Ballots that agree with the decision, and all that counted."""
    agents: tuple[str, ...] = ()
    """Agents whose ballots counted or were excluded."""
    rule: str = ""
    cost_nusd: int = 0
    unpriced: int = 0
    """Calls of unknown cost; if there are any, the cost is a lower bound."""
    slowest_ms: int = 0
    """Latency of the slowest agent."""
    searched: str = ""
    """Text in which a search looks: id, question and answer, in small letters."""

    @property
    def disagreed(self) -> bool:
        """Whether some ballot that counted was against the decision."""
        return self.state == "decided" and self.agreeing != self.counted


def asked(row: QuestionRow, record: Record) -> None:
    """Note what a question says."""
    event = orjson.loads(record.value)
    row.text, row.subject = _cut(event["text"]), sys.intern(event.get("subject") or "")
    _be_found(row)


def decided(row: QuestionRow, record: Record) -> None:
    """Note what a decision says."""
    event = orjson.loads(record.value)
    seats = [*event["counted"], *event["excluded"]]
    row.state, row.at_ms = event["status"], record.timestamp_ms
    row.answer, row.answer_text = event["answer"] or "", _cut(event.get("answer_text") or "")
    row.agreeing, row.counted = event["agreement"]["agreeing"], event["agreement"]["counted"]
    row.agents = tuple(dict.fromkeys(sys.intern(seat["agent"]) for seat in seats))
    row.rule, row.cost_nusd, row.unpriced = sys.intern(event["rule"]), event["cost_nusd"], event["unpriced_calls"]
    row.slowest_ms = max((seat["conduct"]["latency_ms"] or 0 for seat in seats), default=0)
    if not row.subject:
        row.subject = sys.intern(_subject(event))
    _be_found(row)


def _be_found(row: QuestionRow) -> None:
    row.searched = f"{row.question_id} {row.text} {row.answer_text}".casefold()


def _subject(event: dict[str, Any]) -> str:
    return next((scope for scope in event["scopes"] if scope != "*"), "")


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
