"""
Checkpoints: signed roots of all partitions at one moment.

Each partition has an append-only tree and a checkpoint of its own in the form of C2SP's tlog-checkpoint. The bodies of
these checkpoints are the leaves of one more tree, whose root stands for the whole log. That tree is a snapshot: its
leaves are replaced as partitions grow, so it goes on from an earlier one partition by partition.
"""

import base64
import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from schemas.checkpoints import CheckpointSignedV2
from streams.audit.proof.merkle import leaf_hash, root_of
from streams.audit.proof.notes import NoteError, PublicKey, SigningKey, hash_of, open_note, split_note
from streams.topology import CHECKPOINTS, TOPICS

TopicPartition = tuple[str, int]
"""Topic, by its name in the topology, and partition."""

KEY_CHANGE = "orch.key.v1"
"""First line of the note by which a key hands over to the next one."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


class Head(NamedTuple):
    """Size and root of one tree."""

    size: int
    root: bytes


class Checkpoint(NamedTuple):
    """The text of one tree's checkpoint."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, body: str) -> "Checkpoint":
        """
        Read the body of a checkpoint.

        Raises:
            NoteError: It has other lines than origin, size and root.
        """
        lines = body.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise NoteError("a checkpoint has three lines: origin, size and root")
        return cls(lines[0], int(lines[1]), hash_of(lines[2]))


class SealedRoots(NamedTuple):
    """
    All partitions of a log at one moment, as a key signed them.

    Attributes:
        heads: Size and root of each partition that has records, in the order of the tree over all.
        note: The signed checkpoint of that tree.
        notes: The signed checkpoint of each partition.
    """

    origin: str
    heads: Mapping[TopicPartition, Head]
    note: str
    notes: Mapping[TopicPartition, str]

    @property
    def root(self) -> bytes:
        """The one root over all partitions."""
        return root_over(self.origin, self.heads)

    @property
    def records(self) -> int:
        """Number of records that are sealed."""
        return sum(head.size for head in self.heads.values())


def origin_of(origin: str, place: TopicPartition) -> str:
    """Name the tree of a partition."""
    return f"{origin}/{place[0]}/{place[1]}"


def is_sealed(topic: str) -> bool:
    """Whether a topic's partitions have trees; the topic of the checkpoints has none."""
    return topic != CHECKPOINTS


def in_order(places: Iterable[TopicPartition]) -> list[TopicPartition]:
    """Sort partitions as the tree over all of them does: by topic name, then by number."""
    return sorted(places, key=lambda place: (place[0].encode(), place[1]))


def bodies(origin: str, heads: Mapping[TopicPartition, Head]) -> list[str]:
    """Give the leaves of the tree over all partitions that have records."""
    return [
        Checkpoint(origin_of(origin, place), *heads[place]).body for place in in_order(heads) if heads[place].size > 0
    ]


def root_over(origin: str, heads: Mapping[TopicPartition, Head]) -> bytes:
    """Give the one root over all partitions."""
    return root_of(leaf_hash(body.encode()) for body in bodies(origin, heads))


def sign_roots(key: SigningKey, heads: Mapping[TopicPartition, Head]) -> SealedRoots:
    """Sign the partitions, each alone and all together."""
    origin = key.public.name
    kept = {place: heads[place] for place in in_order(heads) if heads[place].size > 0}
    notes = {}
    for place, body in zip(kept, bodies(origin, kept), strict=True):
        notes[place] = key.sign(body, origin_of(origin, place))
    whole = Checkpoint(origin, len(kept), root_over(origin, kept))
    return SealedRoots(origin, kept, key.sign(whole.body, origin), notes)


def open_roots(event: CheckpointSignedV2, keys: Collection[PublicKey]) -> SealedRoots:
    """
    Check a checkpoint's signatures, and that its partitions have its root.

    Raises:
        NoteError: A note is malformed or not signed by a trusted key, partitions are out of order, or the root over
            them is another one.
    """
    names = {key.name for key in keys}
    whole = next(iter(names)) if len(names) == 1 else ""
    top = Checkpoint.parse(open_note(event.note, whole, keys))
    if top.origin != whole:
        raise NoteError(f"the checkpoint is of {top.origin}, and the key of {whole}")
    heads: dict[TopicPartition, Head] = {}
    notes: dict[TopicPartition, str] = {}
    for note in event.partitions:
        origin = note.partition("\n")[0]
        place = partition_named(origin, whole)
        part = Checkpoint.parse(open_note(note, origin, keys))
        if part.origin != origin:
            raise NoteError(f"the checkpoint of {part.origin} is signed as {origin}")
        heads[place], notes[place] = Head(part.size, part.root), note
    if list(heads) != in_order(heads) or len(heads) != len(event.partitions) or any(h.size < 1 for h in heads.values()):
        raise NoteError("its partitions are not in order, or one is there twice or without records")
    roots = SealedRoots(whole, heads, event.note, notes)
    if top.size != len(heads) or top.root != roots.root:
        raise NoteError("its partitions do not have the root that is signed over all of them")
    return roots


def read_roots(event: CheckpointSignedV2, keys: Collection[PublicKey] = ()) -> SealedRoots:
    """
    Read a checkpoint whose origin is its own; without keys no signature is checked.

    Raises:
        NoteError: As of `open_roots`.
    """
    if keys:
        return open_roots(event, keys)
    heads: dict[TopicPartition, Head] = {}
    notes: dict[TopicPartition, str] = {}
    origin = event.key
    for note in event.partitions:
        part = Checkpoint.parse(split_note(note)[0])
        place = partition_named(part.origin, origin)
        heads[place], notes[place] = Head(part.size, part.root), note
    return SealedRoots(origin, heads, event.note, notes)


def partition_named(origin: str, whole: str) -> TopicPartition:
    """
    Read the topic and partition out of the name of a tree.

    Raises:
        NoteError: It names no partition of a sealed topic of this log.
    """
    head, _, number = origin.rpartition("/")
    topic = head.removeprefix(f"{whole}/")
    if head == topic or topic not in TOPICS or not is_sealed(topic) or not _SIZE.fullmatch(number):
        raise NoteError(f"{origin} names no partition of {whole}")
    return topic, int(number)


def hand_over(old: SigningKey, new: PublicKey) -> str:
    """Sign the next key with the one before it."""
    return old.sign(f"{KEY_CHANGE}\n{old.public.name}\n{new}\n", old.public.name)


def keys_after(trusted: PublicKey, changes: Iterable[str]) -> list[PublicKey]:
    """
    Follow changes of a key: a note counts where a key that is trusted by then signed it.

    Args:
        trusted: The key that the reader was given.
        changes: Notes of `hand_over`, in their order. Those of other keys are passed over.
    """
    keys = [trusted]
    for note in changes:
        try:
            lines = open_note(note, trusted.name, keys).split("\n")
            new = PublicKey.parse(lines[2]) if len(lines) == 4 and lines[:2] == [KEY_CHANGE, trusted.name] else None
        except NoteError:
            continue
        if new is not None and new.name == trusted.name and new not in keys:
            keys.append(new)
    return keys
