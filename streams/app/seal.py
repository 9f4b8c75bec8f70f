"""Sealing of a log, once or again and again."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from schemas.checkpoints import CheckpointSignedV2
from schemas.quantities import instant_of_ms
from streams.app.anchors import read_anchor, write_anchor
from streams.app.reporter import SILENT, Reporter
from streams.app.workspace import Workspace
from streams.audit.proof.checkpoints import SealedRoots, hand_over, is_sealed, read_roots, sign_roots
from streams.audit.proof.log_check import newest_checkpoint
from streams.audit.proof.log_trees import LogTrees, unsealed_places
from streams.audit.proof.notes import NoteError, PublicKey, SigningKey
from streams.errors import DifferenceError, OperatorError, UsageError
from streams.log import Clock, LogReader, wall_clock_ms
from streams.topology import CHECKPOINTS

POLL_S = 0.5
"""Seconds between two looks at a log that is followed."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """
    A checkpoint of a log.

    Attributes:
        in_log: Whether the log holds it; not while another process writes to the file, nor in an archive.
        left_out: Partitions without a tree.
        new: Whether it was signed now; else it is the one before, which covers all that the log holds.
    """

    event: CheckpointSignedV2
    roots: SealedRoots
    in_log: bool
    left_out: Sequence[str]
    new: bool = True

    def as_json(self) -> dict[str, object]:
        """Give the contract of `orch seal --format json`."""
        return {
            "event_id": self.event.event_id,
            "occurred_at": self.event.occurred_at,
            "origin": self.roots.origin,
            "partitions": len(self.roots.heads),
            "records": self.roots.records,
            "root": self.roots.root.hex(),
            "in_log": self.in_log,
            "left_out": list(self.left_out),
            "new": self.new,
            "note": self.event.note,
        }


class Sealer:
    """
    Signs checkpoints of one log, and remembers the trees between them.

    Args:
        work: Workspace of the log.
        key: Its origin is the log's name.
        anchors: Where to copy each checkpoint; see `anchors`.
        next_key: A key to which *key* hands over; the checkpoint is signed by it.
    """

    def __init__(
        self,
        work: Workspace,
        key: SigningKey,
        anchors: Sequence[str] = (),
        *,
        next_key: SigningKey | None = None,
        clock: Clock = wall_clock_ms,
        reporter: Reporter = SILENT,
    ) -> None:
        self._work, self._anchors, self._clock, self._reporter = work, anchors, clock, reporter
        self._key, self._next_key = key, next_key
        self._trees = LogTrees()
        self._before: CheckpointSignedV2 | None = None
        self._started = False

    def seal(self, reader: LogReader) -> Sealed:
        """
        Seal all that a view holds; give the checkpoint before if it covers that already, and copy it to the anchors.

        Raises:
            DifferenceError: The log is not as the checkpoint before sealed it; nothing is signed.
            UsageError: Another key sealed the log, or there is nowhere to put the checkpoint.
            OperatorError: The log or an anchor cannot be written.
        """
        if not self._started:
            self._begin(reader)
        total = sum(end for (topic, _), end in reader.ends().items() if is_sealed(topic)) - self._trees.records
        with self._reporter.progress("sealing", max(total, 0)) as advance:
            for _ in self._trees.read(reader):
                advance(1)
        self._trees.finish()
        if self._trees.mismatches:
            raise DifferenceError(
                f"the log is not as it was sealed, and nothing was signed: {self._trees.mismatches[0]}",
                remedy="`orch verify` shows all differences; restore the log from a backup",
            )
        before = None if self._before is None else read_roots(self._before)
        heads = self._trees.heads
        if before is not None and self._next_key is None and all(h == before.heads.get(p) for p, h in heads.items()):
            return self._again(reader, self._before, before)
        return self._sign(reader)

    def _begin(self, reader: LogReader) -> None:
        known = [event for where in self._anchors for event in _anchored(where)]
        newest = newest_checkpoint(reader)
        known += [] if newest is None else [newest]
        self._before = max(known, key=lambda event: event.occurred_at, default=None)
        if self._before is not None:
            keys = (self._key, *((self._next_key,) if self._next_key else ()))
            require_same_key(self._before, [key.public for key in keys])
            self._trees.expect(
                [(f"the checkpoint of {event.occurred_at}", read_roots(event)) for event in known],
                without=reader.incomplete(),
            )
        self._started = True

    def _again(self, reader: LogReader, event: CheckpointSignedV2 | None, roots: SealedRoots) -> Sealed:
        """Copy the newest checkpoint to those anchors that lack it."""
        assert event is not None, "there are no roots without their checkpoint"
        for where in self._anchors:
            if all(known.event_id != event.event_id for known in _anchored(where)):
                write_anchor(where, event)
        own = newest_checkpoint(reader)
        in_log = own is not None and own.event_id == event.event_id
        return Sealed(event, roots, in_log, unsealed_places(reader), new=False)

    def _sign(self, reader: LogReader) -> Sealed:
        signer = self._next_key or self._key
        roots = sign_roots(signer, self._trees.heads)
        event = CheckpointSignedV2(
            causes=() if self._before is None else (self._before.event_id,),
            occurred_at=instant_of_ms(self._clock()),
            note=roots.note,
            partitions=tuple(roots.notes.values()),
            key_change=hand_over(self._key, signer.public) if self._next_key else None,
        )
        in_log = self._append(event)
        for where in self._anchors:
            write_anchor(where, event)
        self._before = event
        self._key, self._next_key = signer, None
        return Sealed(event, roots, in_log, unsealed_places(reader))

    def _append(self, event: CheckpointSignedV2) -> bool:
        """Append a checkpoint to the log; if that is not possible now, say so, as long as there is an anchor."""
        if self._work.log.scheme == "parquet":
            if self._anchors:
                return False
            raise UsageError(
                f"{self._work.log_url}: an archive is not written to", remedy="Name a place for it: --anchor FILE"
            )
        try:
            writer = self._work.open_writer((CHECKPOINTS,), folding=False)
        except OperatorError as error:
            if "holder" not in error.place:
                raise
            if self._anchors:
                return False
            raise OperatorError(
                error.message,
                remedy="Wait for it to end, or seal into a file meanwhile: --anchor FILE",
                **error.place,
            ) from error
        with writer:
            writer.append(event)
            writer.commit()
        return True

    def follow(
        self, reader: LogReader, *, every: int, seconds: float, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[Sealed]:
        """
        Seal whenever there are *every* new records, or any and *seconds* passed since the last time.

        Without end; the caller stops asking.
        """
        sealed_at = time.monotonic()
        while True:
            new = _records(reader) - self._trees.records
            if not self._started or new >= every or (new > 0 and time.monotonic() - sealed_at >= seconds):
                found = self.seal(reader)
                sealed_at = time.monotonic()
                if found.new:
                    yield found
            sleep(POLL_S)
            reader.refresh()


def _records(reader: LogReader) -> int:
    gone = reader.incomplete()
    return sum(end for place, end in reader.ends().items() if is_sealed(place[0]) and place not in gone)


def _anchored(where: str) -> Sequence[CheckpointSignedV2]:
    """Read what an anchor holds already; nothing if it does not exist yet, or cannot be read: then it is written to."""
    try:
        return read_anchor(where)[0]
    except (UsageError, OperatorError):
        return ()


def require_same_key(before: CheckpointSignedV2, keys: Sequence[PublicKey]) -> None:
    """
    Refuse to go on under another key than the one that signed last.

    Raises:
        UsageError: The key is another one.
    """
    try:
        read_roots(before, keys)
    except NoteError as problem:
        raise UsageError(
            f"the checkpoint of {before.occurred_at} is not of this key: {problem}",
            remedy="Seal with the key that sealed the log before, or hand over from it: `orch seal --change-key`",
        ) from None
