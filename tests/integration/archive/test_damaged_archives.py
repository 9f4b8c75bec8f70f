"""Archives that were damaged, are incomplete, or are none."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from structlog.testing import capture_logs

from streams.app.sql import views_of
from streams.app.workspace import Workspace
from streams.audit.replay.replay import Replay, replay
from streams.audit.views import catalog
from streams.errors import DifferenceError, OperatorError, UsageError
from streams.log import LogReader
from streams.runtimes.archive.columns import literal
from streams.runtimes.archive.export import export_log
from streams.runtimes.archive.manifest import MANIFEST, digest_of
from streams.runtimes.archive.opening import open_archive
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.topology import DECISIONS, POLICIES

from ..audit.honest_logs import Story


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an archive."""
    story = Story(tmp_path_factory.mktemp("story") / "orch.db", 11)
    with capture_logs():
        story.tell()
    folder = story.path.parent / "archive"
    with EmbeddedReader(story.path) as reader:
        export_log(reader, folder, written_by="a test")
    return folder


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    """Give a copy of it."""
    return Path(shutil.copytree(original, tmp_path / "archive"))


def read(folder: Path) -> Replay:
    """Open and replay an archive."""
    with open_archive(folder) as reader:
        return replay(reader)


def test_a_folder_without_an_archive_is_a_wrong_name(tmp_path: Path) -> None:
    """A path that leads to no archive is refused as a mistake in the command."""
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match="no archive"):
            open_archive(path)


def test_a_missing_file_is_named(archive: Path) -> None:
    """A file that the manifest names and that is gone is a difference, with its path."""
    (lost,) = (archive / "records" / DECISIONS).iterdir()
    lost.unlink()
    with pytest.raises(DifferenceError, match=f"{lost}: the archive was changed after the export"):
        read(archive)


def test_any_changed_byte_is_found(archive: Path) -> None:
    """A byte changed anywhere in a file of records ends in a difference that names the file."""
    chance = random.Random(3)
    for path in sorted((archive / "records").rglob("*.parquet")):
        whole = path.read_bytes()
        place = chance.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :])
        with pytest.raises(DifferenceError, match=str(path)):
            read(archive)
        path.write_bytes(whole[:-1])
        with pytest.raises(DifferenceError, match="bytes, the manifest says"):
            read(archive)
        path.write_bytes(whole)
    assert read(archive).different == 0


def test_a_damaged_manifest_is_a_difference(archive: Path) -> None:
    """A manifest that is cut off, or lacks a member, is damaged."""
    path = archive / MANIFEST
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole.replace(b'"folded"', b'"folder"')):
        path.write_bytes(damaged)
        with pytest.raises(DifferenceError, match=MANIFEST):
            open_archive(archive)


def test_a_foreign_manifest_is_refused(archive: Path) -> None:
    """An archive of another format, or another program's manifest, is refused and said so."""
    for foreign in (b"{}", b"[1]", b'{"format": "orch-archive/9"}'):
        (archive / MANIFEST).write_bytes(foreign)
        with pytest.raises(OperatorError, match="this version of orch reads 'orch-archive/1'"):
            open_archive(archive)


def rewrite(folder: Path, topic: str, change: str) -> None:
    """Rewrite the rows of a topic, and the digests in the manifest with them."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    for segment in manifest["segments"]:
        for file in segment["files"]:
            if file["topic"] != topic:
                continue
            path, draft = folder / file["path"], folder / "draft"
            change = change if "{rows}" in change else f"{change} FROM {{rows}}"
            with duckdb.connect() as connection:
                rows = change.format(rows=f"read_parquet({literal(str(path))})")
                connection.execute(f"COPY ({rows}) TO {literal(str(draft))} (FORMAT parquet)")
            draft.replace(path)
            file |= {"bytes": path.stat().st_size, "sha256": digest_of(path)}
    (folder / MANIFEST).write_bytes(json.dumps(manifest).encode())


CHANGES = {
    "an answer": ("SELECT * REPLACE (CASE WHEN \"offset\" = 0 THEN 'Z' ELSE answer END AS answer)", "column answer"),
    "a number": ("SELECT * REPLACE (calls + 1 AS calls)", "column calls"),
    "a weight": (
        "SELECT * REPLACE (list_transform(counted, lambda b: struct_update(b, weight := b.weight + 1)) AS counted)",
        "column counted",
    ),
    "a row": ('SELECT * FROM {rows} WHERE "offset" > 0', "seq"),
    "offsets": ('SELECT * REPLACE ("offset" + 1 AS "offset")', "offset"),
    "times": ("SELECT * REPLACE (timestamp_ms - 100000 AS timestamp_ms)", "timestamp_ms"),
    "values": ("SELECT * REPLACE (NULL::BLOB AS value)", "record"),
    "forms": ("SELECT * REPLACE ('invalid' AS form)", "record"),
    "keys": ("SELECT * REPLACE ('\\xFF'::BLOB AS key)", "record"),
    "correlations": ("SELECT * REPLACE ('other' AS correlation)", None),
    "values and columns": (
        "SELECT * REPLACE (replace(decode(value), '\"calls\":', '\"calls\":1')::BLOB AS value,"
        " ('1' || calls)::BIGINT AS calls)",
        None,
    ),
}
"""Changes of the rows of decisions, and the field of the fault that they are; None: a difference of the events."""


@pytest.mark.parametrize("name", CHANGES)
def test_a_rewritten_archive_differs(archive: Path, name: str) -> None:
    """Rows that are changed together with the manifest's digests are found by the replay."""
    change, field = CHANGES[name]
    rewrite(archive, DECISIONS, change)
    found = read(archive)
    assert found.different > 0
    assert found.first_difference is not None
    if field is not None:
        with open_archive(archive) as reader:
            assert field in {fault.field for fault in reader.faults()}


def test_a_manifest_that_counts_otherwise_differs(archive: Path) -> None:
    """Extents that are not those of the records are found."""
    path = archive / MANIFEST
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    manifest["partitions"][POLICIES][0]["next"] += 1
    path.write_bytes(json.dumps(manifest).encode())
    assert read(archive).different > 0


def test_a_policy_under_another_key_differs(archive: Path) -> None:
    """A record that lies under another correlation than its event's is found."""
    rewrite(archive, POLICIES, "SELECT * REPLACE ('other' AS correlation) FROM {rows}")
    with open_archive(archive) as reader:
        assert "correlation" in {fault.field for fault in reader.faults()}


WAYS: dict[str, Callable[[LogReader], Any]] = {
    "records": lambda reader: list(reader.records()),
    "about": lambda reader: reader.about("q"),
    "by_correlation": lambda reader: list(reader.by_correlation((DECISIONS,))),
    "last": lambda reader: reader.last(DECISIONS, "q"),
    "originals": lambda reader: list(reader.originals()),
    "faults": lambda reader: reader.faults(),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_read_checks_the_files(archive: Path, way: str) -> None:
    """No method of a reader gives anything of a changed file."""
    (file,) = (archive / "records" / DECISIONS).iterdir()
    with file.open("ab") as opened:
        opened.write(b"\x00")
    with open_archive(archive) as reader, pytest.raises(DifferenceError, match=str(file)):
        WAYS[way](reader)


def test_an_archive_of_an_older_version_lacks_columns(archive: Path) -> None:
    """Columns, and members of structs, that this version added are NULL in files from before."""
    rewrite(archive, DECISIONS, "SELECT * EXCLUDE (even_sums) FROM {rows}")
    with open_archive(archive) as reader:
        # No event of that time holds the field, so nothing differs.
        assert list(reader.faults()) == []
    rewrite(
        archive, POLICIES, "SELECT * EXCLUDE (budget) REPLACE (struct_pack(rule := merge.rule) AS merge) FROM {rows}"
    )
    with views_of(Workspace(f"parquet:{archive}")) as views:
        for view in catalog.VIEWS:
            list(views.objects(f"FROM {view}"))
        rows = list(views.objects("SELECT quorum, merge_rule IS NOT NULL AS ruled FROM policies"))
    assert set(rows) == {'{"quorum":null,"ruled":true}'}
