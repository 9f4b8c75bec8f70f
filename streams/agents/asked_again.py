"""Ids of questions that are asked again."""

import re

from streams.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,60}")
MARK = "~"
"""Stands between the id of a question and the name under which it is asked again: `q1~2` asks `q1` again."""


def again_id(question_id: str, name: str) -> str:
    """
    Give the id under which a question is asked again.

    Raises:
        UsageError: The name cannot be the end of an id.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--again {name!r} is no name for questions that are asked again",
            remedy="It holds 1 to 60 letters, digits and ._:-",
        )
    return f"{question_id}{MARK}{name}"


def earlier_ids(question_id: str) -> tuple[str, ...]:
    """List the ids that a question may have been asked under before, the latest first: of `q1~2~x`, `q1~2` and `q1`."""
    found = []
    while MARK in question_id[1:]:
        question_id = question_id[: question_id.rindex(MARK)]
        found.append(question_id)
    return tuple(found)


def first_id(question_id: str) -> str:
    """Give the id that a question was first asked under."""
    return (question_id, *earlier_ids(question_id))[-1]
