"""Consistency of two checkpoints, by partition."""

import base64
from collections.abc import Mapping
from typing import Any

from streams.audit.proof.checkpoints import (
    Checkpoint,
    Head,
    SealedRoots,
    TopicPartition,
    in_order,
    origin_of,
    partition_named,
    root_over,
)
from streams.audit.proof.merkle import is_consistent
from streams.audit.proof.notes import NoteError, hash_of
from streams.audit.proof.partition_proofs import PartitionProofs


def consistency_of(
    old: SealedRoots, new: SealedRoots, proofs: Mapping[TopicPartition, PartitionProofs]
) -> dict[str, Any]:
    """
    Write the proof that every partition goes on from an earlier checkpoint.

    Raises:
        NoteError: A partition is shorter than it was, or cannot be read.
    """
    lost = [place for place, head in old.heads.items() if place not in new.heads or new.heads[place].size < head.size]
    if lost or old.origin != new.origin:
        raise NoteError("the earlier checkpoint is not one of this log")
    return {
        "checkpoint": old.note,
        "partitions": [
            {
                "old": _body(old, place) if place in old.heads else None,
                "new": _body(new, place),
                "proof": [base64.b64encode(node).decode() for node in proofs[place].consistency()],
            }
            for place in new.heads
        ],
    }


def _body(roots: SealedRoots, place: TopicPartition) -> str:
    return Checkpoint(origin_of(roots.origin, place), *roots.heads[place]).body


def consistency_problem(given: Any, old_note: str, new: Checkpoint) -> str | None:
    """
    Say why a proof does not lead from an earlier checkpoint to a newer one; None if it does.

    Args:
        given: What `consistency_of` wrote.
        old_note: The note that the reader holds; its signature is checked already.
        new: The checkpoint of the log that the receipt stands on.
    """
    try:
        if given["checkpoint"].partition("\n\n")[0] != old_note.partition("\n\n")[0]:
            return "the proof of consistency is with another checkpoint"
        before: dict[TopicPartition, Head] = {}
        after: dict[TopicPartition, Head] = {}
        for part in given["partitions"]:
            body = Checkpoint.parse(part["new"])
            place = partition_named(body.origin, new.origin)
            after[place] = Head(body.size, body.root)
            if part["old"] is None:
                continue
            earlier = Checkpoint.parse(part["old"])
            before[place] = Head(earlier.size, earlier.root)
            path = [hash_of(node) for node in part["proof"]]
            if earlier.origin != body.origin or not is_consistent(
                earlier.size, body.size, path, earlier.root, body.root
            ):
                return f"{place[0]}, partition {place[1]} does not go on from the earlier checkpoint"
        old = Checkpoint.parse(old_note.partition("\n\n")[0] + "\n")
    except (NoteError, KeyError, TypeError, AttributeError) as problem:
        return f"the proof of consistency is malformed ({problem})"
    if list(after) != in_order(after) or root_over(new.origin, after) != new.root:
        return "the proof of consistency does not cover the partitions of the receipt's checkpoint"
    if root_over(old.origin, before) != old.root or old.origin != new.origin:
        return "the proof of consistency does not cover the partitions of the earlier checkpoint"
    return None
