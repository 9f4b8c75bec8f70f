"""
Merkle trees of RFC 6962: roots, inclusion and consistency proofs.

A proof is a list of subtree roots, and each subtree is a span of leaves. So a proof is first a list of spans, which
follows from numbers alone, and then one pass over the leaves fills them in: no tree is kept in memory.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

Span = tuple[int, int]
"""Leaves from the first up to, and without, the second."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry as a leaf (RFC 6962, section 2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees as their parent (RFC 6962, section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


EMPTY_ROOT = sha256(b"").digest()
"""Root of a tree without leaves."""


class TreeHasher:
    """Root of a growing tree, in memory for one hash of each complete subtree: at most 64."""

    __slots__ = ("_complete", "size")

    def __init__(self) -> None:
        self.size = 0
        self._complete: list[bytes] = []
        """Roots of the complete subtrees, widest first: one for each bit that is set in `size`."""

    def add(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        complete, size = self._complete, self.size
        while size & 1:
            leaf = sha256(b"\x01" + complete.pop() + leaf).digest()
            size >>= 1
        complete.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Give the root of the tree so far."""
        if not self._complete:
            return EMPTY_ROOT
        root = self._complete[-1]
        for left in reversed(self._complete[:-1]):
            root = node_hash(left, root)
        return root

    def subtrees(self) -> dict[Span, bytes]:
        """Give the complete subtrees that the leaves so far make, by their spans."""
        found: dict[Span, bytes] = {}
        start = 0
        widths = (1 << bit for bit in range(self.size.bit_length() - 1, -1, -1) if self.size >> bit & 1)
        for width, root in zip(widths, self._complete, strict=True):
            found[start, start + width] = root
            start += width
        return found


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Give the root over some leaves' hashes."""
    tree = TreeHasher()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def _split(size: int) -> int:
    """Give the largest power of two below *size*, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_spans(index: int, size: int) -> list[Span]:
    """
    List the subtrees of an inclusion proof, from the leaf's sibling up (RFC 6962, section 2.1.1).

    Raises:
        ValueError: The tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    spans: list[Span] = []
    first, last = 0, size
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            spans.append((middle, last))
            last = middle
        else:
            spans.append((first, middle))
            first = middle
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """
    List the subtrees of a consistency proof (RFC 6962, section 2.1.2); none if the sizes are equal or the old one is 0.

    Raises:
        ValueError: The old size is larger than the new one.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves has no earlier size {old}")
    if old in (0, new):
        return []
    spans: list[Span] = []
    first, last, whole = 0, new, True
    while old < last:
        middle = first + _split(last - first)
        if old <= middle:
            spans.append((middle, last))
            last = middle
        else:
            spans.append((first, middle))
            first, whole = middle, False
    return ([] if whole else [(first, last)]) + spans[::-1]


def fill_spans(spans: Iterable[Span], leaves: Sequence[bytes]) -> list[bytes]:
    """Give the root of each span of some leaves' hashes."""
    return [root_of(leaves[first:last]) for first, last in spans]


class SpanHasher:
    """Roots of many spans, which may overlap, in one pass over the leaves."""

    def __init__(self) -> None:
        self.roots: dict[Span, bytes] = {}
        self._waiting: dict[int, list[Span]] = {}
        self._open: list[tuple[int, Span, TreeHasher]] = []

    def want(self, span: Span) -> None:
        """Ask for a span; none of its leaves may have been added."""
        if span not in self.roots:
            self._waiting.setdefault(span[0], []).append(span)

    def add(self, index: int, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        if index in self._waiting:
            self._open += [(span[1], span, TreeHasher()) for span in dict.fromkeys(self._waiting.pop(index))]
        if not self._open:
            return
        for last, span, tree in self._open:
            tree.add(leaf)
            if last == index + 1:
                self.roots[span] = tree.root()
        self._open = [item for item in self._open if item[0] > index + 1]


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """
    Give the root that an inclusion proof leads to; None if a tree of this size has no proof of this length.

    Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    node, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None


def is_consistent(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """
    Say whether a proof shows that a tree goes on from an earlier one.

    Source: RFC 9162, section 2.1.4.2.
    """
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not path and (old_root == EMPTY_ROOT if old == 0 else old_root == new_root)
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not nodes:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root
