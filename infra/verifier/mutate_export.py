"""
Random mutations of a sealed export, in its Parquet files.

Every mutation must be found and named: of the records, in an export made anew, and of the export's files.

    python -m infra.verifier.mutate_export --mutations 10000 --seed 16
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from infra.verifier.mutate import HeldLog, Log, MutationCount, mutate, run, sealed_world
from infra.verifier.trial import key_of
from streams.audit.proof.checkpoints import SealedRoots
from streams.audit.proof.log_check import LogCheck, check_log
from streams.audit.proof.notes import SigningKey
from streams.errors import DifferenceError
from streams.log import LogFault, Original
from streams.runtimes.archive.export import export_log
from streams.runtimes.archive.opening import open_archive
from streams.topology import CHECKPOINTS

FILES_SHARE = 10
"""One mutation in so many is of files; the others are of records."""

FileMutation = Callable[[Path, Random], Sequence[str] | None]
"""Changes an export and gives names of which one must be told; None if nothing has changed."""


class WrittenLog(HeldLog):
    """Records in memory, as an export reads them."""

    archived = False

    def originals(
        self, topics: Sequence[str] = (), *, after: int = 0, starts: Mapping[tuple[str, int], int] | None = None
    ) -> Iterator[Original]:
        """Iterate the records, numbered as they lie."""
        for seq, record in enumerate(self._records, 1):
            if seq > after and (not topics or record.topic in topics):
                yield record._replace(seq=seq)

    @property
    def folded(self) -> int:
        """Say that every record was folded."""
        return len(self._records)

    def faults(self) -> Sequence[LogFault]:
        """Give none."""
        return ()


def export_to(folder: Path, records: Log) -> None:
    """Export records, as whoever changed them would."""
    reader: Any = WrittenLog(records)
    export_log(reader, folder, written_by="a trial")


def checked_export(records: Log, key: SigningKey, against: Sequence[tuple[str, SealedRoots]] = ()) -> LogCheck:
    """Export records, and check the export as `orch verify` does, without the replay."""
    with tempfile.TemporaryDirectory(prefix="orch-mutate-") as name:
        export_to(Path(name, "archive"), records)
        with open_archive(Path(name, "archive")) as reader:
            return check_log(reader, key.public, against)


def _file(folder: Path, random: Random) -> Path:
    return random.choice(sorted(folder.glob("records/*/*.parquet")))


def _names(folder: Path, file: Path) -> Sequence[str]:
    return [str(file.relative_to(folder))]


def bit_of_a_file(folder: Path, random: Random) -> Sequence[str] | None:
    """Flip a bit of a Parquet file."""
    file = _file(folder, random)
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    file.write_bytes(content)
    return _names(folder, file)


def file_cut(folder: Path, random: Random) -> Sequence[str] | None:
    """Cut the end of a file off."""
    file = _file(folder, random)
    content = file.read_bytes()
    file.write_bytes(content[: random.randrange(len(content))])
    return _names(folder, file)


def file_removed(folder: Path, random: Random) -> Sequence[str] | None:
    """Remove a file."""
    file = _file(folder, random)
    file.unlink()
    return _names(folder, file)


def files_swapped(folder: Path, random: Random) -> Sequence[str] | None:
    """Exchange two files."""
    first, second = _file(folder, random), _file(folder, random)
    content = first.read_bytes()
    if first == second:
        return None
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    return [*_names(folder, first), *_names(folder, second)]


def file_out_of_the_manifest(folder: Path, random: Random) -> Sequence[str] | None:
    """Remove a file and its entry in the manifest."""
    file = _file(folder, random)
    named = str(file.relative_to(folder))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for segment in manifest["segments"]:
        segment["files"] = [one for one in segment["files"] if one["path"] != named]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    file.unlink()
    # A log without any is not sealed, and that is what is told.
    return ["the log has no checkpoint" if file.parent.name == CHECKPOINTS else file.parent.name]


def digest_in_the_manifest(folder: Path, random: Random) -> Sequence[str] | None:
    """Write another digest of a file into the manifest."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    one = random.choice([file for segment in manifest["segments"] for file in segment["files"]])
    one["sha256"] = f"{random.getrandbits(256):064x}"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return [one["path"]]


def manifest_cut(folder: Path, random: Random) -> Sequence[str] | None:
    """Cut the end of the manifest off."""
    content = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(content[: random.randrange(len(content) - 2)])
    return ["manifest.json"]


FILES: Mapping[str, FileMutation] = {
    "bit of a file": bit_of_a_file,
    "file cut": file_cut,
    "file removed": file_removed,
    "files swapped": files_swapped,
    "file out of the manifest": file_out_of_the_manifest,
    "digest in the manifest": digest_in_the_manifest,
    "manifest cut": manifest_cut,
}
"""Mutations of an export's files, by name; the records' are those of `mutate.MUTATIONS`."""


def mutate_files(seed: int, wanted: int, outcome: MutationCount) -> None:
    """Mutate the files of one sealed export again and again."""
    random, key = Random(seed), key_of(seed)
    log, _ = sealed_world(seed, key)
    names = list(FILES)
    with tempfile.TemporaryDirectory(prefix="orch-mutate-") as name:
        sound, folder = Path(name, "sound"), Path(name, "archive")
        export_to(sound, log)
        done = 0
        while done < wanted:
            kind = names[done % len(names)]
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(sound, folder)
            told = FILES[kind](folder, random)
            if told is None:
                continue
            done += 1
            problems = problems_of(folder, key)
            if any(named in problem for named in told for problem in problems):
                outcome.found[kind] += 1
            else:
                outcome.missed.append(f"{kind} in {', '.join(told)}: {problems}")


def problems_of(folder: Path, key: SigningKey) -> list[str]:
    """List what `orch verify` says of an export, without the replay."""
    try:
        with open_archive(folder) as reader:
            return check_log(reader, key.public, ()).problems.listed
    except DifferenceError as problem:
        return [str(problem)]


def mutate_export(seed: int, wanted: int) -> MutationCount:
    """Mutate records and files of sealed exports."""
    of_files = max(wanted // FILES_SHARE, len(FILES))
    outcome = mutate(seed, wanted - of_files, checked_export)
    mutate_files(seed, of_files, outcome)
    return outcome


if __name__ == "__main__":
    sys.exit(run("a sealed export", mutate_export))
