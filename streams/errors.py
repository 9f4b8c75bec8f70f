"""
The error tree, by what to do next.

OrchError
├── InvariantError      our bug: stop and report                          exit 1
├── TransientError      try again (retriable)                             exit 3
├── UsageError          the command or an input file is wrong: correct it exit 2
├── OperatorError       settings, file, disk, broker: a person acts       exit 3
└── DifferenceError     the log does not prove itself                     exit 4
"""

from typing import Any, ClassVar


class OrchError(Exception):
    """
    Base of the family.

    Args:
        message: The wrong value and where it stood.
        remedy: What to do about it.
        place: Position as keywords, any of topic, partition, offset, key, event_id, file, line.
    """

    exit_code: ClassVar[int] = 1
    retriable: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str = "", **place: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.place = place

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


class InvariantError(OrchError):
    """Something that cannot be, is: a bug in this program."""


class TransientError(OrchError):
    """The same call may succeed later."""

    exit_code = 3
    retriable = True


class UsageError(OrchError):
    """What the user gave cannot be used as it is."""

    exit_code = 2


class OperatorError(OrchError):
    """The surroundings do not allow it: a file, a disk, a lock, a setting."""

    exit_code = 3


class DifferenceError(OrchError):
    """A re-derived event differs from the log, or a proof does not hold."""

    exit_code = 4
