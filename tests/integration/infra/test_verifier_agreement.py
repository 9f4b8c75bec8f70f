"""Agreement of the verifiers of receipts."""

import copy
import json
import sys
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from infra.verifier import derive_odds, verify
from infra.verifier.corpus import read_corpus
from infra.verifier.forgeries import sealed_again
from infra.verifier.trial import key_of, sealed
from infra.verifier.worlds import write_world
from streams.app.verify import verify as program_verify
from streams.audit.proof.claims import receipt_proves
from streams.audit.proof.notes import PublicKey
from streams.audit.proof.receipt import receipt_of
from streams.audit.proof.receipt_check import check_receipt
from streams.runtimes.embedded.reader import EmbeddedReader


@pytest.fixture(scope="module")
def receipt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A receipt under the rule `odds`, with entries of the router."""
    path = tmp_path_factory.mktemp("odds") / "log.db"
    ids = write_world(path, Random(4), 8, odds=True)
    with EmbeddedReader(path) as reader:
        found: dict[str, Any] = json.loads(orjson.dumps(receipt_of(reader, ids[-1], sealed(reader, key_of(4)))))
    return found


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The files of the corpus."""
    return read_corpus()[0]


def claims_of(receipt: dict[str, Any]) -> list[str]:
    """Give what verify.py proves of it."""
    claims: list[str] = verify.verify(orjson.dumps(receipt), str(key_of(4).public), None, derive_odds)
    return claims


def test_entries_without_proof_are_counted(receipt: dict[str, Any]) -> None:
    """Both verifiers say of how many records the inclusion is not proved."""
    bare = [one for one in receipt["records"] if one["entry"].split()[1] in ("orch.router", "orch.weights")]
    records = [{**one, "proof": None} if one in bare else one for one in receipt["records"]]
    said = claims_of({**receipt, "records": records})[1:3]
    assert said == [
        f"inclusion and ids of {len(records) - len(bare)} records",
        f"not proved: the inclusion of {len(bare)} more, which the panel names by their ids",
    ]
    found = check_receipt({**receipt, "records": records}, key_of(4).public)
    assert (found.problems, found.records, found.without_proof) == ([], len(records) - len(bare), len(bare))
    assert f"except {len(bare)} entries" in receipt_proves(found.without_proof)[0]


@pytest.mark.parametrize("digits", ["0{}", "{}٣", "+{}", "{}_0"])
def test_numbers_have_one_spelling(receipt: dict[str, Any], digits: str) -> None:
    """Both verifiers refuse a signed entry with a number that is spelled in another way."""
    receipt = copy.deepcopy(receipt)
    head, place, rest = receipt["records"][0]["entry"].split("\n", 2)
    place, _, timestamp = place.rpartition(" ")
    receipt["records"][0]["entry"] = "\n".join([head, f"{place} {digits.format(timestamp)}", rest])
    receipt = sealed_again(receipt, key_of(4))
    assert check_receipt(receipt, key_of(4).public).problems
    with pytest.raises(verify.Refused):
        claims_of(receipt)


@pytest.mark.parametrize("beside", [b'"origin":"x"', b'"n":NaN', b'"n":1.5', b'"n":9007199254740992', b'"n":"\\ud800"'])
def test_json_on_which_parsers_disagree(tmp_path: Path, files: dict[str, bytes], beside: bytes) -> None:
    """Both verifiers refuse what parsers disagree about, in members too that nobody reads."""
    content = files["sound/000.json"]
    assert verify.verify(content, files["orch-seal.pub"].decode())
    content = content[:-1] + b"," + beside + b"}"
    path, key = tmp_path / "receipt.json", files["orch-seal.pub"].decode()
    path.write_bytes(content)
    assert not program_verify(str(path), PublicKey.parse(key)).accepted
    with pytest.raises(verify.Refused):
        verify.verify(content, key)


def test_readers_under_an_older_interpreter(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where `re` is too old for the readers, verify.py leaves them out and says so, and refuses no sound receipt."""
    path, key = tmp_path / "receipt.json", tmp_path / "orch-seal.pub"
    path.write_bytes(files["sound/000.json"])
    key.write_bytes(files["orch-seal.pub"])
    for name in ("read_answers", "derive_odds"):
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["verify.py", "--key", str(key), str(path)])
    monkeypatch.setattr(sys, "version_info", (3, 11, 4))
    assert verify.main() == 0
    assert "reading: not proved: read_answers.py needs CPython 3.11.5" in capsys.readouterr().out
