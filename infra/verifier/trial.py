"""
Trial of both verifiers.

It takes receipts of every kind, sound and damaged.

    python -m infra.verifier.trial --receipts 1000 --damaged 1000 --seed 16 [--odds]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol, Self

import orjson

from infra.verifier import derive_odds, read_answers, verify
from infra.verifier.damage import damages
from infra.verifier.worlds import write_world
from streams import logs
from streams.audit.proof.checkpoints import SealedRoots, sign_roots
from streams.audit.proof.log_trees import LogTrees
from streams.audit.proof.notes import SigningKey
from streams.audit.proof.receipt import receipt_of
from streams.audit.proof.receipt_check import check_receipt
from streams.runtimes.embedded.reader import EmbeddedReader

QUESTIONS = 20
"""Questions of one log."""


def key_of(seed: int) -> SigningKey:
    """Make the key of a trial: the same for a seed, so never one to keep."""
    return SigningKey("example.com/trial", Random(seed).randbytes(32))


def sealed(reader: EmbeddedReader, key: SigningKey) -> SealedRoots:
    """Seal a log in memory."""
    trees = LogTrees()
    for _ in trees.read(reader):
        pass
    return sign_roots(key, trees.heads)


def receipts(seed: int, key: SigningKey, *, odds: bool = False) -> Iterator[dict[str, Any]]:
    """Give receipts of one log after the other, without end; the rule is `odds`, or any but that."""
    random = Random(seed)
    with tempfile.TemporaryDirectory(prefix="orch-receipts-") as folder:
        for number in iter(lambda: random.randrange(10**12), None):
            path = Path(folder, f"{number}.db")
            ids = write_world(path, Random(number), QUESTIONS, odds=odds)
            with EmbeddedReader(path) as reader:
                roots = sealed(reader, key)
                for question_id in ids:
                    # As a file holds it.
                    yield json.loads(orjson.dumps(receipt_of(reader, question_id, roots)))
            path.unlink()


class Judge(Protocol):
    """Gives the reason for which a receipt is refused; None if it is accepted."""

    def __call__(self, receipt: dict[str, Any], key: str, *, reading: bool) -> str | None: ...


@dataclass(slots=True)
class VerdictCount:
    """What both verifiers said, against what they had to say."""

    accepted: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    """Receipts by rule and reason, damages by name."""


_DRIVER = """
import functools, importlib.util, json, sys
def load(name):
    spec = importlib.util.spec_from_file_location(name, f"{sys.argv[1]}/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
verify, reader, odds = load("verify"), load("read_answers"), load("derive_odds")
# One note stands in many receipts.
verify.ed25519 = functools.lru_cache(None)(verify.ed25519)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["reading"] and reader.TOO_OLD:
        print(json.dumps({"unfit": "does not read answers" + reader.TOO_OLD}), flush=True)
        continue
    try:
        verify.verify(asked["receipt"].encode(), asked["key"], reader if asked["reading"] else None, odds)
        print(json.dumps(None), flush=True)
    except verify.Refused as problem:
        print(json.dumps(str(problem)), flush=True)
"""


class BareInterpreter:
    """
    verify.py in an interpreter without any installed package.

    Args:
        python: Path of the interpreter.
    """

    def __init__(self, python: str = sys.executable) -> None:
        command = [python, "-I", "-S", "-c", _DRIVER, str(Path(__file__).parent)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.communicate()

    def __call__(self, receipt: dict[str, Any], key: str, *, reading: bool) -> str | None:
        """Judge as `second_opinion` does."""
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        line = json.dumps({"receipt": orjson.dumps(receipt).decode(), "key": key, "reading": reading})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline() or "{}")
        if isinstance(found, dict):
            raise SystemExit(f"the interpreter of the trial {found.get('unfit', 'ended')}")
        said: str | None = found
        return said


def second_opinion(receipt: dict[str, Any], key: str, *, reading: bool) -> str | None:
    """Give the reason for which verify.py refuses a receipt; None if it accepts it."""
    try:
        verify.verify(  # type: ignore[no-untyped-call]
            orjson.dumps(receipt), key, read_answers if reading else None, derive_odds
        )
    except verify.Refused as problem:
        return str(problem)
    return None


def try_both(
    seed: int, wanted: int, damaged: int, judge: Judge = second_opinion, *, odds: bool = False
) -> VerdictCount:
    """Have both verifiers judge sound and damaged receipts; with *odds* all are of policies with that rule."""
    key, outcome = key_of(seed), VerdictCount()
    public = key.public
    kept: list[dict[str, Any]] = []
    for receipt in receipts(seed, key, odds=odds):
        if outcome.accepted + len(outcome.wrong) >= wanted:
            break
        found = check_receipt(receipt, public)
        said = [judge(receipt, str(public), reading=reading) for reading in (False, True)]
        if found.problems or any(said) or not found.derived:
            outcome.wrong.append(f"sound {receipt['question_id']}: {found.problems} {said}")
            continue
        outcome.accepted += 1
        outcome.kinds[_kind(receipt)] += 1
        if len(kept) < 200:
            kept.append(receipt)
    for one in damages(kept, key, Random(seed), odds=odds):
        if outcome.refused + len(outcome.wrong) >= damaged:
            break
        found = check_receipt(one.receipt, public)
        without = judge(one.receipt, str(public), reading=False)
        again = judge(one.receipt, str(public), reading=True)
        if not found.problems or again is None or (without is None) is not one.needs_reading:
            outcome.wrong.append(f"{one.damage}: {found.problems} {without} {again}")
            continue
        outcome.refused += 1
        outcome.kinds[one.damage] += 1
    return outcome


def _kind(receipt: dict[str, Any]) -> str:
    value = receipt["records"][-1]["entry"].rpartition("\nvalue ")[2].partition("\n")[2]
    decision = json.loads(value)
    return f"{decision['kind'][-2:]} {decision['rule']}, {decision['reason']}{', tie' if decision['tie_break'] else ''}"


def main() -> int:
    """Run the trial that the command line describes."""
    asked = argparse.ArgumentParser(description="Have both verifiers judge receipts, sound and damaged.")
    asked.add_argument("--receipts", type=int, default=1_000)
    asked.add_argument("--damaged", type=int, default=1_000)
    asked.add_argument("--seed", type=int, default=16)
    asked.add_argument(
        "--odds", action="store_true", help="receipts of policies with the rule odds; else of all others"
    )
    asked.add_argument("--python", default=sys.executable, help="interpreter for verify.py; it sees no package")
    given = asked.parse_args()
    logs.configure(level="error")
    started = time.monotonic()
    with BareInterpreter(given.python) as judge:
        outcome = try_both(given.seed, given.receipts, given.damaged, judge, odds=given.odds)
    report = {
        "accepted": outcome.accepted,
        "refused": outcome.refused,
        "wrong": len(outcome.wrong),
        "first_wrong": outcome.wrong[:5],
        "seconds": round(time.monotonic() - started, 1),
        "kinds": dict(sorted(outcome.kinds.items())),
    }
    print(json.dumps(report, indent=2))
    return 4 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
