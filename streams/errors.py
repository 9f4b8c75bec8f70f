"""
The error tree, by what to do next.

OrchError
├── InvariantError      our bug: stop and report                          exit 1
├── TransientError      retry later (retriable)                           exit 3
│   └── PendingError    a question has no decision yet: wait for it again exit 3
├── UsageError          the command or an input file is wrong: correct it exit 2
│   ├── ConflictError   an id stands for another question already         exit 2
│   └── NoFeedbackError there is no such feedback to take back            exit 2
├── OperatorError       settings, file, disk, broker: a person acts       exit 3
│   └── UnreachableError no broker can be used: a running worker waits    exit 3
└── DifferenceError     an event or a proof does not match the log        exit 4
"""

from typing import Any, ClassVar


class OrchError(Exception):
    """
    Base class of all errors of this program.

    Args:
        message: The wrong value and its place.
        remedy: Action for the user.
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
    """An invariant is broken: a bug in this program."""


class TransientError(OrchError):
    """The same call may succeed later."""

    exit_code = 3
    retriable = True


class PendingError(TransientError):
    """A question has no decision yet; it stays open in the log, and its id gets the decision later (place: key)."""


class UsageError(OrchError):
    """A command, an option or an input file is wrong; the user corrects it."""

    exit_code = 2


class ConflictError(UsageError):
    """The id of a question stands for another question already; the log is unchanged."""


class NoFeedbackError(UsageError):
    """There is nothing to take back: no such question, nothing said of it, or not this (place: key)."""


class OperatorError(OrchError):
    """A setting, file, disk, lock or broker prevents the operation; a person acts."""

    exit_code = 3


class UnreachableError(OperatorError):
    """No broker of a cluster can be used; a person acts, or one comes back."""


class DifferenceError(OrchError):
    """A re-derived event differs from the log, or a proof does not hold."""

    exit_code = 4
