"""
Random mutations of a sealed log.

The check of its checkpoints must find each of them.

    python -m infra.verifier.mutate --mutations 10000 --seed 16
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from infra.verifier.trial import key_of
from infra.verifier.worlds import write_world
from schemas.canonical import canonical_json, content_id
from schemas.checkpoints import CheckpointSignedV2
from schemas.quantities import instant_of_ms
from streams import logs
from streams.audit.proof.checkpoints import SealedRoots, read_roots, sign_roots
from streams.audit.proof.log_check import LogCheck, check_log
from streams.audit.proof.log_trees import LogTrees
from streams.audit.proof.notes import SigningKey
from streams.log import LogReader, Original
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.topology import CHECKPOINTS

Log = list[Original]
Mutation = Callable[[Log, Random], str | None]
"""Changes a log in place and names the partition; None if there is nothing of the kind."""
Check = Callable[[Log, SigningKey, Sequence[tuple[str, SealedRoots]]], LogCheck]
"""Checks the checkpoints of a log under a key, and holds it to anchored ones."""


class HeldLog:
    """As much of a `LogReader` as a check needs, over records in memory."""

    def __init__(self, records: Sequence[Original]) -> None:
        self._records = records

    def originals(
        self, topics: Sequence[str] = (), *, after: int = 0, starts: Mapping[tuple[str, int], int] | None = None
    ) -> Iterator[Original]:
        """Iterate the records of some topics."""
        return (record for record in self._records if not topics or record.topic in topics)

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the next offset of every partition."""
        return {(record.topic, record.partition): record.offset + 1 for record in self._records}

    def incomplete(self) -> frozenset[tuple[str, int]]:
        """Give none."""
        return frozenset()

    def unordered(self) -> None:
        """Give None: it stands for a file."""


def checked(records: Log, key: SigningKey, against: Sequence[tuple[str, SealedRoots]] = ()) -> LogCheck:
    """Check a log as `orch verify` does, without the replay."""
    reader: Any = HeldLog(records)
    found: LogReader = reader
    return check_log(found, key.public, against)


def sealed_log(records: Log, key: SigningKey, cuts: Sequence[int]) -> Log:
    """Seal a log after each of some numbers of records, and at its end; the checkpoints are its last records."""
    trees, made = LogTrees(), list(records)
    before: str | None = None
    for number, record in enumerate(records, 1):
        trees.add(record)
        if number in cuts or number == len(records):
            roots = sign_roots(key, trees.heads)
            event = CheckpointSignedV2(
                causes=() if before is None else (before,),
                occurred_at=instant_of_ms(1_800_000_000_000 + number),
                note=roots.note,
                partitions=tuple(roots.notes.values()),
            )
            before, offset = event.event_id, len(made) - len(records)
            made.append(
                record._replace(
                    topic=CHECKPOINTS, partition=0, offset=offset, key=b"trial", value=event.encode(), headers=()
                )
            )
    return made


def _pick(log: Log, random: Random) -> int:
    return random.choice([n for n, record in enumerate(log) if record.topic != CHECKPOINTS])


def _name(record: Original) -> str:
    return f"{record.topic}, partition {record.partition}"


def _changed(log: Log, random: Random, change: Callable[[Original], Original | None]) -> str | None:
    place = _pick(log, random)
    made = change(log[place])
    if made is None or made == log[place]:
        return None
    log[place] = made
    return _name(log[place])


def _flip(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << random.randrange(8)]) + content[place + 1 :]


def value_bit(log: Log, random: Random) -> str | None:
    """Flip a bit of a value."""
    return _changed(log, random, lambda record: record._replace(value=_flip(record.value or b"x", random)))


def key_bit(log: Log, random: Random) -> str | None:
    """Flip a bit of a key."""
    return _changed(log, random, lambda record: record._replace(key=_flip(record.key or b"x", random)))


def timestamp_bit(log: Log, random: Random) -> str | None:
    """Flip a bit of a timestamp."""
    return _changed(
        log, random, lambda record: record._replace(timestamp_ms=record.timestamp_ms ^ 1 << random.randrange(40))
    )


def offset_bit(log: Log, random: Random) -> str | None:
    """Flip a bit of an offset."""
    return _changed(log, random, lambda record: record._replace(offset=record.offset ^ 1 << random.randrange(8)))


def header_put_in(log: Log, random: Random) -> str | None:
    """Give a record a header, or change one that it has."""
    added = ("traceparent", bytes([random.randrange(256)]))
    return _changed(log, random, lambda record: record._replace(headers=(*record.headers, added)))


def value_nulled(log: Log, random: Random) -> str | None:
    """Make a record a tombstone."""
    return _changed(log, random, lambda record: record._replace(value=None))


def deleted(log: Log, random: Random) -> str | None:
    """Delete a record."""
    return _name(log.pop(_pick(log, random)))


def deleted_and_renumbered(log: Log, random: Random) -> str | None:
    """Delete a record, and close the gap."""
    gone = log.pop(_pick(log, random))
    for place, record in enumerate(log):
        if _name(record) == _name(gone) and record.offset > gone.offset:
            log[place] = record._replace(offset=record.offset - 1)
    return _name(gone)


def put_in(log: Log, random: Random) -> str | None:
    """Insert a copy of a record behind it."""
    place = _pick(log, random)
    log.insert(place + 1, log[place])
    return _name(log[place])


def swapped(log: Log, random: Random) -> str | None:
    """Exchange the contents of two records of a partition."""
    place = _pick(log, random)
    others = [n for n, other in enumerate(log) if n != place and _name(other) == _name(log[place])]
    if not others:
        return None
    other = random.choice(others)
    first, second = log[place], log[other]
    log[place] = first._replace(key=second.key, value=second.value)
    log[other] = second._replace(key=first.key, value=first.value)
    return None if first.value == second.value and first.key == second.key else _name(first)


def moved(log: Log, random: Random) -> str | None:
    """Move a record to another partition."""
    place = _pick(log, random)
    name, log[place] = _name(log[place]), log[place]._replace(partition=log[place].partition + 1)
    return name


def cut_off(log: Log, random: Random) -> str | None:
    """Cut the end of a partition off."""
    place = _pick(log, random)
    name, first = _name(log[place]), log[place].offset
    log[:] = [record for record in log if _name(record) != name or record.offset < first]
    return name


def partition_emptied(log: Log, random: Random) -> str | None:
    """Remove a whole partition."""
    name = _name(log[_pick(log, random)])
    log[:] = [record for record in log if _name(record) != name]
    return name


def rewritten(log: Log, random: Random) -> str | None:
    """Rewrite an event, and hash it and all that follows from it again, so that every id is right."""
    place = _pick(log, random)
    fields = json.loads(log[place].value or b"{}")
    fields["occurred_at"] = "2027" + fields["occurred_at"][4:]
    _hash_again(log, place, fields)
    return _name(log[place])


def _hash_again(log: Log, place: int, fields: dict[str, Any]) -> None:
    """Put an event in the place of another, and its id in the place of the other's everywhere behind it."""
    ids = {fields["event_id"].encode(): _put(log, place, fields)}
    for behind in range(place + 1, len(log)):
        value = log[behind].value or b""
        if log[behind].topic == CHECKPOINTS or not any(old in value for old in ids):
            continue
        for old, new in ids.items():
            value = value.replace(old, new)
        changed = json.loads(value)
        ids[changed["event_id"].encode()] = _put(log, behind, changed)


def _put(log: Log, place: int, fields: dict[str, Any]) -> bytes:
    body = {name: value for name, value in fields.items() if name != "event_id"}
    event_id = content_id(canonical_json(body))
    log[place] = log[place]._replace(value=canonical_json({**body, "event_id": event_id}))
    return event_id.encode()


def checkpoint_bit(log: Log, random: Random) -> str | None:
    """Flip a bit of a checkpoint."""
    place = random.choice([n for n, record in enumerate(log) if record.topic == CHECKPOINTS])
    log[place] = log[place]._replace(value=_flip(log[place].value or b"x", random))
    return CHECKPOINTS


MUTATIONS: Mapping[str, Mutation] = {
    "value bit": value_bit,
    "key bit": key_bit,
    "timestamp bit": timestamp_bit,
    "offset bit": offset_bit,
    "header": header_put_in,
    "value nulled": value_nulled,
    "deletion": deleted,
    "deletion, renumbered": deleted_and_renumbered,
    "insertion": put_in,
    "swap": swapped,
    "move": moved,
    "truncation": cut_off,
    "partition emptied": partition_emptied,
    "rewritten, re-hashed": rewritten,
    "checkpoint bit": checkpoint_bit,
}
"""Mutations of whoever has the log and not the key, by name."""


@dataclass(slots=True)
class MutationCount:
    """What was found of the mutations, by name, and what was not or at no right place."""

    found: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    resigned: int = 0
    """Logs that were rewritten and signed again: found under an earlier checkpoint, and only there."""


def mutate(seed: int, wanted: int, check: Check = checked) -> MutationCount:
    """
    Mutate a sealed log again and again; check each time that the mutation is found, at its partition.

    Args:
        seed: Of the log and of the mutations.
        wanted: Number of mutations.
        check: Checks the checkpoints of a log; that of records in memory, or of an export of them.
    """
    random, key, outcome = Random(seed), key_of(seed), MutationCount()
    log, records = sealed_world(seed, key)
    sound = check(log, key, ())
    if sound.problems.count or sound.unsealed:
        outcome.missed.append(f"the log itself: {sound.problems.listed}")
    names = list(MUTATIONS)
    while sum(outcome.found.values()) + len(outcome.missed) < wanted:
        name = names[(sum(outcome.found.values()) + len(outcome.missed)) % len(names)]
        mutated = list(log)
        where = MUTATIONS[name](mutated, random)
        if where is None:
            continue
        problems = check(mutated, key, ()).problems.listed
        if any(problem.startswith(where) for problem in problems):
            outcome.found[name] += 1
        else:
            outcome.missed.append(f"{name} in {where}: {problems}")
    _resign(log, records, key, random, outcome, max(1, wanted // 100), check)
    return outcome


def sealed_world(seed: int, key: SigningKey, questions: int = 6) -> tuple[Log, Log]:
    """Write a small log, and seal it three times; give it with and without its checkpoints."""
    with tempfile.TemporaryDirectory(prefix="orch-mutate-") as folder:
        path = Path(folder, "log.db")
        write_world(path, Random(seed), questions)
        with EmbeddedReader(path) as reader:
            records = list(reader.originals())
    return sealed_log(records, key, cuts=(len(records) // 3, len(records) // 2)), records


def _resign(
    log: Log, records: Log, key: SigningKey, random: Random, outcome: MutationCount, times: int, check: Check
) -> None:
    """Rewrite a log and sign it again with its key: an anchored checkpoint must find that, and nothing else can."""
    anchored = [
        (f"anchor {number}", read_roots(CheckpointSignedV2.decode(record.value or b"")))
        for number, record in enumerate(log)
        if record.topic == CHECKPOINTS
    ]
    for _ in range(times):
        changed = list(records)
        rewritten(changed, random)
        again = sealed_log(changed, key, cuts=(len(records) // 2,))
        alone, held = check(again, key, ()).problems, check(again, key, anchored).problems
        if alone.count or not held.count:
            outcome.missed.append(f"signed again: {alone.listed} {held.listed}")
        else:
            outcome.resigned += 1


def report_of(outcome: MutationCount, started: float) -> dict[str, Any]:
    """Give what was counted as plain JSON."""
    return {
        "found": sum(outcome.found.values()),
        "missed": len(outcome.missed),
        "signed_again": outcome.resigned,
        "first_missed": outcome.missed[:5],
        "seconds": round(time.monotonic() - started, 1),
        "kinds": dict(sorted(outcome.found.items())),
    }


def run(what: str, mutating: Callable[[int, int], MutationCount]) -> int:
    """Run the mutations that the command line asks for, given a seed and a number; print what was found."""
    asked = argparse.ArgumentParser(description=f"Mutate {what} at random; every mutation must be found.")
    asked.add_argument("--mutations", type=int, default=10_000)
    asked.add_argument("--seed", type=int, default=16)
    given = asked.parse_args()
    logs.configure(level="error")
    started = time.monotonic()
    outcome = mutating(given.seed, given.mutations)
    print(json.dumps(report_of(outcome, started), indent=2))
    return 4 if outcome.missed else 0


if __name__ == "__main__":
    sys.exit(run("a sealed log", mutate))
