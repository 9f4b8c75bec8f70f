"""The manifest of an archive: files, digests, extents."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.registry import describe
from streams.errors import DifferenceError, OperatorError, UsageError
from streams.log import LogFault

MANIFEST = "manifest.json"
FORMAT = "orch-archive/1"
"""Changes when a reader of this version could no longer read the files, never for a further column."""
RECORDS = "records"
"""Folder of the Parquet files; in it one folder for each topic."""
REPEATS = "repeats.parquet"

_CHUNK = 1 << 20


class ArchiveValue(BaseModel):
    """A frozen, strict part of the manifest."""

    # A later version may say more, and its archive stays readable.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class ArchiveFile(ArchiveValue):
    """One file of an archive, with its digest."""

    path: str
    """Relative to the archive, with slashes."""
    bytes: int
    sha256: str


class RecordFile(ArchiveFile):
    """The records of one topic in one segment, by seq."""

    topic: str
    rows: int
    first_seq: int
    last_seq: int


class Segment(ArchiveValue):
    """Records of consecutive seq, in one file for each topic that has any."""

    first_seq: int
    last_seq: int
    files: tuple[RecordFile, ...]


class PartitionExtent(ArchiveValue):
    """Offsets of one partition: the first that the archive holds, and the next one behind its last."""

    first: int
    next: int


class StoredFault(ArchiveValue):
    """A fault of the log's file, found at the export; `log.LogFault` says what the members mean."""

    seq: int
    topic: str
    partition: int
    offset: int
    field: str
    expected: Any
    actual: Any

    @classmethod
    def of(cls, fault: LogFault) -> Self:
        """Store a fault."""
        seq, topic, partition, offset, field, expected, actual, _ = fault
        return cls(
            seq=seq, topic=topic, partition=partition, offset=offset, field=field, expected=expected, actual=actual
        )

    @property
    def fault(self) -> LogFault:
        """Give it as it was found."""
        return LogFault(self.seq, self.topic, self.partition, self.offset, self.field, self.expected, self.actual)


Places = Mapping[str, Mapping[str, int]]
"""Offsets by topic and partition; JSON has texts for keys."""


class Manifest(ArchiveValue):
    """The whole manifest."""

    format: Literal["orch-archive/1"]
    written_by: str
    """Version of the program."""
    runtime: Literal["sqlite", "kafka"]
    """Kind of the log: a file has one order over all topics, a cluster has none."""
    records: int
    """Records in the archive, which is the seq of the last one."""
    folded: int
    """Seq up to which the log's stages had certainly folded every record."""
    partitions: Mapping[str, tuple[PartitionExtent, ...]]
    """Extents of each topic's partitions, by number."""
    committed: Mapping[str, Places] = {}
    """Kafka: for each stage the offsets before which it had folded every record."""
    settled: Places = {}
    """Kafka: offsets before which every record has all its causes in the archive."""
    aborted: tuple[tuple[str, int, int], ...] = ()
    """Kafka: places (topic, partition, offset) of records of aborted transactions, which an earlier version read."""
    repeats: int = 0
    """Kafka: records that repeat an earlier one of their partition."""
    faults: tuple[StoredFault, ...] = ()
    """Places where the log's file was not as its writer leaves it."""
    segments: tuple[Segment, ...]
    others: tuple[ArchiveFile, ...]
    """Files beside the records: pages, views, schemas, policies."""

    @property
    def ordered(self) -> bool:
        """Whether `seq` is the order in which the log was written."""
        return self.runtime == "sqlite"

    def files_of(self, topic: str) -> list[RecordFile]:
        """List the files of a topic, by seq."""
        return [file for segment in self.segments for file in segment.files if file.topic == topic]

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the next offset of every partition."""
        return {
            (topic, number): extent.next
            for topic, extents in self.partitions.items()
            for number, extent in enumerate(extents)
        }


def offsets_in(places: Places) -> dict[tuple[str, int], int]:
    """Give offsets by topic and partition, as readers have them."""
    return {(topic, int(number)): offset for topic, found in places.items() for number, offset in found.items()}


def places_of(offsets: Mapping[tuple[str, int], int]) -> dict[str, dict[str, int]]:
    """Give offsets as the manifest has them; the inverse of `offsets_in`."""
    places: dict[str, dict[str, int]] = {}
    for (topic, number), offset in sorted(offsets.items()):
        places.setdefault(topic, {})[str(number)] = offset
    return places


def load_manifest(folder: Path) -> Manifest:
    """
    Read the manifest of an archive.

    Raises:
        UsageError: There is no such folder, or it is no archive.
        OperatorError: The archive has another format, or cannot be read.
        DifferenceError: The manifest is damaged.
    """
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        missing = f"{folder}: there is no archive" if not folder.is_dir() else f"{folder}: no archive: no {MANIFEST}"
        raise UsageError(missing, remedy="Make one: `orch export DIR`", file=str(path)) from None
    except OSError as error:
        raise OperatorError(
            f"{path}: cannot be read: {error.strerror}", remedy="Check the path and your permissions", file=str(path)
        ) from error
    try:
        stated = orjson.loads(raw)
        form = stated.get("format") if isinstance(stated, dict) else None
    except orjson.JSONDecodeError as error:
        raise damaged(path, f"it is no JSON ({error})") from error
    if form != FORMAT:
        raise OperatorError(
            f"{path}: its format is {form!r}, this version of orch reads {FORMAT!r}",
            remedy="Use the version of orch that wrote it, or name another folder",
            file=str(path),
        )
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise damaged(path, describe(error, most=1)) from error


def store(path: Path, content: bytes) -> ArchiveFile:
    """Write a file under a temporary name, flush it to disk, and rename it; its path in the result is its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.tmp")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return ArchiveFile(path=path.name, bytes=len(content), sha256=sha256(content).hexdigest())


def encoded(value: ArchiveValue) -> bytes:
    """Give a part of the manifest as indented JSON, for people to read too."""
    return orjson.dumps(value.model_dump(mode="json"), option=orjson.OPT_INDENT_2) + b"\n"


def digest_of(path: Path) -> str:
    """Hash a file with SHA-256, in hexadecimal."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check_file(folder: Path, file: ArchiveFile) -> None:
    """
    Compare a file with its size and digest in the manifest.

    Raises:
        DifferenceError: It is missing or changed.
    """
    path = folder / file.path
    try:
        size = path.stat().st_size
        if size != file.bytes:
            raise damaged(path, f"it has {size:,} bytes, the manifest says {file.bytes:,}")
        found = digest_of(path)
    except OSError as error:
        raise damaged(path, f"the manifest names it, and it cannot be read ({error.strerror})") from error
    if found != file.sha256:
        raise damaged(path, f"its SHA-256 is {found}, the manifest says {file.sha256}")


def damaged(path: Path, problem: str) -> DifferenceError:
    """Make the error about a file that is not as it was exported."""
    return DifferenceError(
        f"{path}: the archive was changed after the export: {problem}",
        remedy="Copy the archive again from where it was exported; `orch export` makes a new one",
        file=str(path),
    )
