"""Proofs about one partition, made in one pass."""

from streams.audit.proof.checkpoints import Head
from streams.audit.proof.entry import entry
from streams.audit.proof.merkle import (
    Span,
    SpanHasher,
    TreeHasher,
    consistency_spans,
    inclusion_spans,
    leaf_hash,
)
from streams.log import Original


class PartitionProofs:
    """
    Inclusion proofs of some records of a partition in its sealed tree, and its consistency with an earlier size.

    Args:
        head: The sealed tree.
        old: Size of an earlier tree; 0 if no consistency is asked for.
    """

    def __init__(self, head: Head, old: int = 0) -> None:
        self.entries: dict[int, tuple[int, bytes]] = {}
        """Index and entry of each wanted record, by its offset."""
        self._head, self._old = head, old
        self._tree, self._spans = TreeHasher(), SpanHasher()
        self._known: dict[Span, bytes] = {}
        for span in consistency_spans(old, head.size):
            self._spans.want(span)

    @property
    def is_full(self) -> bool:
        """Whether all sealed records were added; further ones change nothing."""
        return self._tree.size >= self._head.size

    @property
    def is_sound(self) -> bool:
        """Whether the records are those that were sealed."""
        return self.is_full and self._tree.root() == self._head.root

    def add(self, record: Original, *, wanted: bool) -> None:
        """Add the next record; keep what its proof needs if it is wanted."""
        if self.is_full:
            return
        index, encoded = self._tree.size, entry(record)
        leaf = leaf_hash(encoded)
        if wanted:
            self.entries[record.offset] = index, encoded
            # What lies before the record is known by now; what comes behind it is still to come.
            self._known |= self._tree.subtrees()
            for span in inclusion_spans(index, self._head.size):
                if span[0] > index:
                    self._spans.want(span)
        self._spans.add(index, leaf)
        self._tree.add(leaf)

    def inclusion(self, offset: int) -> tuple[bytes, ...]:
        """Give the inclusion proof of a wanted record, when all records were added."""
        return self._fill(inclusion_spans(self.entries[offset][0], self._head.size))

    def consistency(self) -> tuple[bytes, ...]:
        """Give the consistency proof with the earlier size, when all records were added."""
        return self._fill(consistency_spans(self._old, self._head.size))

    def _fill(self, spans: list[Span]) -> tuple[bytes, ...]:
        known = self._known | self._spans.roots
        return tuple(known[span] for span in spans)
