"""Session on a log: questions and their decisions."""

from typing import NamedTuple, Protocol

from schemas.decisions import DecisionMade
from schemas.event import MAX_EVENT_BYTES, Event
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from streams.app.metrics import NOT_COUNTED, Counted
from streams.app.reporter import SILENT, Reporter
from streams.app.workspace import Workspace
from streams.errors import ConflictError, PendingError, UsageError
from streams.log import Headers, Record, read_event
from streams.topology import DECISIONS, QUESTIONS


class OnRecord(NamedTuple):
    """What a log holds about the id of a question; the first question and the first decision count."""

    question: QuestionAsked | None = None
    decision: DecisionMade | None = None

    @classmethod
    def of(cls, records: list[Record]) -> "OnRecord":
        """Read it from all records about one question, in log order."""
        question: QuestionAsked | None = None
        decision: DecisionMade | None = None
        for record in records:
            if record.topic == QUESTIONS and question is None:
                event = read_event(record)
                question = event if isinstance(event, QuestionAsked) else None
            elif record.topic == DECISIONS and decision is None:
                event = read_event(record)
                decision = event if isinstance(event, DecisionMade) else None
        return cls(question, decision)


class QuestionSession(Protocol):
    """
    An open log to which questions are put while it is open, any number at a time; used in one event loop alone.

    On a file the session is the only writer, and calls the agents. On Kafka it publishes, and workers answer.
    """

    @property
    def policy(self) -> PolicyAdopted:
        """Give the policy in force when the session began."""

    @property
    def live(self) -> bool:
        """Whether the session makes calls that take wall time."""

    @property
    def usable(self) -> bool:
        """Whether the session goes on: it was not closed, and has not failed."""

    @property
    def trouble(self) -> str | None:
        """Say what keeps questions from their decisions now, such as absent brokers; None if nothing is known to."""

    async def submit(self, question: QuestionAsked, carried: Headers = ()) -> bool:
        """
        Put a question into the log; when this returns it is durable.

        Args:
            question: The question.
            carried: Headers of its record that derived records carry on, such as `traceparent`.

        Returns:
            Whether it had been asked before, as far as that is known yet.

        Raises:
            ConflictError: The id stands for another question. On Kafka `decision` may be the one to find that.
            UsageError: The question is larger than an event may be.
            OperatorError: The log cannot be written.
        """

    async def decision(self, question_id: str) -> DecisionMade:
        """
        Wait for the decision of a question that was submitted, now or earlier; it is durable.

        Raises:
            ConflictError: The question submitted under this id is not the one that the id stands for.
            UsageError: The log holds no question of this id.
            PendingError: The session was closed before the decision.
            OperatorError: The log cannot be written or read.
        """

    async def append(self, event: Event) -> None:
        """
        Append an input that is no question, such as feedback; when this returns it is durable.

        Raises:
            UsageError: The log refuses it; the message says why. (On Kafka it becomes a dead letter instead.)
        """

    async def close(self, *, finish: bool = False) -> None:
        """
        Close the log; calls in flight are cancelled, and the next writer repeats them.

        Args:
            finish: Whether to wait until every question in the file is decided; on Kafka nothing is waited for.
        """


async def open_session(
    work: Workspace,
    *,
    reporter: Reporter = SILENT,
    counted: Counted = NOT_COUNTED,
    look_first: bool = False,
) -> QuestionSession:
    """
    Open a log for questions; a file is created if it does not exist.

    Args:
        work: Workspace of the log.
        reporter: Told when workers do not seem to run.
        counted: What is counted of a session on a file.
        look_first: On Kafka, whether to search the log for a question before it is published.

    Raises:
        UsageError: A setting is wrong, there are no agents, or the log is an archive.
        OperatorError: The log cannot be written, an agent cannot be made, or no broker answers.
    """
    if work.log.scheme == "kafka":
        from streams.app.kafka_session import KafkaSession

        return await KafkaSession.open(work, reporter, look_first=look_first)
    from streams.app.file_session import FileSession

    return FileSession.open(work, counted)


def require_same(asked: QuestionAsked, known: QuestionAsked) -> None:
    """
    Check that a question is the one that its id stands for.

    Raises:
        ConflictError: It is another one.
    """
    if asked.statement_id != known.statement_id:
        raise ConflictError(
            f"the id {asked.question_id!r} stands for another question",
            remedy="Choose another id",
            key=asked.question_id,
        )


def require_size(event: Event) -> None:
    """
    Check that an event is small enough for any log.

    Raises:
        UsageError: It is not.
    """
    size = len(event.encode())
    if size > MAX_EVENT_BYTES:
        raise UsageError(
            f"the event about {event.correlation!r} has {size:,} bytes",
            remedy=f"The limit is {MAX_EVENT_BYTES:,}: shorten its text",
            topic=event.topic,
            key=event.key,
        )


def unknown_question(question_id: str) -> UsageError:
    """Say that a log holds no question of this id."""
    return UsageError(f"the log holds no question {question_id!r}", remedy="Ask it first", key=question_id)


def closed_early(question_id: str) -> PendingError:
    """Say that a session was closed before the decision of a question."""
    return PendingError(
        f"the log was closed before question {question_id!r} was decided",
        remedy="It stays open: ask it again with the same id to wait for its decision",
        key=question_id,
    )
