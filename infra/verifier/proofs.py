"""
All proofs up to a size.

Right ones must hold, and wrong ones must not.

    python -m infra.verifier.proofs --size 512
"""

import argparse
import json
import sys
import time

from streams.audit.proof.merkle import (
    EMPTY_ROOT,
    Span,
    consistency_spans,
    inclusion_spans,
    is_consistent,
    leaf_hash,
    root_by_inclusion,
    root_of,
)


class Subtrees:
    """Roots of spans of some leaves, each taken once."""

    def __init__(self, size: int) -> None:
        self.leaves = [leaf_hash(b"%d" % number) for number in range(size)]
        self._known: dict[Span, bytes] = {}

    def root(self, span: Span) -> bytes:
        """Give the root of a span."""
        if span not in self._known:
            self._known[span] = root_of(self.leaves[span[0] : span[1]])
        return self._known[span]


def check(size: int) -> dict[str, int]:
    """Take every proof of every tree up to a size; count those that hold, and those that should not and do not."""
    trees, counts = Subtrees(size), {"inclusion": 0, "consistency": 0, "refused": 0, "wrong": 0}
    for new in range(1, size + 1):
        root = trees.root((0, new))
        for index in range(new):
            path, leaf = [trees.root(span) for span in inclusion_spans(index, new)], trees.leaves[index]
            right = root_by_inclusion(leaf, index, new, path) == root
            changed = root_by_inclusion(leaf, index, new, [*path[:-1], EMPTY_ROOT]) == root
            longer = root_by_inclusion(leaf, index, new, [*path, EMPTY_ROOT]) == root
            _count(counts, "inclusion", right, changed, longer)
        for old in range(1, new + 1):
            path, before = [trees.root(span) for span in consistency_spans(old, new)], trees.root((0, old))
            right = is_consistent(old, new, path, before, root)
            changed = is_consistent(old, new, path, before[::-1], root)
            longer = is_consistent(old, new, [*path, EMPTY_ROOT], before, root)
            _count(counts, "consistency", right, changed, longer)
    return counts


def _count(counts: dict[str, int], kind: str, right: bool, *others: bool) -> None:
    counts[kind] += right
    counts["refused"] += others.count(False)
    counts["wrong"] += (not right) + others.count(True)


def main() -> int:
    """Check the sizes that the command line asks for."""
    asked = argparse.ArgumentParser(description="Check every inclusion and consistency proof up to a size.")
    asked.add_argument("--size", type=int, default=512)
    started = time.monotonic()
    counts = check(asked.parse_args().size)
    print(json.dumps({**counts, "seconds": round(time.monotonic() - started, 1)}, indent=2))
    return 4 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
