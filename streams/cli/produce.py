"""`orch produce` and `orch feedback`: JSON Lines into the log."""

import click

from streams.app import amounts
from streams.app.foreign_fields import FieldMap
from streams.app.produce import Appended, append_feedback, append_questions
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_USAGE, App, pass_app
from streams.cli.file_options import map_option
from streams.cli.render.terminal import Terminal

SAFE = "What was committed to {log} is safe; the same command appends the rest."
"""Advice for an interrupted command."""


@command(
    examples=(
        "orch produce questions.jsonl",
        "orch produce - < questions.jsonl",
        "orch produce questions.jsonl --map id=question_id,question=text,choices=options",
        "orch --format json produce questions.jsonl",
    )
)
@click.argument("file")
@map_option
@pass_app
def produce(app: App, file: str, names: FieldMap | None) -> int:
    """
    Append questions from JSON Lines to the log.

    A line is {"question_id", "text", "options": [...]}, and may hold "answer_type", "subject" and "occurred_at"; FILE
    may also be a JSON array, CSV or TSV (options in columns A, B, C...), any of them gzip, or - for stdin. --map reads
    a file with other names. No agent is called yet: `orch run` does that, or on Kafka the workers. A line that
    cannot be used is reported with its number, the others are appended, and the exit code is 2. A commit follows every
    1,000 lines; for a pipe also every second, and whenever it pauses.
    """
    app.if_interrupted(SAFE.format(log=app.log_url))
    done = append_questions(app, file, Terminal(), names)
    if done.with_gold:
        output.say(
            f"{amounts.counted(done.with_gold, 'right answer')} (gold) left out, being no part of a question;"
            f" `orch run {file} --feedback gold` and `orch feedback` teach them."
        )
    counts = {"appended": done.appended, "already_there": done.already_there, "rejected": done.rejected}
    if app.json:
        output.print_json(counts)
    else:
        _print("question", done, app)
    return _end(done)


@command(
    examples=(
        "orch feedback feedback.jsonl",
        "orch feedback - < feedback.jsonl",
        "orch --format json feedback feedback.jsonl",
    )
)
@click.argument("file")
@pass_app
def feedback(app: App, file: str) -> int:
    """
    Append feedback from JSON Lines, and learn from it.

    A line is {"question_id", "source": "gold", "human", "downstream", "judge" or "agreement", "answer": the right one},
    or has "verdict": "right" or "wrong" on the decision instead of "answer"; it may hold "author" and "occurred_at".
    {"kind": "feedback.retracted.v1", "question_id", "feedback_id"} takes one back; 12 digits of its id, as `orch
    explain` shows them, are enough. Feedback may come before its question, late, or twice. FILE may also be a JSON
    array, CSV or TSV, any of them gzip, or - for stdin.
    """
    app.if_interrupted(SAFE.format(log=app.log_url))
    done = append_feedback(app, file, Terminal())
    if done.awaited:
        output.say(f"{done.awaited:,} on questions that are not in the log yet; they count once the questions are.")
    counts = {
        "appended": done.appended,
        "already_there": done.already_there,
        "awaited": done.awaited,
        "rejected": done.rejected,
    }
    if app.json:
        output.print_json(counts)
    else:
        _print("feedback event", done, app)
    return _end(done)


def _print(noun: str, done: Appended, app: App) -> None:
    known = f"; {done.already_there:,} there already" if done.already_there else ""
    output.print_text(f"{amounts.counted(done.appended, noun)} appended to {app.log_url}{known}")


def _end(done: Appended) -> int:
    if not done.rejected:
        return 0
    output.say(f"{amounts.counted(done.rejected, 'line')} could not be used; see above.")
    return EXIT_USAGE
