"""Receipt of one decision."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.decisions import DecisionMade
from schemas.origins import LogStarted
from schemas.panels import PanelAssigned
from schemas.registry import decode
from streams.audit.proof.checkpoints import SealedRoots, TopicPartition, bodies
from streams.audit.proof.claims import RECEIPT_DOES_NOT_PROVE, receipt_proves
from streams.audit.proof.consistency import consistency_of
from streams.audit.proof.entry import entry
from streams.audit.proof.merkle import fill_spans, inclusion_spans, leaf_hash
from streams.audit.proof.partition_proofs import PartitionProofs
from streams.audit.proof.proof_text import InclusionProof
from streams.errors import DifferenceError, UsageError
from streams.log import LogReader, Original, Record, read_event
from streams.topology import DECISIONS, POLICIES, TOPICS

FORMAT = "orch.receipt.v1"

_ID = b'"event_id":"'
_BESIDE_ENTRIES = ("question", "policy")
"""Causes that a panel names before its entries."""


class ReceiptParts(NamedTuple):
    """
    Ids of the events that a receipt holds, causes before effects.

    Attributes:
        places: Places of those that are known already.
        unplaced: Ids to be found by their text, in compacted topics.
    """

    decision: DecisionMade
    ids: Sequence[str]
    places: Mapping[str, tuple[str, int, int]]
    unplaced: frozenset[str]


def receipt_of(
    reader: LogReader,
    question_id: str,
    sealed: SealedRoots,
    *,
    key_changes: Sequence[str] = (),
    since: SealedRoots | None = None,
) -> dict[str, Any]:
    """
    Build the receipt of a question's decision.

    Args:
        reader: The log.
        sealed: A checkpoint of it that covers the decision.
        key_changes: Notes by which the log's key changed.
        since: An earlier checkpoint, to which the receipt shall be held.

    Raises:
        UsageError: There is no such decision, or the checkpoint does not cover it.
        DifferenceError: The log is not as it was sealed.
    """
    parts = _parts(reader, question_id)
    gone = reader.incomplete()
    proofs = _read(reader, parts, sealed, since)
    records = []
    for event_id in parts.ids:
        found = proofs.found.get(event_id)
        if found is None:
            continue
        records.append(_record(found, event_id, sealed, proofs.partitions, gone))
    for place, partition in proofs.partitions.items():
        if not partition.is_sound:
            raise DifferenceError(
                f"{place[0]}, partition {place[1]}: the log is not as it was sealed",
                remedy="`orch verify` shows where it differs",
                topic=place[0],
                partition=place[1],
            )
    needed = {(found.topic, found.partition) for found in proofs.found.values()} & set(proofs.partitions)
    receipt: dict[str, Any] = {
        "format": FORMAT,
        "question_id": question_id,
        "decision_id": parts.decision.event_id,
        "origin": sealed.origin,
        "checkpoint": sealed.note,
        "partitions": _partitions(sealed, needed),
        "key_changes": list(key_changes),
        "records": records,
        "proves": list(receipt_proves(sum(record["proof"] is None for record in records))),
        "does_not_prove": list(RECEIPT_DOES_NOT_PROVE),
    }
    if since is not None:
        receipt["consistency"] = consistency_of(since, sealed, proofs.partitions)
    return receipt


def _partitions(sealed: SealedRoots, needed: Collection[TopicPartition]) -> list[dict[str, str]]:
    """Prove that the checkpoints of some partitions are leaves of the log's tree."""
    leaves = bodies(sealed.origin, sealed.heads)
    hashes = [leaf_hash(body.encode()) for body in leaves]
    proved = []
    for index, place in enumerate(sealed.heads):
        if place in needed:
            path = fill_spans(inclusion_spans(index, len(hashes)), hashes)
            proved.append({"entry": leaves[index], "proof": str(InclusionProof(index, tuple(path), sealed.note))})
    return proved


def _parts(reader: LogReader, question_id: str) -> ReceiptParts:
    events: dict[str, tuple[Record, Any]] = {}
    decision: DecisionMade | None = None
    for record in reader.about(question_id):
        event = read_event(record)
        events.setdefault(event.event_id, (record, event))
        if decision is None and isinstance(event, DecisionMade):
            decision = event
    if decision is None:
        known = bool(events)
        raise UsageError(
            f"question {question_id!r} {'has no decision yet' if known else 'is not in the log'}",
            remedy=f"`orch explain {question_id}` shows what it waits for" if known else "`orch consume decisions`",
        )
    panel = next((events[c][1] for c in decision.causes if c in events), None)
    if not isinstance(panel, PanelAssigned) or any(cause not in events for cause in decision.causes):
        raise DifferenceError(f"question {question_id!r}: the decision names events that are not in the log")
    places = {name: (r.topic, r.partition, r.offset) for name, (r, _) in events.items()}
    wanted = frozenset(panel.causes) - set(places)
    origin: tuple[str, ...] = ()
    for record in reader.records((POLICIES,)) if wanted else ():
        _, mark, rest = record.value.partition(_ID)
        event_id = rest[:64].decode("ascii", "replace")
        if LogStarted.mark in record.value and len(panel.causes) > len(_BESIDE_ENTRIES):
            # The entries of the panel may go back to those of an earlier log.
            origin = origin or (event_id,)
        if mark and event_id in (*wanted, *origin):
            places.setdefault(event_id, (record.topic, record.partition, record.offset))
    ids = (*origin, *panel.causes, *decision.causes, decision.event_id)
    return ReceiptParts(decision, ids, {i: places[i] for i in ids if i in places}, wanted - set(places))


class _ReadRecords(NamedTuple):
    found: Mapping[str, Original]
    partitions: Mapping[TopicPartition, PartitionProofs]


def _read(reader: LogReader, parts: ReceiptParts, sealed: SealedRoots, since: SealedRoots | None) -> _ReadRecords:
    """Read the partitions that hold the records, all of them for a consistency proof, once."""
    ids = {place: event_id for event_id, place in parts.places.items()}
    compacted = [t.name for t in TOPICS.values() if t.cleanup == "compact"] if parts.unplaced else []
    topics = sorted({topic for topic, _, _ in ids} | set(compacted))
    if since is not None:
        topics = sorted({topic for topic, _ in sealed.heads} | set(topics))
    held = {(topic, number) for topic, number, _ in ids}
    gone = reader.incomplete()
    proofs = {
        place: PartitionProofs(head, since.heads[place].size if since is not None and place in since.heads else 0)
        for place, head in sealed.heads.items()
        if place not in gone and (since is not None or place in held or place[0] in compacted)
    }
    found: dict[str, Original] = {}
    for record in reader.originals(topics):
        event_id = ids.get((record.topic, record.partition, record.offset))
        if event_id is None and record.topic in compacted:
            _, _, rest = (record.value or b"").partition(_ID)
            named = rest[:64].decode("ascii", "replace")
            event_id = named if named in parts.unplaced and named not in found else None
        if event_id is not None:
            found[event_id] = record
        partition = proofs.get((record.topic, record.partition))
        if partition is not None:
            partition.add(record, wanted=event_id is not None)
    return _ReadRecords(found, proofs)


def _record(
    found: Original,
    event_id: str,
    sealed: SealedRoots,
    partitions: Mapping[TopicPartition, PartitionProofs],
    gone: frozenset[TopicPartition],
) -> dict[str, Any]:
    place = (found.topic, found.partition)
    partition = partitions.get(place)
    proof = None
    if partition is not None and found.offset in partition.entries:
        index, _ = partition.entries[found.offset]
        proof = str(InclusionProof(index, partition.inclusion(found.offset), sealed.notes[place]))
    elif place not in gone:
        raise UsageError(
            f"{found.topic}, partition {found.partition}, offset {found.offset} is not sealed yet",
            remedy="`orch seal` seals all that the log holds now; or give a checkpoint that covers it",
        )
    value = found.value or b""
    fields = {"event_id": event_id, "entry": entry(found).decode(), "proof": proof}
    canonical = decode(found.topic, value, found.timestamp_ms).encode()
    return fields if canonical == value else {**fields, "event": canonical.decode()}


def bare_proof(receipt: Mapping[str, Any]) -> str:
    """Give the bare proof of the decision's record, in the form of C2SP's tlog-proof."""
    for record in receipt["records"]:
        if record["event_id"] == receipt["decision_id"]:
            return str(record["proof"])
    raise UsageError("the receipt has no decision", remedy=f"A receipt holds one record of {DECISIONS}")
