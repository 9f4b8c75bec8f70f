"""Trees of an archive beside those of its log."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest

from infra.verifier.trial import key_of, sealed
from infra.verifier.worlds import write_world
from streams.audit.proof.log_trees import LogTrees
from streams.audit.proof.receipt import receipt_of
from streams.log import LogReader
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.urls import open_reader

from ..command_in_process import Inside


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed log with its archive; nobody writes to it."""
    folder = tmp_path_factory.mktemp("world")
    write_world(folder / "orch.db", Random(5), 5)
    place = Inside(folder)
    for command in (("seal", "--init"), ("seal", "--anchor", "anchor.jsonl"), ("export", "archive")):
        done = place.orch(*command)
        assert done.code == 0, done.err
    return folder


def heads(reader: LogReader) -> dict[tuple[str, int], tuple[int, bytes]]:
    """Take all trees of a log."""
    trees = LogTrees()
    for _ in trees.read(reader):
        pass
    return {place: tuple(head) for place, head in trees.heads.items()}  # type: ignore[misc]


def test_archive_has_the_roots_of_its_log(world: Path) -> None:
    """Every partition of an archive has the size and the root that it has in the log."""
    with EmbeddedReader(world / "orch.db") as log, open_reader(f"parquet:{world / 'archive'}") as archive:
        assert heads(archive) == heads(log)


def test_archive_gives_the_receipts_of_its_log(world: Path) -> None:
    """A receipt from an archive is the one from the log."""
    with EmbeddedReader(world / "orch.db") as log, open_reader(f"parquet:{world / 'archive'}") as archive:
        roots = sealed(log, key_of(1))
        for number in range(5):
            assert receipt_of(archive, f"q{number}", roots) == receipt_of(log, f"q{number}", roots)


def test_trees_go_on_where_they_were(world: Path, tmp_path: Path) -> None:
    """Trees that were read in parts are those that are read at once."""
    shutil.copy(world / "orch.db", tmp_path)
    trees = LogTrees()
    with EmbeddedReader(tmp_path / "orch.db") as log:
        for _ in trees.read(log):
            pass
        place = Inside(tmp_path)
        place.write("more.jsonl", [{"question_id": f"new{n}", "text": "?", "options": ["a", "b"]} for n in range(9)])
        assert place.orch("produce", "more.jsonl").code == 0
        log.refresh()
        assert sum(1 for record in trees.read(log) if record.topic == "orch.questions") == 9
        assert {place: tuple(head) for place, head in trees.heads.items()} == heads(log)


@pytest.mark.parametrize("seed", range(12))
def test_changed_archive_is_refused(world: Path, tmp_path: Path, seed: int) -> None:
    """An archive in which any byte of a record's file was changed is refused."""
    folder, random = tmp_path / "archive", Random(seed)
    shutil.copytree(world / "archive", folder)
    shutil.copy(world / "orch-seal.pub", tmp_path)
    file = random.choice(sorted((folder / "records").rglob("*.parquet")))
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    file.write_bytes(content)
    done = Inside(tmp_path).orch("verify", "archive")
    assert done.code in (3, 4), done.out


def test_shortened_archive_is_refused(world: Path, tmp_path: Path) -> None:
    """An archive without one of its files is refused."""
    folder = tmp_path / "archive"
    shutil.copytree(world / "archive", folder)
    shutil.copy(world / "orch-seal.pub", tmp_path)
    next((folder / "records" / "orch.decisions").glob("*.parquet")).unlink()
    assert Inside(tmp_path).orch("verify", "archive").code in (3, 4)


def test_auditor_needs_the_key_alone(world: Path, tmp_path: Path) -> None:
    """The archive and the public key are enough in an empty folder."""
    shutil.copytree(world / "archive", tmp_path / "archive")
    shutil.copy(world / "orch-seal.pub", tmp_path)
    shutil.copy(world / "anchor.jsonl", tmp_path)
    done = Inside(tmp_path).orch("--format", "json", "verify", "archive", "--against", "anchor.jsonl")
    assert (done.code, json.loads(done.out)["accepted"]) == (0, True)
