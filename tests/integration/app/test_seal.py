"""The commands seal, receipt and verify."""

import json
import shutil
import sqlite3
import stat
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from infra.verifier import verify
from infra.verifier.forgeries import forged
from streams.app.seal import Sealer
from streams.app.seal_keys import signing_key
from streams.app.workspace import Workspace
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.runtimes.urls import open_reader
from streams.topology import CHECKPOINTS

from ...e2e.command import question
from ..command_in_process import Inside


@pytest.fixture(scope="session")
def sealed_inside(recorded_inside: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed log with an anchor and a receipt; nobody writes to it."""
    folder = tmp_path_factory.mktemp("sealed") / "log"
    shutil.copytree(recorded_inside, folder)
    place = Inside(folder)
    for command in (
        ("seal", "--init", "--origin", "example.com/test"),
        ("seal", "--anchor", "anchor.jsonl"),
        ("receipt", "q1", "-o", "q1.json"),
    ):
        done = place.orch(*command)
        assert done.code == 0, done.err
    return folder


@pytest.fixture
def sealed(sealed_inside: Path, tmp_path: Path) -> Inside:
    """A copy of that directory."""
    folder = tmp_path / "sealed"
    shutil.copytree(sealed_inside, folder)
    return Inside(folder)


def found(place: Inside, *arguments: str) -> dict[str, Any]:
    """Run `orch --format json`, and give the object it printed."""
    done = place.orch("--format", "json", *arguments)
    assert done.out, done.err
    answer: dict[str, Any] = json.loads(done.out)
    return answer


def change(place: Inside, statement: str, *values: object) -> None:
    """Change the log behind its back."""
    with sqlite3.connect(place.path / "orch.db") as connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


def test_init_makes_keys_for_their_owner_alone(place: Inside) -> None:
    """`seal --init` writes both keys, the private one readable for its owner alone, and never over others."""
    assert place.orch("seal", "--init").code == 0
    mode = (place.path / "orch-seal.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    before = (place.path / "orch-seal.key").read_bytes()
    again = place.orch("seal", "--init")
    assert (again.code, (place.path / "orch-seal.key").read_bytes()) == (2, before)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("seal",), "seal --init"),
        (("seal", "--init", "--origin", "a b"), "spaces"),
        (("seal", "--origin", "a"), "--init"),
        (("seal", "--key", "questions.jsonl"), "no private key"),
        (("verify",), "public key"),
        (("verify", "--key", "questions.jsonl"), "no public key"),
        (("receipt", "q1"), "orch seal"),
    ],
)
def test_what_is_missing_is_said(recorded: Inside, arguments: tuple[str, ...], words: str) -> None:
    """Without a key, a checkpoint or a decision nothing is done, and the message names the remedy."""
    done = recorded.orch(*arguments)
    assert done.code == 2
    assert words in done.err


def test_sealed_log_is_accepted(sealed: Inside) -> None:
    """`verify` accepts a sealed log, and says what that does not prove."""
    answer = found(sealed, "verify", "--against", "anchor.jsonl")
    assert (answer["accepted"], answer["unsealed"], answer["different"]) == (True, 0, 0)
    assert answer["sealed"] == answer["events"] - 1
    assert any("models were right" in claim for claim in answer["does_not_prove"])
    assert any("anchored" in claim for claim in answer["does_not_prove"])


def test_nothing_new_is_not_sealed_again(sealed: Inside) -> None:
    """A second seal signs nothing, and copies the checkpoint to an anchor that lacks it."""
    answer = found(sealed, "seal", "--anchor", "other.jsonl")
    assert answer["new"] is False
    assert (sealed.path / "other.jsonl").read_bytes() == (sealed.path / "anchor.jsonl").read_bytes()


def test_what_came_after_is_not_sealed(sealed: Inside) -> None:
    """Records behind the last checkpoint are counted as not sealed, and sealed by the next one."""
    sealed.write("more.jsonl", [question(number) for number in range(100, 103)])
    assert sealed.orch("produce", "more.jsonl").code == 0
    assert found(sealed, "verify")["unsealed"] == 3
    assert found(sealed, "seal")["new"] is True
    answer = found(sealed, "verify", "--against", "anchor.jsonl")
    assert (answer["accepted"], answer["unsealed"], answer["checkpoints"]) == (True, 0, 3)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE records SET value = replace(value, 'question_id', 'question_ID') WHERE seq = 60", "was changed"),
        ("UPDATE records SET timestamp_ms = timestamp_ms + 1 WHERE seq = 60", "was changed"),
        ('UPDATE records SET headers = \'[["a", "b"]]\' WHERE seq = 60', "was changed"),
        ("DELETE FROM records WHERE seq = 60", ""),
    ],
)
def test_changed_log_is_refused(sealed: Inside, statement: str, words: str) -> None:
    """A log that was changed after it was sealed is refused with exit code 4, and is not sealed again."""
    change(sealed, statement)
    done = sealed.orch("verify")
    assert done.code == 4
    assert words in done.err
    again = sealed.orch("seal")
    assert again.code in (3, 4)


def test_receipt_is_accepted_elsewhere(sealed: Inside, tmp_path: Path) -> None:
    """A receipt is accepted in an empty folder, with the public key alone."""
    elsewhere = Inside(tmp_path / "elsewhere")
    elsewhere.path.mkdir()
    for name in ("q1.json", "orch-seal.pub"):
        shutil.copy(sealed.path / name, elsewhere.path)
    answer = found(elsewhere, "verify", "q1.json")
    assert (answer["accepted"], answer["derived"], answer["question_id"]) == (True, True, "q1")
    assert answer["does_not_prove"]
    assert json.loads((elsewhere.path / "q1.json").read_bytes())["does_not_prove"]


def test_receipt_under_another_key_is_refused(sealed: Inside) -> None:
    """A receipt is refused under any key but the log's."""
    (sealed.path / "orch-seal.key").unlink()
    (sealed.path / "orch-seal.pub").unlink()
    sealed.orch("seal", "--init", "--origin", "example.com/test")
    done = sealed.orch("verify", "q1.json")
    assert (done.code, "no trusted key" in done.err) == (4, True)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"a":1,"a":2}', b"\xff", b"[" * 100_000])
def test_what_is_no_receipt_is_refused(sealed: Inside, content: bytes) -> None:
    """A file that is no receipt is refused with exit code 4."""
    (sealed.path / "odd.json").write_bytes(content)
    assert sealed.orch("verify", "odd.json").code == 4


def test_bare_proof_is_a_tlog_proof(sealed: Inside) -> None:
    """`--proof-only` prints the decision's proof as C2SP has it."""
    lines = sealed.orch("receipt", "q1", "--proof-only").out.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert any(line.startswith("\u2014 example.com/test/orch.decisions/") for line in lines)


def test_receipt_of_nobody(sealed: Inside) -> None:
    """A question that the log does not hold has no receipt."""
    done = sealed.orch("receipt", "nobody")
    assert (done.code, "not in the log" in done.err) == (2, True)


def test_receipt_of_a_decision_behind_the_checkpoint(sealed: Inside) -> None:
    """A decision that no checkpoint covers yet has no receipt, and the message says so."""
    sealed.write("more.jsonl", [question(700)])
    done = sealed.orch("run", "more.jsonl", "--outputs", "outputs.jsonl")
    assert done.code in (0, 4)
    refused = sealed.orch("receipt", "q700")
    assert (refused.code, "not sealed yet" in refused.err) == (2, True)


def test_receipt_goes_on_from_an_anchor(sealed: Inside) -> None:
    """A receipt with a proof of consistency is held to an earlier checkpoint; one without cannot be."""
    sealed.write("more.jsonl", [question(700)])
    sealed.orch("run", "more.jsonl", "--outputs", "outputs.jsonl")
    sealed.orch("seal")
    sealed.orch("receipt", "q700", "-o", "without.json")
    sealed.orch("receipt", "q700", "--since", "anchor.jsonl", "-o", "with.json")
    assert found(sealed, "verify", "with.json", "--against", "anchor.jsonl")["accepted"]
    refused = sealed.orch("verify", "without.json", "--against", "anchor.jsonl")
    assert (refused.code, "--since" in refused.err) == (4, True)
    receipt = json.loads((sealed.path / "with.json").read_bytes())
    receipt["consistency"]["partitions"][0]["old"] = None
    (sealed.path / "with.json").write_text(json.dumps(receipt))
    assert sealed.orch("verify", "with.json", "--against", "anchor.jsonl").code == 4


def test_rewritten_and_signed_again_is_found_by_the_anchor_alone(sealed: Inside) -> None:
    """A log that its key's holder wrote anew passes, except under a checkpoint that was anchored before."""
    for file in sealed.path.glob("orch.db*"):
        file.unlink()
    sealed.write("questions.jsonl", [question(number) for number in range(30)])
    sealed.orch("run", "questions.jsonl", "--outputs", "outputs.jsonl", "--feedback", "gold")
    sealed.orch("seal")
    assert found(sealed, "verify")["accepted"]
    done = sealed.orch("verify", "--against", "anchor.jsonl")
    assert (done.code, "anchor.jsonl" in done.err) == (4, True)


def test_bare_note_is_an_anchor(sealed: Inside) -> None:
    """The checkpoint's note alone, as a witness or a web page keeps it, holds a log too."""
    event = json.loads((sealed.path / "anchor.jsonl").read_bytes())
    for name, note in (("log.note", event["note"]), ("part.note", event["partitions"][0])):
        (sealed.path / name).write_text(note, encoding="utf-8")
        assert found(sealed, "verify", "--against", name)["accepted"]
    for file in sealed.path.glob("orch.db*"):
        file.unlink()
    sealed.orch("run", "questions.jsonl", "--outputs", "outputs.jsonl")
    sealed.orch("seal")
    assert sealed.orch("verify", "--against", "log.note").code == 4


def test_anchor_in_a_folder(sealed: Inside) -> None:
    """In a folder each checkpoint is a file of its own."""
    (sealed.path / "kept").mkdir()
    sealed.orch("seal", "--anchor", "kept")
    assert len(list((sealed.path / "kept").glob("*.json"))) == 1
    assert found(sealed, "verify", "--against", "kept")["accepted"]


@pytest.mark.process
def test_anchor_in_a_git_repository(sealed: Inside) -> None:
    """In a git repository each checkpoint is a commit."""
    folder = sealed.path / "repository"
    for step in (
        ("init", "--quiet", str(folder)),
        ("-C", str(folder), "config", "user.name", "t"),
        ("-C", str(folder), "config", "user.email", "t@example.com"),
    ):
        subprocess.run(["git", *step], check=True)
    assert sealed.orch("seal", "--anchor", str(folder)).code == 0
    told = subprocess.run(["git", "-C", str(folder), "log", "--format=%s"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("Checkpoint ")
    assert found(sealed, "verify", "--against", str(folder))["accepted"]


def test_anchor_in_another_log(sealed: Inside) -> None:
    """Another log keeps checkpoints in its topic for them."""
    assert sealed.orch("seal", "--anchor", "sqlite:///other.db").code == 0
    assert found(sealed, "verify", "--against", "sqlite:///other.db")["accepted"]


def test_log_in_use_is_sealed_into_anchors(sealed: Inside) -> None:
    """While another process writes to the file, checkpoints go to the anchors, which carry the chain on."""
    sealed.write("more.jsonl", [question(700)])
    sealed.orch("produce", "more.jsonl")
    with EmbeddedWriter(sealed.path / "orch.db", PROCESSORS, clock=lambda: 2_000_000_000_000):
        refused = sealed.orch("seal")
        assert (refused.code, "--anchor" in refused.err) == (3, True)
        answer = found(sealed, "seal", "--anchor", "anchor.jsonl")
        assert (answer["in_log"], answer["new"]) == (False, True)
    assert found(sealed, "verify", "--against", "anchor.jsonl")["accepted"]
    answer = found(sealed, "receipt", "q1", "--checkpoint", "anchor.jsonl")
    assert answer["checkpoint"] == json.loads((sealed.path / "anchor.jsonl").read_bytes().splitlines()[-1])["note"]


def test_key_is_changed(sealed: Inside) -> None:
    """The old key signs the new one: whoever holds the old public key verifies what either of them sealed."""
    shutil.copy(sealed.path / "orch-seal.pub", sealed.path / "old.pub")
    old_secret = (sealed.path / "orch-seal.key").read_bytes()
    sealed.write("more.jsonl", [question(700)])
    sealed.orch("produce", "more.jsonl")
    done = sealed.orch("seal", "--change-key", "--anchor", "anchor.jsonl")
    assert done.code == 0, done.err
    kept = [path for path in sealed.path.glob("orch-seal-*.key") if path.read_bytes() == old_secret]
    assert len(kept) == 1
    assert not list(sealed.path.glob("*.next"))
    assert f"the public one before is {kept[0].stem}.pub" in done.err
    # The new key alone does not reach back: the message names both keys by their ids.
    refused = sealed.orch("verify")
    both = [(sealed.path / name).read_text().split("+")[1] for name in ("orch-seal.pub", "old.pub")]
    assert refused.code == 4
    assert f"no trusted key (example.com/test+{both[0]}) signed it; it is signed by example.com/test+{both[1]}" in (
        refused.err
    )
    sealed.orch("receipt", "q1", "-o", "new.json")
    for target in ((), ("new.json",)):
        assert found(sealed, "verify", *target, "--key", "old.pub")["accepted"]
    assert found(sealed, "verify", "new.json")["accepted"]
    for key in ("old.pub", "orch-seal.pub"):
        claims = verify.verify((sealed.path / "new.json").read_bytes(), (sealed.path / key).read_text())
        assert any(claim.startswith("inclusion and ids") for claim in claims)
    refused = sealed.orch("seal", "--key", kept[0].name)
    assert (refused.code, "--change-key" in refused.err) == (2, True)


def test_rule_that_is_not_known(sealed: Inside) -> None:
    """A receipt whose rule this version does not know is accepted for its inclusion, and not derived."""
    receipt = json.loads((sealed.path / "q1.json").read_bytes())
    key = signing_key(str(sealed.path / "orch-seal.key"), {})

    def rule(events: dict[str, dict[str, Any]], decision_id: str, random: object) -> bool:
        events[decision_id]["rule"] = "oracle.v7"
        return True

    made = forged(receipt, rule, key, Random(1))
    assert made is not None
    (sealed.path / "odd.json").write_text(json.dumps(made))
    answer = found(sealed, "verify", "odd.json")
    assert (answer["accepted"], answer["derived"]) == (True, False)
    assert any("decision not derived" in remark for remark in answer["remarks"])


def test_follow_seals_what_comes(sealed: Inside) -> None:
    """`--follow` seals as soon as enough records are new, and not before."""
    work = Workspace(f"sqlite:///{sealed.path / 'orch.db'}")
    sealer = Sealer(work, signing_key(str(sealed.path / "orch-seal.key"), {}))
    batches = [[question(700), question(701)], [question(702)]]

    def grow(seconds: float) -> None:
        sealed.write("more.jsonl", batches.pop(0))
        assert sealed.orch("produce", "more.jsonl").code == 0

    with open_reader(work.log_url) as reader:
        before = sum(end for (topic, _), end in reader.ends().items() if topic != CHECKPOINTS)
        made = next(sealer.follow(reader, every=3, seconds=10_000, sleep=grow))
    assert (made.roots.records, made.in_log, batches) == (before + 3, True, [])
    assert found(sealed, "verify")["unsealed"] == 0


def test_doctor_does_not_wait_for_a_checkpoint_to_be_folded(sealed: Inside) -> None:
    """A checkpoint is behind what was folded, and no stage reads it: nothing waits."""
    done = sealed.orch("--format", "json", "doctor", "--max-lag", "0")
    log = [check for line in done.out.splitlines() if (check := json.loads(line))["name"] in ("log", "lag")]
    assert [check["state"] for check in log] == ["ok"]
    assert "0 of them not folded" in log[0]["finding"]
