"""Damage to receipts, without the key and with it."""

import copy
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, NamedTuple

from infra.verifier.forgeries import ODDS_READING, ODDS_WITH_KEY, READING, WITH_KEY, Receipt, event_in, forged
from schemas.canonical import content_id
from streams.audit.proof.notes import SigningKey

Change = Callable[[Receipt, Random], bool]
"""Changes a receipt in place; false if it has nothing of the kind."""


class Damaged(NamedTuple):
    """A damaged receipt, and the name of what was done to it."""

    damage: str
    receipt: Receipt
    signed_again: bool = False
    """Whether ids, trees and signatures were made anew, so that only the derivation can tell."""
    needs_reading: bool = False
    """Whether only a verifier that reads the answers again can tell."""


def _record(receipt: Receipt, random: Random) -> dict[str, Any]:
    found: dict[str, Any] = random.choice(receipt["records"])
    return found


def _replace_at(text: str, place: int) -> str:
    return text[:place] + ("b" if text[place] == "a" else "a") + text[place + 1 :]


def value_byte(receipt: Receipt, random: Random) -> bool:
    """Change a byte of a record's value."""
    record = _record(receipt, random)
    start = record["entry"].rindex("\nvalue ") + 8
    start = record["entry"].index("\n", start) + 1
    record["entry"] = _replace_at(record["entry"], random.randrange(start, len(record["entry"])))
    return True


def _head_number(place: int) -> Change:
    def change(receipt: Receipt, random: Random) -> bool:
        record = _record(receipt, random)
        lines = record["entry"].split("\n", 2)
        words = lines[1].split(" ")
        words[place] = str(int(words[place]) + random.randint(1, 9))
        record["entry"] = "\n".join([lines[0], " ".join(words), lines[2]])
        return True

    return change


def key_byte(receipt: Receipt, random: Random) -> bool:
    """Change the key of a record."""
    record = _record(receipt, random)
    record["entry"] = record["entry"].replace("\nkey ", "\nkey 00", 1)
    return True


def header_added(receipt: Receipt, random: Random) -> bool:
    """Give a record a header."""
    record = _record(receipt, random)
    record["entry"] = record["entry"].replace("\nvalue ", "\nheader 61 62\nvalue ", 1)
    return True


def _proof_line(pick: Callable[[list[str], Random], int | None]) -> Change:
    def change(receipt: Receipt, random: Random) -> bool:
        record = _record(receipt, random)
        lines = record["proof"].split("\n")
        place = pick(lines, random)
        if place is None:
            return False
        characters = [number for number, letter in enumerate(lines[place]) if letter.isalnum()][:-2]
        lines[place] = _replace_at(lines[place], random.choice(characters))
        record["proof"] = "\n".join(lines)
        return True

    return change


def _path(lines: list[str], random: Random) -> int | None:
    end = lines.index("")
    return random.randrange(2, end) if end > 2 else None


def index_changed(receipt: Receipt, random: Random) -> bool:
    """Claim another place in the tree."""
    record = _record(receipt, random)
    head, _, rest = record["proof"].partition("index ")
    index, _, rest = rest.partition("\n")
    record["proof"] = f"{head}index {int(index) + 1}\n{rest}"
    return True


def path_cut(receipt: Receipt, random: Random) -> bool:
    """Leave the last hash of a path out."""
    record = _record(receipt, random)
    lines = record["proof"].split("\n")
    end = lines.index("")
    if end <= 2:
        return False
    del lines[end - 1]
    record["proof"] = "\n".join(lines)
    return True


def proofs_swapped(receipt: Receipt, random: Random) -> bool:
    """Exchange the proofs of two records."""
    first, second = random.sample(receipt["records"], 2)
    if first["proof"] == second["proof"]:
        return False
    first["proof"], second["proof"] = second["proof"], first["proof"]
    return True


def record_dropped(receipt: Receipt, random: Random) -> bool:
    """Leave out a record that the decision names."""
    named = event_in(receipt, receipt["decision_id"])["causes"]
    receipt["records"] = [record for record in receipt["records"] if record["event_id"] != random.choice(named[:1])]
    return True


def record_twice(receipt: Receipt, random: Random) -> bool:
    """Put a record in twice."""
    receipt["records"].append(copy.deepcopy(_record(receipt, random)))
    return True


def id_changed(receipt: Receipt, random: Random) -> bool:
    """Give a record another id."""
    record = _record(receipt, random)
    record["event_id"] = content_id(record["event_id"].encode())
    return True


def proof_removed(receipt: Receipt, random: Random) -> bool:
    """Claim a record without a proof."""
    for record in receipt["records"]:
        if record["event_id"] == receipt["decision_id"]:
            record["proof"] = None
    return True


def proof_dodged(receipt: Receipt, random: Random) -> bool:
    """Call a record one of a compacted topic, which needs no proof."""
    record = _record(receipt, random)
    lines = record["entry"].split("\n", 2)
    _, place = lines[1].split(" ", 1)
    if lines[1].startswith(("orch.router ", "orch.weights ")):
        return False
    record["entry"] = "\n".join([lines[0], f"{random.choice(['orch.router', 'orch.weights'])} {place}", lines[2]])
    record["proof"] = None
    return True


def partition_dropped(receipt: Receipt, random: Random) -> bool:
    """Leave a partition's place under the log's root out."""
    receipt["partitions"].pop(random.randrange(len(receipt["partitions"])))
    return True


def partition_root(receipt: Receipt, random: Random) -> bool:
    """Change the root of a partition under the log's root."""
    part = random.choice(receipt["partitions"])
    lines = part["entry"].split("\n")
    part["entry"] = "\n".join([lines[0], str(int(lines[1]) + 1), *lines[2:]])
    return True


def _note(place: int) -> Change:
    def change(receipt: Receipt, random: Random) -> bool:
        """Change a line of the checkpoint, everywhere it stands."""
        note = receipt["checkpoint"]
        lines = note.split("\n")
        line = lines[place]
        at = random.choice([n for n, letter in enumerate(line) if letter.isalnum()][-40:-3] or [0])
        lines[place] = str(int(line) + 1) if line.isdigit() else _replace_at(line, at)
        receipt["checkpoint"] = "\n".join(lines)
        for part in receipt["partitions"]:
            part["proof"] = part["proof"].replace(note, receipt["checkpoint"])
        return True

    return change


def other_question(receipt: Receipt, random: Random) -> bool:
    """Claim to be about another question."""
    receipt["question_id"] += "x"
    return True


def other_decision(receipt: Receipt, random: Random) -> bool:
    """Name another record as the decision."""
    others = [record["event_id"] for record in receipt["records"] if record["event_id"] != receipt["decision_id"]]
    receipt["decision_id"] = random.choice(others)
    return True


def other_origin(receipt: Receipt, random: Random) -> bool:
    """Claim to be of another log."""
    receipt["origin"] += "x"
    return True


def other_format(receipt: Receipt, random: Random) -> bool:
    """Claim another format."""
    receipt["format"] = "orch.receipt.v0"
    return True


WITHOUT_KEY: Mapping[str, Change] = {
    "value-byte": value_byte,
    "partition-number": _head_number(1),
    "offset": _head_number(2),
    "timestamp": _head_number(3),
    "key-byte": key_byte,
    "header-added": header_added,
    "path-hash": _proof_line(_path),
    "index": index_changed,
    "path-cut": path_cut,
    "proofs-swapped": proofs_swapped,
    "partition-signature": _proof_line(lambda lines, random: len(lines) - 2),
    "partition-note-root": _proof_line(lambda lines, random: len(lines) - 4),
    "record-dropped": record_dropped,
    "record-twice": record_twice,
    "id-changed": id_changed,
    "proof-removed": proof_removed,
    "proof-dodged": proof_dodged,
    "partition-dropped": partition_dropped,
    "partition-size": partition_root,
    "log-origin": _note(0),
    "log-size": _note(1),
    "log-root": _note(2),
    "log-signature": _note(4),
    "question-id": other_question,
    "decision-id": other_decision,
    "receipt-origin": other_origin,
    "format": other_format,
}
"""Damages that whoever holds a receipt can do, by name."""


def damages(receipts: list[Receipt], key: SigningKey, random: Random, *, odds: bool = False) -> Iterator[Damaged]:
    """Damage receipts without end, one kind after the other; with *odds* all are of policies with that rule."""
    kinds = [*WITHOUT_KEY, *WITH_KEY, *READING, *([*ODDS_WITH_KEY, *ODDS_READING] if odds else ())]
    while True:
        for name in kinds:
            for _ in range(50):
                receipt = random.choice(receipts)
                damaged = _damaged(name, receipt, key, random)
                if damaged is not None and damaged != receipt:
                    yield Damaged(name, damaged, name not in WITHOUT_KEY, name in {**READING, **ODDS_READING})
                    break


def _damaged(name: str, receipt: Receipt, key: SigningKey, random: Random) -> Receipt | None:
    if name in WITHOUT_KEY:
        changed = copy.deepcopy(receipt)
        return changed if WITHOUT_KEY[name](changed, random) else None
    return forged(receipt, {**WITH_KEY, **READING, **ODDS_WITH_KEY, **ODDS_READING}[name], key, random)
