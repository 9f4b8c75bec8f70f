"""A log as an object, for any thread."""

import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from os import PathLike, fspath
from typing import Any, Self, TypeVar

import structlog

from schemas.decisions import DecisionMade
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.policies import FeedbackSource, PolicyAdopted
from schemas.questions import QuestionAsked
from streams import logs
from streams.agents.api_keys import mask_event
from streams.api.reading import Placed, Remarks, decided, decision_in, outside_of_loops
from streams.app import run as runs
from streams.app.ask import question_of
from streams.app.consume import Following, consume, end_of
from streams.app.explain import explain_question
from streams.app.feedback_file import feedback_of
from streams.app.policies import policy_in_force
from streams.app.program_rows import source_of
from streams.app.question_file import AS_IT_IS, LineReading
from streams.app.replay import replay
from streams.app.reporter import Reporter
from streams.app.retraction import retraction_of
from streams.app.router import router_state
from streams.app.selection import BEGINNING, Status, TopicPlace, Where, selection_of
from streams.app.session_keeper import SessionKeeper
from streams.app.workspace import Workspace
from streams.audit.explain.explanation import Explanation
from streams.audit.replay.replay import Replay
from streams.errors import UsageError
from streams.instruments.trace_context import carried_from
from streams.log import wall_clock_ms
from streams.loop_thread import LoopThread
from streams.topology import DECISIONS, FEEDBACK, QUESTIONS

T = TypeVar("T")


class Orch:
    """
    A log, the agents that answer, and everything that can be read from it.

    Nothing is opened until it is needed. The first `ask`, `submit` or `feedback` opens the log for writing: a file is
    then this object's alone until `close`, while everyone may read it; on Kafka workers answer. Every method may be
    called from any thread, also at the same time. Events are the pydantic models of `schemas`, errors those of
    `streams.errors`, each with `message`, `remedy` and `exit_code`.

    Args:
        log: URL or path of the log (`sqlite:///orch.db`, `kafka://HOST:9092`, `parquet:DIR`). None: that of the
            configuration, else `sqlite:///orch.db`. ORCH_LOG is not read.
        config: Path of the configuration file, or a dictionary with its content. None: orch.toml if it is there.
        tell: Receives remarks for people, such as rows that cannot be used; None: nobody does.

    Example:
        with Orch("sqlite:///orch.db", config="orch.toml") as orch:
            decision = orch.ask("Which gas do plants take in?", ["Oxygen", "Carbon dioxide"])
            print(decision.answer, decision.answer_text)
    """

    def __init__(
        self,
        log: str | None = None,
        *,
        config: str | PathLike[str] | Mapping[str, Any] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        if not structlog.is_configured():
            # Else structlog writes every line to stdout, which is the program's own.
            logs.configure(mask=mask_event)
        settings = config if config is None or isinstance(config, Mapping) else fspath(config)
        self._work = Workspace(log, settings)
        self._reporter = Reporter() if tell is None else Remarks(tell)
        self._thread: LoopThread | None = None
        self._keeper: SessionKeeper | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def log_url(self) -> str:
        """URL of the log."""
        return self._work.log_url

    @property
    def policy(self) -> PolicyAdopted:
        """
        The policy in force.

        Raises:
            UsageError: The log holds none.
        """
        return policy_in_force(self._work)

    def ask(
        self,
        text: str,
        options: Sequence[str] = (),
        *,
        number: bool = False,
        subject: str | None = None,
        question_id: str | None = None,
        wait_s: float | None = None,
        traceparent: str | None = None,
    ) -> DecisionMade:
        """
        Ask one question and wait for its decision, which is durable then.

        The same question under the same id gets the same decision, however often and by whomever it is asked: so a
        caller that does not know whether its question arrived asks again.

        Args:
            text: The question.
            options: 2 to 26 answers to choose from; none for a number.
            number: Whether the answer is a number.
            subject: The router keeps averages of its own for each.
            question_id: None: it follows from the content.
            wait_s: Seconds to wait at most; None: until the policy's deadline ends the question.
            traceparent: The caller's trace (W3C Trace Context), which the question's records carry on and its spans
                belong to; one that breaks that form is ignored.

        Returns:
            The decision. Its status is `undecided` if too few agents gave a readable answer; that is no error.

        Raises:
            UsageError: The fields form no question, or there are no agents.
            ConflictError: The id stands for another question.
            PendingError: No decision after *wait_s*, or the log was closed; the question stays open.
            OperatorError: The log cannot be written, an agent cannot be made, or no broker can be used.
        """
        question = question_of(text, options, number=number, subject=subject, question_id=question_id)
        return self._call(lambda keeper: keeper.ask(question, wait_s, carried_from(traceparent)))

    def submit(
        self,
        text: str,
        options: Sequence[str] = (),
        *,
        number: bool = False,
        subject: str | None = None,
        question_id: str | None = None,
        traceparent: str | None = None,
    ) -> QuestionAsked:
        """Put a question into the log, where it is durable, and do not wait; arguments and errors as of `ask`."""
        question = question_of(text, options, number=number, subject=subject, question_id=question_id)
        self._call(lambda keeper: keeper.submit(question, carried_from(traceparent)))
        return question

    def decision(self, question_id: str, *, wait_s: float | None = 0) -> DecisionMade:
        """
        Give the decision of a question in the log.

        Args:
            question_id: Id of the question.
            wait_s: Seconds to wait at most; 0: do not wait, and open the log for reading alone. None: as `ask`.

        Raises:
            UsageError: The log holds no such question.
            PendingError: It is not decided yet.
        """
        if wait_s == 0:
            return decided(self._work, question_id)
        return self._call(lambda keeper: keeper.decision(question_id, wait_s))

    def run(
        self,
        questions: object = None,
        *,
        outputs: object = None,
        teach: bool = False,
        again: str | None = None,
    ) -> runs.RunOutcome:
        """
        Ask many questions, decide every open one, learn, and replay the log; as `orch run` does.

        Questions that someone else waits for are decided first; `ask` in other threads waits until the run ends.

        Args:
            questions: Path of a file, or rows: dictionaries with `question_id`, `text`, `options`, and perhaps
                `answer_type`, `subject` and `gold`, or a data frame of pandas, polars or pyarrow with such columns
                (options also in columns A, B, C...). None: only what the log holds.
            outputs: Recorded outputs, in the same forms, with `question_id`, `model` and `text`, or several paths;
                each model becomes an agent. None: the configured agents.
            teach: Whether `gold` becomes feedback, after which the router learns.
            again: Name under which decided questions are asked again with new ids (`q1~NAME`).

        Returns:
            Counts, accuracy and cost (`summary`), the result of the replay, and the rows that could not be used
            (`problems`, which are told too); `as_json()` is the contract of `orch run --format json`.

        Raises:
            UsageError: A setting is wrong, nothing can be read, or all questions were decided under another policy.
            OperatorError: The log cannot be written.
        """
        source = None if questions is None else source_of(questions, "questions")
        many = isinstance(outputs, list | tuple) and all(isinstance(each, str | PathLike) for each in outputs)
        given = tuple(outputs) if many and isinstance(outputs, list | tuple) else () if outputs is None else (outputs,)
        job = runs.Job(
            source,
            self._work.config,
            tuple(source_of(each, "outputs") for each in given),
            teach,
            AS_IT_IS if again is None else LineReading(again=again),
        )
        with self._alone():
            return outside_of_loops(lambda: runs.do(self._work, job, self._reporter))

    def feedback(
        self,
        question_id: str,
        *,
        answer: str | None = None,
        verdict: str | None = None,
        source: FeedbackSource = "human",
        author: str | None = None,
    ) -> FeedbackGiven:
        """
        Say what the right answer is, or whether the decision was right; the router learns from it.

        Args:
            question_id: Id of the question; feedback may come before its decision.
            answer: The right answer: the letter or the text of an option, or a number as text.
            verdict: `right` or `wrong`, instead of the answer.
            source: Where it comes from; the policy weighs sources differently.
            author: Who says so, where several people or systems are one source.

        Returns:
            The event; its `event_id` takes it back (`retract`).

        Raises:
            UsageError: It is no feedback, or the question does not offer the answer.
            OperatorError: The log cannot be written.
        """
        fields = {"question_id": question_id, "source": source, "author": author, "answer": answer, "verdict": verdict}
        given = {name: value for name, value in fields.items() if value is not None}
        with self._work.open_reader(about=question_id, topics=(QUESTIONS,)) as view:
            event = feedback_of(given, view, wall_clock_ms)
        self._call(lambda keeper: keeper.append(event))
        return event

    def retract(self, question_id: str, feedback_id: str) -> FeedbackRetracted:
        """
        Take feedback back by its `event_id`, or 12 digits of it; its effect on the averages is corrected.

        Whoever does not know whether a retraction arrived retracts again, and gets the same event.

        Raises:
            NoFeedbackError: The log holds no such question, nothing was said of it, or not this.
            UsageError: This is no id of an event.
        """
        with self._work.open_reader(about=question_id, topics=(QUESTIONS, FEEDBACK)) as view:
            event, known = retraction_of(view, question_id, feedback_id, wall_clock_ms)
        if not known:
            self._call(lambda keeper: keeper.append(event))
        return event

    def decisions(
        self,
        *,
        status: Status | None = None,
        subject: str | None = None,
        question_id: str | None = None,
        since: str | None = None,
        after: str | None = None,
        where: Where = (),
    ) -> Iterator[DecisionMade]:
        """
        Iterate the decisions of the log, each once, in log order (on Kafka in the order of each partition).

        Args:
            status: `decided` or `undecided`.
            subject: Decisions on questions of this subject.
            question_id: That of one question.
            since: Those that came into the log at this time or later (2026-11-29T08:00:00Z), or at this age (`2 h`).
            after: Those after this place, as `follow` gives it.
            where: Fields with their values, such as `{"agreement.agreeing": 3}`.

        Raises:
            UsageError: A condition cannot be read.
            OperatorError: The log does not exist, or cannot be read.
        """
        chosen = selection_of(
            DECISIONS, since=since, question_id=question_id, status=status, subject=subject, where=where
        )
        how = Following(BEGINNING if after is None else TopicPlace.parse(after))
        return (decision_in(found) for found in consume(self._work, DECISIONS, chosen, how, self._reporter))

    def follow(
        self,
        *,
        after: str | None = None,
        status: Status | None = None,
        where: Where = (),
    ) -> Iterator[Placed]:
        """
        Iterate decisions with their places, and wait for new ones, without end.

        Args:
            after: The place of the last decision that the reader has; "0" is the beginning of the log. None: begin with
                the next decision.
            status: `decided` or `undecided`.
            where: Fields with their values.
        """
        chosen = selection_of(DECISIONS, status=status, where=where)
        place = end_of(self._work, DECISIONS) if after is None else TopicPlace.parse(after)
        found = consume(self._work, DECISIONS, chosen, Following(place, follow=True), self._reporter)
        return (Placed(decision_in(each), str(each.place)) for each in found)

    def explain(self, question_id: str) -> Explanation:
        """
        Explain a decision, or what a question waits for: as `orch --format json explain`.

        Args:
            question_id: Id of the question; or of an event about it, or its first 12 digits.

        Raises:
            UsageError: There is no such question.
        """
        return explain_question(self._work, question_id)

    def replay(self) -> Replay:
        """
        Derive every derived event of the log again and compare it; nothing is written, no agent is called.

        Returns:
            Counts; `different` is 0 where the log is as its rules demand, else `first_difference` says where not.

        Raises:
            OperatorError: The log cannot be read.
        """
        with self._work.open_reader() as reader:
            return replay(reader, self._reporter)

    def router(self, *, at: str | None = None, scope: str | None = None) -> list[dict[str, Any]]:
        """
        Give the router's table: what it knows of each agent in each scope, one dictionary a line.

        Args:
            at: The table as it was for this question; None: as it is now.
            scope: One subject, or `*` for all.

        Raises:
            UsageError: There is no such question or scope.
        """
        return router_state(self._work, at, scope).lines()

    def close(self) -> None:
        """Close the log; who still waits for a decision gets a PendingError, and the question stays open."""
        with self._lock:
            self._closed, thread, keeper = True, self._thread, self._keeper
            self._thread = self._keeper = None
        if thread is not None:
            try:
                if keeper is not None:
                    thread.call(keeper.close())
            finally:
                thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _begin(self, work: Callable[[SessionKeeper], Coroutine[Any, Any, T]]) -> Future[T]:
        """Start something in the thread of the session."""
        with self._lock:
            if self._closed:
                raise UsageError("the log was closed", remedy="Make another Orch to open it again")
            if self._thread is None or self._keeper is None:
                self._thread, self._keeper = LoopThread("orch"), SessionKeeper(self._work, self._reporter)
            return self._thread.begin(work(self._keeper))

    def _call(self, work: Callable[[SessionKeeper], Coroutine[Any, Any, T]]) -> T:
        future = self._begin(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let this thread write the log by other means."""
        keeper = self._call(_itself)
        alone = keeper.alone()
        self._call(lambda _: alone.__aenter__())
        try:
            yield
        finally:
            self._call(lambda _: alone.__aexit__(None, None, None))


async def _itself(keeper: SessionKeeper) -> SessionKeeper:
    return keeper
