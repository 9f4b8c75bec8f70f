"""Proof of a decision: its checkpoint and its receipt."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple, TypeGuard

from schemas.checkpoints import CheckpointSignedV2
from schemas.event import Event
from streams.app.anchors import read_anchor
from streams.app.receipt import make_receipt
from streams.app.workspace import Workspace
from streams.audit.proof.checkpoints import read_roots
from streams.audit.proof.notes import NoteError
from streams.errors import OrchError
from streams.log import LogReader, read_event
from streams.topology import CHECKPOINTS, DECISIONS


class ProofState(NamedTuple):
    """How far a decision is proved."""

    sealed: bool
    """Whether the newest checkpoint covers it, so that there is a receipt."""
    said: str
    origin: str = ""
    """Name of the log in its checkpoints."""
    signed_at: str = ""
    anchor: str | None = None
    """Place beside the log that holds this checkpoint; None: the log itself."""


class NewestCheckpoint:
    """
    The newest checkpoint of a log, or of a place beside it; each look reads on from the one before.

    Args:
        work: Workspace of the log.
        anchor: Place beside the log to which checkpoints are copied; None if there is none.
    """

    def __init__(self, work: Workspace, anchor: str | None) -> None:
        self._work, self.anchor = work, anchor
        self._lock = threading.Lock()
        self._read_to = 0
        self._own: CheckpointSignedV2 | None = None

    def begin(self) -> None:
        """Read what there is, so that no page has to; a log that cannot be read is told by the pages."""
        with suppress(OrchError):
            self.find()

    def find(self) -> "tuple[CheckpointSignedV2, str | None] | None":
        """
        Give it, and the anchor if it is there alone; None without any.

        Raises:
            OrchError: The log cannot be read.
        """
        with self._lock, self._work.open_reader(topics=(CHECKPOINTS,)) as reader:
            # A file has no index of topics: where there are none at all, nothing is searched.
            if any(topic == CHECKPOINTS and end for (topic, _), end in reader.ends().items()):
                after = self._read_to if reader.unordered() is None else 0
                signed = [event for event in map(read_event, reader.records((CHECKPOINTS,), after=after)) if _is(event)]
                self._own = signed[-1] if signed else self._own
            self._read_to = reader.end
        own = [] if self._own is None else [(self._own, None)]
        known = [*own, *((event, self.anchor) for event in _anchored(self.anchor))]
        return max(known, key=lambda each: each[0].occurred_at, default=None)


def proof_state(work: Workspace, question_id: str, newest: NewestCheckpoint) -> ProofState:
    """Say whether the newest checkpoint covers a question's decision."""
    try:
        with work.open_reader(about=question_id) as reader:
            place = _place(reader, question_id)
        found = newest.find()
    except OrchError as error:
        return ProofState(False, str(error))
    if place is None:
        return ProofState(False, "no decision to prove yet")
    return ProofState(False, "no checkpoint was signed yet") if found is None else _state(*found, place)


def _state(newest: CheckpointSignedV2, where: str | None, place: tuple[int, int]) -> ProofState:
    try:
        roots = read_roots(newest)
    except NoteError as problem:
        return ProofState(False, f"the newest checkpoint cannot be read: {problem}")
    head = roots.heads.get((DECISIONS, place[0]))
    covers = head is not None and place[1] < head.size
    said = "the newest checkpoint covers it" if covers else "it came after the newest checkpoint"
    return ProofState(covers, said, roots.origin, newest.occurred_at, where)


def receipt(work: Workspace, question_id: str, newest: NewestCheckpoint) -> dict[str, object]:
    """
    Make the receipt of a decision under the newest checkpoint.

    Raises:
        UsageError: There is no such decision, no checkpoint, or none that covers it.
        DifferenceError: The log is not as it was sealed.
    """
    found = newest.find()
    return make_receipt(work, question_id, checkpoint=None if found is None else found[1])


def _place(reader: LogReader, question_id: str) -> tuple[int, int] | None:
    found = (record for record in reader.about(question_id) if record.topic == DECISIONS)
    return next(((record.partition, record.offset) for record in found), None)


def _is(event: Event) -> TypeGuard[CheckpointSignedV2]:
    return isinstance(event, CheckpointSignedV2)


def _anchored(anchor: str | None) -> Sequence[CheckpointSignedV2]:
    """Read an anchor; nothing if it does not exist yet."""
    try:
        return () if anchor is None else read_anchor(anchor)[0]
    except OrchError:
        return ()
