"""Verification of a receipt, an archive or a log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.canonical import strict_json
from streams.app.anchors import read_anchor
from streams.app.replay import replay
from streams.app.reporter import SILENT, Reporter
from streams.audit.proof.checkpoints import Checkpoint, Head, SealedRoots, keys_after, open_roots, partition_named
from streams.audit.proof.claims import LOG_DOES_NOT_PROVE, LOG_PROVES, RECEIPT_DOES_NOT_PROVE, receipt_proves
from streams.audit.proof.log_check import Named, check_log
from streams.audit.proof.notes import NoteError, PublicKey, open_note
from streams.audit.proof.receipt_check import check_receipt
from streams.errors import DifferenceError, UsageError
from streams.runtimes.urls import open_reader

MOST_RECEIPT_BYTES = 256 << 20


@dataclass(slots=True)
class Verification:
    """
    What a verification found.

    Attributes:
        target: What was verified.
        kind: `receipt` or `log`.
        figures: Counts and names, for people and programs.
        problems: Why it is refused; empty if it is accepted. There may be more than are listed.
        count: Number of problems.
        remarks: What could not be checked.
        proves, does_not_prove: What its acceptance says, and what it does not.
    """

    target: str
    kind: str
    figures: dict[str, Any] = field(default_factory=dict)
    problems: Sequence[str] = ()
    count: int = 0
    remarks: Sequence[str] = ()
    proves: Sequence[str] = ()
    does_not_prove: Sequence[str] = ()

    @property
    def accepted(self) -> bool:
        """Whether nothing was found against it."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch verify --format json`."""
        return {
            "target": self.target,
            "kind": self.kind,
            "accepted": self.accepted,
            **self.figures,
            "problems": list(self.problems),
            "problem_count": self.count,
            "remarks": list(self.remarks),
            "proves": list(self.proves) if self.accepted else [],
            "does_not_prove": list(self.does_not_prove),
        }


def verify(target: str, key: PublicKey, against: Sequence[str] = (), reporter: Reporter = SILENT) -> Verification:
    """
    Verify a receipt, an archive or a log.

    Args:
        target: A receipt's file, an archive's folder, or the URL of a log.
        key: The public key that the auditor was given.
        against: Anchors of earlier checkpoints.

    Raises:
        UsageError: There is nothing of the kind, or an anchor holds no checkpoint.
    """
    path = Path(target)
    if path.is_dir():
        return _verify_log(f"parquet:{target}", key, against, reporter)
    if path.is_file() and not _is_database(path):
        return _verify_receipt(path, key, against)
    return _verify_log(target, key, against, reporter)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\x00"


def _verify_receipt(path: Path, key: PublicKey, against: Sequence[str]) -> Verification:
    if path.stat().st_size > MOST_RECEIPT_BYTES:
        raise UsageError(f"{path} is too large for a receipt", remedy="Name a file that `orch receipt` wrote")
    try:
        receipt = strict_json(path.read_bytes())
    except ValueError as problem:
        return Verification(
            str(path), "receipt", {}, [f"it is no JSON document: {problem}"], 1, does_not_prove=RECEIPT_DOES_NOT_PROVE
        )
    anchored = [read_anchor(where) for where in against]
    notes = [note for events, bare in anchored for note in (*(event.note for event in events[-1:]), *bare)]
    found = check_receipt(receipt, key, notes)
    figures = {
        "question_id": found.question_id,
        "answer": found.answer,
        "records": found.records,
        "derived": found.derived,
        "key": str(key),
    }
    return Verification(
        str(path),
        "receipt",
        figures,
        found.problems,
        len(found.problems),
        found.remarks,
        receipt_proves(found.without_proof)[: 3 if found.derived else 2],
        RECEIPT_DOES_NOT_PROVE,
    )


def _verify_log(url: str, key: PublicKey, against: Sequence[str], reporter: Reporter) -> Verification:
    anchored, bare = _anchored(against, key)
    with open_reader(url) as reader:
        try:
            total: int | None = sum(reader.ends().values())
        except DifferenceError:
            total = None
        with reporter.progress("verifying", total) as advance:
            found = check_log(reader, key, anchored, advance, bare=bare)
        again = replay(reader, reporter)
    problems = list(found.problems.listed)
    if again.different:
        first = again.first_difference
        where = (
            ""
            if first is None
            else f": {first.topic}, partition {first.partition}, offset {first.offset}, {first.field}"
        )
        problems.append(f"{again.different:,} differences to what the inputs give again{where} (`orch replay`)")
    newest = found.newest
    figures = {
        "events": found.events,
        "checkpoints": found.checkpoints,
        "sealed": found.sealed,
        "unsealed": found.unsealed,
        "refused": found.refused,
        "derived": again.derived,
        "different": again.different,
        "root": None if newest is None else newest.root.hex(),
        "key": str(key),
    }
    count = found.problems.count + again.different
    return Verification(
        url,
        "log",
        figures,
        problems,
        count,
        found.remarks,
        (*LOG_PROVES, *again.proved),
        (*LOG_DOES_NOT_PROVE, *again.not_proved),
    )


def _anchored(against: Sequence[str], key: PublicKey) -> tuple[list[Named], list[Checkpoint]]:
    """Open the checkpoints of anchors; those of all partitions apart from bare ones of the whole log."""
    named: list[Named] = []
    bare: list[Checkpoint] = []
    for where in against:
        events, notes = read_anchor(where)
        keys = keys_after(key, (event.key_change for event in events if event.key_change))
        try:
            named += [(f"the checkpoint of {e.occurred_at} in {where}", open_roots(e, keys)) for e in events]
            for note in notes:
                origin = note.partition("\n")[0]
                checkpoint = Checkpoint.parse(open_note(note, origin, keys))
                if origin == key.name:
                    bare.append(checkpoint)
                    continue
                place = partition_named(origin, key.name)
                heads = {place: Head(checkpoint.size, checkpoint.root)}
                named.append((f"the checkpoint in {where}", SealedRoots(key.name, heads, "", {})))
        except NoteError as problem:
            raise UsageError(
                f"{where}: {problem}", remedy="Name an anchor of this log, and the key that was valid when it was made"
            ) from None
    return named, bare
