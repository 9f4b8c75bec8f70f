"""Opening of an archive by the kind of its log."""

from pathlib import Path

from streams.runtimes.archive.manifest import load_manifest
from streams.runtimes.archive.reader import ArchiveReader
from streams.runtimes.archive.unordered_reader import UnorderedArchiveReader


def open_archive(folder: Path, *, checked: bool = False) -> ArchiveReader:
    """
    Open an archive for reading.

    Args:
        checked: Whether the files need no check of their digests, because this process wrote them.

    Raises:
        UsageError: There is no archive.
        OperatorError: The archive has another format, or cannot be read.
        DifferenceError: The manifest is damaged.
    """
    ordered = load_manifest(folder).ordered
    return (ArchiveReader if ordered else UnorderedArchiveReader)(folder, checked=checked)
