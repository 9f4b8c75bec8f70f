"""Chains of compacted entries, each naming the one before."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from infra.chaos.reading import CheckFindings


class Link(NamedTuple):
    """One entry of a chain, as it was read."""

    sequence: int
    event_id: str
    previous: str | None
    place: str
    offset: int


def check_chain(
    findings: CheckFindings, name: str, links: Sequence[Link], last: Mapping[str, int], *, may_lack: bool
) -> int:
    """
    Check one chain from its first entry to its last, in the order of the log.

    Args:
        findings: Get a fork, a broken link, and an entry out of order.
        name: Of the chain.
        links: At least one.
        last: Offset of the last record of each event id.
        may_lack: Whether compaction may have removed entries.

    Returns:
        Number of entries that are missing.
    """
    known: dict[int, Link] = {}
    newest = links[0]
    for link in links:
        if link.sequence in known:
            other = known[link.sequence]
            findings.add("fork", f"{name}: {link.place} and {other.place} are both number {link.sequence}")
            continue
        if link.sequence < newest.sequence and not (may_lack and last[newest.event_id] > link.offset):
            # Otherwise a batch was sent again, with the newest entry in it, and compaction left only this one of its
            # first copies.
            after = f"after {newest.sequence} at {newest.place}"
            findings.add("out of order", f"{name}: number {link.sequence} at {link.place} {after}")
        newest = max(newest, link, key=lambda one: one.sequence)
        known[link.sequence] = link
    for sequence, link in known.items():
        before = known.get(sequence - 1)
        if sequence == 1 and link.previous is not None:
            findings.add("broken chain", f"{name}: the first names {link.previous}")
        elif before is not None and link.previous != before.event_id:
            findings.add("broken chain", f"{name}: number {sequence} does not follow from {sequence - 1}")
    return newest.sequence - len(known)
