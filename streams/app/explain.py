"""Explanation of a question, or of an event about it."""

from streams.app.workspace import Workspace
from streams.audit.event_ids import find_event, may_be_id
from streams.audit.explain.explain import explain
from streams.audit.explain.explanation import Explanation
from streams.errors import UsageError
from streams.log import read_event
from streams.topology import POLICIES, QUESTIONS


def explain_question(work: Workspace, given: str) -> Explanation:
    """
    Explain how a question came to its decision, or what it waits for.

    Args:
        work: Workspace of the log.
        given: The question's id; or the id of an event about it, or at least its first 12 digits.

    Raises:
        UsageError: The log holds neither such a question nor such an event; the remedy names close questions.
        DifferenceError: A record about the question was changed after it was written.
    """
    try:
        with work.open_reader(about=given) as reader:
            return explain(reader, given, work.seen_entries)
    except UsageError:
        pass
    # What was opened for one question may hold only the partition that it would be in: here counts the whole log.
    by_event = may_be_id(given)
    with work.open_reader(topics=() if by_event else (QUESTIONS,)) as reader:
        record = find_event(reader.records(), given, among="the log's events") if by_event else None
        if record is None:
            return explain(reader, given, work.seen_entries)
        question_id = getattr(read_event(record), "question_id", None)
        if question_id is None:
            remedy = f"`orch policy show {given}`" if record.topic == POLICIES else f"`orch consume {record.topic}`"
            raise UsageError(
                f"{given} is an event of {record.topic}, and about no question", remedy=f"{remedy} prints it"
            )
        return explain(reader, question_id, work.seen_entries)
