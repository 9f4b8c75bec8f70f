"""Check of a receipt."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.canonical import canonical_json, content_id, strict_json
from schemas.decisions import DecisionMade
from schemas.origins import LogStarted
from schemas.registry import KINDS_OF_TOPIC, InvalidRecord, decode, decode_canonical, describe, kind_of
from streams.audit.proof.checkpoints import Checkpoint, keys_after, origin_of, partition_named
from streams.audit.proof.consistency import consistency_problem
from streams.audit.proof.decision_again import derive_again
from streams.audit.proof.merkle import leaf_hash, root_by_inclusion
from streams.audit.proof.notes import NoteError, PublicKey, open_note
from streams.audit.proof.proof_text import InclusionProof
from streams.audit.proof.receipt import FORMAT
from streams.processors.ballot import RULES
from streams.topology import DECISIONS, POLICIES, TOPICS

_ENTRY = re.compile(
    r"orch\.record\.v1\n(\S+) (0|[1-9][0-9]*) (0|[1-9][0-9]*) (0|-?[1-9][0-9]*)\nkey (?:[0-9a-f]*|-)\n"
    r"(?:header [0-9a-f]* (?:[0-9a-f]*|-)\n)*value (0|[1-9][0-9]*)\n"
)


@dataclass(slots=True)
class ReceiptCheck:
    """
    Result of a check.

    Attributes:
        question_id: As the receipt gives it.
        answer: What was decided; None if undecided, or unknown.
        records: Records whose inclusion was checked.
        without_proof: Entries of compacted topics for which there is none.
        derived: Whether the decision was derived again.
        problems: Why the receipt is refused; empty if it is accepted.
        remarks: What could not be checked, and why.
    """

    question_id: str = ""
    answer: str | None = None
    records: int = 0
    without_proof: int = 0
    derived: bool = False
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Held:
    """One record of a receipt, checked as far as it goes alone."""

    topic: str
    fields: Mapping[str, Any]
    canonical: bytes
    is_included: bool


def check_receipt(receipt: Any, trusted: PublicKey, against: Sequence[str] = ()) -> ReceiptCheck:
    """
    Check everything that a receipt claims.

    Args:
        receipt: The parsed document.
        trusted: The key that the auditor was given.
        against: Earlier checkpoints of the log (notes) to which the receipt is to be held.
    """
    found = ReceiptCheck()
    try:
        _check(receipt, trusted, against, found)
    except (NoteError, InvalidRecord) as problem:
        found.problems.append(str(problem))
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        found.problems.append(f"it has not the form of a receipt ({type(problem).__name__}: {problem})")
    return found


def _check(receipt: Any, trusted: PublicKey, against: Sequence[str], found: ReceiptCheck) -> None:
    if receipt["format"] != FORMAT:
        raise NoteError(f"its format is {receipt['format']!r}; this version reads {FORMAT}")
    if not all(isinstance(receipt[name], list) for name in ("key_changes", "partitions", "records")):
        raise NoteError("key_changes, partitions and records are lists")
    found.question_id = str(receipt["question_id"])
    keys = keys_after(trusted, receipt["key_changes"])
    whole = Checkpoint.parse(open_note(receipt["checkpoint"], trusted.name, keys))
    if not whole.origin == trusted.name == receipt["origin"]:
        raise NoteError(f"it is of the log {whole.origin}, and the key of {trusted.name}")
    parts = {_partition(part, receipt["checkpoint"], whole) for part in receipt["partitions"]}
    held: dict[str, _Held] = {}
    for record in receipt["records"]:
        if record["event_id"] in held:
            raise NoteError(f"event {record['event_id'][:12]} is there twice")
        one = held[record["event_id"]] = _held(record, whole, keys, parts)
        found.records += one.is_included
        found.without_proof += not one.is_included
    found.problems += _hold(receipt, keys, whole, against)
    _derive(receipt, held, found)


def _partition(part: Mapping[str, str], note: str, whole: Checkpoint) -> str:
    """Check that a partition's checkpoint is a leaf of the log's tree; give the leaf."""
    proof = InclusionProof.parse(part["proof"])
    body = Checkpoint.parse(part["entry"])
    partition_named(body.origin, whole.origin)
    root = root_by_inclusion(leaf_hash(part["entry"].encode()), proof.place, whole.size, proof.path)
    if proof.note != note or root != whole.root:
        raise NoteError(f"the checkpoint of {body.origin} is not under the root over all partitions")
    return part["entry"]


def _held(record: Mapping[str, Any], whole: Checkpoint, keys: Sequence[PublicKey], parts: Collection[str]) -> _Held:
    """Check a record's entry, inclusion and id."""
    entry, named = record["entry"], record["event_id"]
    head = _ENTRY.match(entry)
    value = entry[head.end() :].encode() if head else b""
    if head is None or len(value) != int(head[5]) or head[1] not in KINDS_OF_TOPIC:
        raise NoteError(f"event {named[:12]}: its entry has not the form of a stored record")
    topic, partition = head[1], int(head[2])
    where = f"{topic}, partition {partition}, offset {head[3]}"
    if record["proof"] is not None:
        proof = InclusionProof.parse(record["proof"])
        origin = origin_of(whole.origin, (topic, partition))
        body = open_note(proof.note, origin, keys)
        tree = Checkpoint.parse(body)
        root = root_by_inclusion(leaf_hash(entry.encode()), proof.place, tree.size, proof.path)
        if tree.origin != origin or root != tree.root:
            raise NoteError(f"{where}: the record is not in the tree of its partition")
        if body not in parts:
            raise NoteError(f"{where}: the checkpoint of its partition is not the one under the root of the log")
    elif TOPICS[topic].cleanup != "compact":
        raise NoteError(f"{where}: there is no proof of its inclusion")
    canonical = _canonical(record, topic, value, int(head[4]))
    fields = strict_json(canonical)
    if fields.get("event_id") != named or event_id_of(fields) != named:
        raise NoteError(f"{where}: the id is not the hash of the content")
    group = str(fields["kind"]).rpartition(".")[0]
    if group not in (kind_of(model).rpartition(".")[0] for model in KINDS_OF_TOPIC[topic]):
        raise NoteError(f"{where}: {topic} holds no {fields['kind']}")
    return _Held(topic, fields, canonical, record["proof"] is not None)


def _canonical(record: Mapping[str, Any], topic: str, value: bytes, timestamp_ms: int) -> bytes:
    """Give the canonical form of an event; of an input in another spelling the receipt holds it beside the record."""
    if "event" not in record:
        return value
    given: bytes = record["event"].encode()
    if decode(topic, value, timestamp_ms).encode() != given:
        raise NoteError(f"{topic}: the canonical form is not that of the record")
    return given


def event_id_of(fields: Mapping[str, Any]) -> str:
    """Hash an event's fields as its id does."""
    return content_id(canonical_json({name: value for name, value in fields.items() if name != "event_id"}))


def _hold(
    receipt: Mapping[str, Any], keys: Sequence[PublicKey], whole: Checkpoint, against: Sequence[str]
) -> list[str]:
    """Hold the receipt's checkpoint to earlier ones."""
    problems = []
    for note in against:
        earlier = Checkpoint.parse(open_note(note, whole.origin, keys))
        if earlier == whole:
            continue
        if "consistency" not in receipt:
            problems.append(
                "it cannot be held to the earlier checkpoint: it holds no proof of consistency (`orch receipt --since`)"
            )
            continue
        problem = consistency_problem(receipt["consistency"], note, whole)
        problems += [] if problem is None else [problem]
    return problems


def _is_origin(one: _Held) -> bool:
    """Say whether a record names the earlier log that its log goes on from."""
    return one.topic == POLICIES and one.fields["kind"] == kind_of(LogStarted)


def _derive(receipt: Mapping[str, Any], held: Mapping[str, _Held], found: ReceiptCheck) -> None:
    """Check that the records belong together, and derive the decision again."""
    decision = held.get(receipt["decision_id"])
    if decision is None or decision.topic != DECISIONS or decision.fields["question_id"] != found.question_id:
        raise NoteError("it holds no decision of its question")
    found.answer = decision.fields["answer"]
    causes = decision.fields["causes"]
    beside = held[causes[0]].fields["causes"] if causes and causes[0] in held else []
    origins = [name for name, one in held.items() if _is_origin(one)][:1]
    if strangers := set(held) - {receipt["decision_id"], *causes, *beside, *origins}:
        raise NoteError(f"event {min(strangers)[:12]} is nothing that the decision rests on")
    # Of the panel's causes only entries may be missing: compaction may have removed them.
    if missing := [cause for cause in (*causes, *beside[:2]) if cause not in held]:
        raise NoteError(f"a cause of the decision or of its panel is missing: {missing[0][:12]}")
    found.remarks += [
        f"what the entries of the panel began with is taken as given: the end of log {held[name].fields['log']} with"
        f" root {held[name].fields['root']}"
        for name in origins
    ]
    rule, own = decision.fields["rule"], held[causes[0]].fields.get("own_rule")
    if own is not None:
        # Also where it fell back to a rule of ours, for that it did is its own doing.
        named = f"{own['name']} {own['version']} of {own['distribution']} {own['distribution_version']}"
        found.remarks.append(f"inclusion proved, decision not derived: the rule {named} is none of ours")
        return
    if rule not in RULES.values():
        found.remarks.append(f"inclusion proved, decision not derived: this version does not know the rule {rule}")
        return
    try:
        events = {name: decode_canonical(one.topic, one.canonical) for name, one in held.items()}
    except ValueError as problem:
        raise NoteError(f"a record is no event of its topic: {describe(problem)}") from None
    made = events[receipt["decision_id"]]
    assert isinstance(made, DecisionMade), "its topic holds no other kind"
    again = derive_again(made, [events[cause] for cause in causes], [events[c] for c in beside if c in events])
    found.problems += again.problems
    found.derived = not again.problems
    if not again.panel:
        absent = sum(cause not in held for cause in beside)
        found.remarks.append(f"the panel was not derived again: {absent} of the events it names are not in the receipt")
