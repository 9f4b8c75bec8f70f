"""Check of a log against checkpoints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.checkpoints import CheckpointSignedV2
from schemas.registry import decode_canonical
from streams.audit.proof.checkpoints import Checkpoint, SealedRoots, keys_after, open_roots
from streams.audit.proof.content_id import id_problem
from streams.audit.proof.log_trees import LogTrees, unsealed_places
from streams.audit.proof.notes import NoteError, PublicKey
from streams.errors import DifferenceError
from streams.log import LogReader, read_event
from streams.topology import CHECKPOINTS

MOST_PROBLEMS = 100
"""Problems that are listed; further ones are counted."""


@dataclass(slots=True)
class Problems:
    """Found problems, the first of them in words."""

    count: int = 0
    listed: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Note a problem."""
        self.count += 1
        if len(self.listed) < MOST_PROBLEMS:
            self.listed.append(text)


@dataclass(slots=True)
class LogCheck:
    """
    Result of a check.

    Attributes:
        events: Records whose ids were checked.
        checkpoints: Checkpoints of the log, and those that it was held to.
        sealed: Records that the newest checkpoint covers.
        unsealed: Records behind it, which nothing proves yet.
        refused: Records that no reader takes as events; on Kafka a producer may write anything.
        remarks: What could not be checked, and why.
        newest: The newest checkpoint of the log.
    """

    events: int = 0
    checkpoints: int = 0
    sealed: int = 0
    unsealed: int = 0
    refused: int = 0
    problems: Problems = field(default_factory=Problems)
    remarks: list[str] = field(default_factory=list)
    newest: SealedRoots | None = None


Named = tuple[str, SealedRoots]
"""A checkpoint with the name that messages give it."""


def check_log(
    reader: LogReader,
    trusted: PublicKey,
    against: Sequence[Named] = (),
    advance: Callable[[int], None] = lambda steps: None,
    *,
    bare: Sequence[Checkpoint] = (),
) -> LogCheck:
    """
    Check signatures, roots and ids of a whole log; derived events are checked by a replay.

    Args:
        reader: The log.
        trusted: The key that the auditor was given.
        against: Checkpoints from elsewhere that the log must go on from, opened already.
        advance: Told of records done.
        bare: Checkpoints from elsewhere of the whole log, without those of its partitions: the log must hold them.
    """
    found = LogCheck()
    own = _own_checkpoints(reader, trusted, found)
    if not own:
        found.problems.add("the log has no checkpoint that this key signed: nothing in it is sealed")
    known = {roots.root for _, roots in (*own, *against)}
    for checkpoint in bare:
        if checkpoint.root not in known:
            found.problems.add(f"the log has no checkpoint with the root {checkpoint.root.hex()}, which was anchored")
    trees, gone = LogTrees(), reader.incomplete()
    trees.expect((*own, *against), without=gone)
    ordered = reader.unordered() is None
    offsets: dict[tuple[str, int], int] = {}
    try:
        for record in trees.read(reader):
            advance(1)
            found.events += 1
            place = record.topic, record.partition
            if record.offset <= offsets.get(place, -1):
                found.problems.add(
                    f"{record.topic}, partition {record.partition}, offset {record.offset}: out of order"
                )
            offsets[place] = record.offset
            problem = id_problem(record)
            if problem is not None and not ordered:
                found.refused += 1
            elif problem is not None:
                found.problems.add(f"{record.topic}, partition {record.partition}, offset {record.offset}: {problem}")
    except DifferenceError as problem:
        found.problems.add(problem.message)
    trees.finish()
    for mismatch in trees.mismatches:
        found.problems.add(str(mismatch))
    found.checkpoints = len(own) + len(against)
    if own:
        found.newest = own[-1][1]
        found.sealed = sum(head.size for place, head in found.newest.heads.items() if place not in gone)
    found.unsealed = max(0, trees.records - found.sealed)
    if gone:
        found.remarks.append(
            f"not checked against a root: {', '.join(unsealed_places(reader))}, from which compaction or retention"
            " removes records; seal and verify an archive of them"
        )
    return found


def _own_checkpoints(reader: LogReader, trusted: PublicKey, found: LogCheck) -> list[Named]:
    """Open the checkpoints of the log, oldest first, under the given key and those it handed over to."""
    events = []
    try:
        for record in reader.originals((CHECKPOINTS,)):
            where = f"{CHECKPOINTS}, partition {record.partition}, offset {record.offset}"
            try:
                event = decode_canonical(CHECKPOINTS, record.value or b"")
            except ValueError as problem:
                found.problems.add(f"{where}: {problem}")
                continue
            if isinstance(event, CheckpointSignedV2):
                events.append((where, event))
            else:
                found.remarks.append(f"{where}: a checkpoint of v1, which this version does not check")
    except DifferenceError as problem:
        found.problems.add(problem.message)
    keys = keys_after(trusted, (event.key_change for _, event in events if event.key_change))
    opened: list[Named] = []
    known: set[str] = set()
    for where, event in events:
        for cause in event.causes:
            if cause not in known:
                found.remarks.append(f"{where}: names a checkpoint before it that is not in the log ({cause[:12]})")
        known.add(event.event_id)
        try:
            roots = open_roots(event, keys)
        except NoteError as problem:
            found.problems.add(f"{where}: {problem}")
            continue
        for place, head in opened[-1][1].heads.items() if opened else ():
            if place not in roots.heads or roots.heads[place].size < head.size:
                found.problems.add(f"{where}: {place[0]}, partition {place[1]} is shorter than in the one before")
        opened.append((f"the checkpoint of {event.occurred_at}", roots))
    return opened


def newest_checkpoint(reader: LogReader) -> CheckpointSignedV2 | None:
    """Find the newest checkpoint of v2 in a log, unchecked; None without any."""
    newest = None
    for record in reader.records((CHECKPOINTS,)):
        event = read_event(record)
        if isinstance(event, CheckpointSignedV2):
            newest = event
    return newest
