"""List of a log's questions by state, subject and time."""

from collections.abc import Iterator, Sequence

from streams.app.selection import instant_ms
from streams.app.workspace import Workspace
from streams.audit.question_list import ListedQuestion, Trait, listed_questions
from streams.log import wall_clock_ms
from streams.topology import DECISIONS, FEEDBACK, QUESTIONS


def question_list(
    work: Workspace, *, traits: Sequence[Trait] = (), subject: str | None = None, since: str | None = None
) -> Iterator[ListedQuestion]:
    """
    Iterate the questions of a log, in the order in which its reader groups them.

    Args:
        work: Workspace of the log.
        traits: Questions with one of these; empty: all.
        subject: Questions of this subject.
        since: Questions that came into the log at this time or later, or at this age.

    Raises:
        UsageError: *since* cannot be read.
        OperatorError: The log does not exist, or cannot be read.
    """
    since_ms = None if since is None else instant_ms(since, wall_clock_ms)
    with work.open_reader(topics=(QUESTIONS, DECISIONS, FEEDBACK)) as reader:
        for listed in listed_questions(reader):
            if (
                (not traits or any(listed.has(trait) for trait in traits))
                and (subject is None or listed.line["subject"] == subject)
                and (since_ms is None or listed.timestamp_ms >= since_ms)
            ):
                yield listed.line
