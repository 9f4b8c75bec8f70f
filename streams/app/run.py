"""Run of a question file: stages, summary and replay."""

import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any

from schemas.quantities import instant_of_ms
from schemas.questions import QuestionAsked
from streams.agents.calls.progress import CallProgress
from streams.app.foreign_fields import tell_left_out
from streams.app.merge_rules import merge_for
from streams.app.metrics import NOT_COUNTED, Counted
from streams.app.old_result import refuse_old_result
from streams.app.policies import adopt
from streams.app.question_feed import QuestionFeed
from streams.app.question_file import AS_IT_IS, LineReading, Survey, survey
from streams.app.replay import replay
from streams.app.reporter import SILENT, Reporter
from streams.app.require_kafka import connection_of
from streams.app.rereadable import rereadable
from streams.app.setup import Setup, answer, hire, keep, window_of
from streams.app.workspace import Workspace
from streams.audit.policy_names import PolicyNames
from streams.audit.replay.replay import Replay
from streams.audit.run_summary import RunSummary, known_answers, summarise
from streams.evaluation.significance import wilson
from streams.jsonlines import LineProblem, Rows, Source, source_name
from streams.log import Appender, LogReader, wall_clock_ms
from streams.settings import Config, RunSettings
from streams.topology import FEEDBACK, POLICIES, QUESTIONS
from streams.workers.embedded_session import Listener


@dataclass(frozen=True, slots=True)
class Job:
    """Parameters of a run."""

    source: str | Rows | None
    """Question file, or the objects of one; None: finish the questions that the log holds."""
    config: Config
    outputs: tuple[str | Rows, ...] = ()
    teach: bool = False
    """Whether gold answers become feedback."""
    reading: LineReading = AS_IT_IS
    """How names and ids of the file are to be understood."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """Result of a run."""

    summary: RunSummary
    replay: Replay
    policy_id: str
    policy: str
    """The policy's name in this log, which tells it from others of the same id."""
    decided_now: int
    """Decisions of this run."""
    seconds: float
    """Time from the first question to the last decision."""
    known: int
    """Questions that had been asked before."""
    problems: tuple[LineProblem, ...]

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch run --format json`."""
        summary = self.summary
        return {
            **summary.as_json(),
            "accuracy_interval": _interval(summary.correct, summary.graded),
            "subjects": {
                subject: {
                    "graded": part.graded,
                    "correct": part.correct,
                    "accuracy": part.correct / part.graded,
                    "interval": _interval(part.correct, part.graded),
                }
                for subject, part in sorted(summary.subjects.items())
            },
            "policy_id": self.policy_id,
            "policy": self.policy,
            "decided_now": self.decided_now,
            "seconds": round(self.seconds, 3),
            "already_asked": self.known,
            "rejected": len(self.problems),
            "replay": {"events": self.replay.events, "different": self.replay.different},
        }


def _interval(correct: int, graded: int) -> list[float] | None:
    """Give the 95 % interval of an accuracy, as if the questions were drawn at random; None without graded ones."""
    return list(wilson(correct, graded)) if graded else None


def do(work: Workspace, job: Job, reporter: Reporter = SILENT, counted: Counted = NOT_COUNTED) -> RunOutcome:
    """
    Ask the questions of a job, decide all open questions, summarise, and replay the log. Bad lines are reported.

    Args:
        counted: Metrics, probes and traces while it decides.

    Raises:
        UsageError: A file or a setting is wrong, or all questions are decided, but under other policies; nothing was
            asked.
        OperatorError: The log cannot be written, or one of its policies names a merge rule that is not installed.
    """
    if job.source is None:
        return _decide(work, job, Survey({}, None, []), None, reporter, counted)
    with rereadable(job.source) as again:
        with reporter.progress(f"reading {source_name(job.source)}") as advance:
            surveyed = survey(again(), wall_clock_ms, advance, job.reading)
        tell_left_out(job.reading.names, reporter)
        return _decide(work, job, surveyed, again, reporter, counted)


def _decide(
    work: Workspace,
    job: Job,
    surveyed: Survey,
    again: Callable[[], Source] | None,
    reporter: Reporter,
    counted: Counted,
) -> RunOutcome:
    first = surveyed.first
    at = first.question.occurred_at if first and first.timed else instant_of_ms(wall_clock_ms())
    setup = hire(job.config, job.outputs, at)
    if not work.log_exists:
        # Errors in the settings are raised before the log's file is created.
        keep(setup, None, job.config)
    problems = [*(setup.problems if setup else ()), *surveyed.problems]
    reporter.refused(problems)
    with work.open_writer((POLICIES, QUESTIONS, FEEDBACK)) as log, work.open_reader() as view:
        setup = keep(setup, log.policy, job.config)
        # The replay at the end would find it too, after everything was asked.
        merge_for(view)
        refuse_old_result(view, setup.policy, surveyed.golds)
        activity = CallProgress()
        live = not all(agent.virtual for agent in setup.agents.values())
        with reporter.watched("deciding", len(surveyed.golds) or None, activity, live=live) as advance:
            feed = QuestionFeed(
                view, wall_clock_ms, log.append, surveyed.golds, job.teach, advance, reading=job.reading
            )
            started = time.perf_counter()
            questions = feed.questions(again()) if again else ()
            answer_all(
                work,
                log,
                view,
                setup,
                questions,
                AnswerOptions(job.config.run, job.outputs, feed.hear, activity, surveyed.golds, reporter.say, counted),
            )
            seconds = time.perf_counter() - started
    conflicts = [problem for problem in feed.problems if problem not in surveyed.problems]
    reporter.refused(conflicts)
    with work.open_reader() as reader:
        asked = {key: gold for key, gold in surveyed.golds.items() if key not in feed.foreign}
        summary = summarise(reader, known_answers(reader) if again is None else asked)
        replayed = replay(reader, reporter)
        name = PolicyNames.of(reader).name(setup.policy)
    return RunOutcome(
        summary,
        replayed,
        setup.policy.policy_id,
        policy=name,
        decided_now=feed.decided,
        seconds=seconds,
        known=feed.known,
        problems=(*problems, *conflicts),
    )


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """Settings of `answer_all`."""

    run: RunSettings
    outputs: tuple[str | Rows, ...] = ()
    """Files of recorded outputs; empty: those of the configuration."""
    listener: Listener = lambda event: ()
    activity: CallProgress | None = None
    """Counters of calls that take wall time."""
    ids: Container[str] = ()
    """Ids of the questions to ask; on Kafka, others may ask one of them first."""
    tell: Callable[[str], None] = lambda text: None
    """Receives remarks for people."""
    counted: Counted = NOT_COUNTED
    """Metrics, probes and traces."""


def answer_all(
    work: Workspace,
    log: Appender,
    view: LogReader,
    setup: Setup,
    questions: Iterable[QuestionAsked],
    manner: AnswerOptions,
) -> None:
    """
    Adopt the policy if it is new, ask *questions*, and work until every question in the log has its decision.

    Raises:
        OperatorError: Other workers of the log do not know the kind of the policy.
    """
    folding = log.folding()
    if folding is not None:
        answer(
            folding,
            setup,
            questions,
            run=manner.run,
            listener=manner.listener,
            counted=Counted(manner.activity, manner.counted.instruments, manner.counted.tracer),
        )
        return
    connection, run = connection_of(work, "run"), manner.run
    from streams.app.kafka_worker import STAGES, WorkerSpec
    from streams.app.run_on_kafka import Asking, answer_on_kafka

    if log.policy != setup.policy:
        adopt(work, log, setup.policy)
    given = WorkerSpec(
        connection,
        STAGES,
        manner.outputs or run.outputs,
        cache_mib=run.state_cache_mib,
        calls_in_flight=run.calls_in_flight,
        grace_s=0,
        replies=run.replies,
        activity=manner.activity,
        instruments=manner.counted.instruments,
        tracer=manner.counted.tracer,
    )
    asking = Asking(window_of(setup, run), manner.listener, manner.ids, manner.tell)
    answer_on_kafka(given, view, questions, asking)
