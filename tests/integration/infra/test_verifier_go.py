"""Receipts and trees under Google's own code, in Go."""

import base64
import fcntl
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.verifier.corpus import read_corpus
from streams.audit.proof.merkle import consistency_spans, fill_spans, leaf_hash, root_of
from streams.audit.proof.notes import PublicKey

from ...conftest import ROOT

SOURCE = ROOT / "infra" / "verifier" / "go"
LIMIT_S = 280
LEAVES = [leaf_hash(b"%d" % number) for number in range(80)]

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def program(shared_folder: Path) -> Path:
    """The verifier in Go, built once for all processes of a run."""
    if shutil.which("go") is None:
        pytest.skip("needs Go: apt-get install golang-go")
    built = shared_folder / "go-verifier"
    with (shared_folder / "go.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            command = ["go", "build", "-o", str(built), "."]
            done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False, timeout=LIMIT_S)
            if done.returncode:
                pytest.skip(f"needs the Go modules of infra/verifier/go: {done.stderr.strip()[-500:]}")
    return built


def asked(program: Path, cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ask for the verdict on each case."""
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run([str(program)], input=lines, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    return done.stdout.splitlines()


def inclusions(receipt: Mapping[str, Any], key: PublicKey) -> list[dict[str, str]]:
    """List the inclusion proofs of a receipt: of records, and of partitions."""
    raw = base64.b64encode(key.key).decode()
    found = [{"Origin": key.name, "Key": raw, "Entry": p["entry"], "Proof": p["proof"]} for p in receipt["partitions"]]
    for record in receipt["records"]:
        topic, partition, _ = record["entry"].split("\n", 2)[1].split(" ", 2)
        origin = f"{key.name}/{topic}/{partition}"
        found.append({"Origin": origin, "Key": raw, "Entry": record["entry"], "Proof": record["proof"] or "none"})
    return found


def test_go_judges_inclusion_and_notes_alike(program: Path) -> None:
    """Go accepts every proof of a sound receipt, and refuses one where only a proof was damaged."""
    files, expected = read_corpus()
    key = PublicKey.parse(files["orch-seal.pub"].decode())
    of_proofs = {
        *("value-byte", "partition-number", "offset", "timestamp", "key-byte", "header-added", "path-hash", "index"),
        *("path-cut", "proofs-swapped", "partition-signature", "partition-note-root", "proof-removed"),
        *("partition-size", "log-size", "log-root", "log-signature", "log-origin"),
    }
    cases, owners = [], []
    for name, wanted in expected.items():
        if wanted["verdict"] != "accept" and wanted["damage"] not in of_proofs:
            continue
        proofs = inclusions(json.loads(files[name]), key)
        cases += proofs
        owners += [name] * len(proofs)
    refused = {name for name, verdict in zip(owners, asked(program, cases), strict=True) if verdict != "accept"}
    assert refused == {name for name in owners if expected[name]["verdict"] != "accept"}


def test_go_judges_consistency_alike(program: Path) -> None:
    """Go accepts every consistency proof up to 80 leaves, and refuses wrong ones."""

    def case(old: int, new: int, path: Sequence[bytes], before: bytes, after: bytes) -> dict[str, Any]:
        texts = [base64.b64encode(node).decode() for node in (before, after, *path)]
        return {"Old": old, "New": new, "OldRoot": texts[0], "NewRoot": texts[1], "Path": texts[2:]}

    sound, wrong = [], []
    for new in range(1, len(LEAVES) + 1):
        after = root_of(LEAVES[:new])
        for old in range(1, new + 1):
            before, path = root_of(LEAVES[:old]), fill_spans(consistency_spans(old, new), LEAVES)
            sound.append(case(old, new, path, before, after))
            wrong.append(case(old, new, [*path, after], before, after))
            wrong.append(case(old, new, path, before[::-1], after))
    assert set(asked(program, sound)) == {"accept"}
    assert all(verdict.startswith("refuse") for verdict in asked(program, wrong))
