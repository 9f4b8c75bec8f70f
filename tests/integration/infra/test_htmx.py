"""htmx beside the pages, and what renews it."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from infra.htmx.__main__ import main
from infra.htmx.vendored import FILES, FOLDER, check, read_lock, take
from streams.errors import DifferenceError


def packed(version: str, **more: bytes) -> tuple[bytes, str]:
    """Pack a release as npm does, and give npm's hash of it."""
    contents = {name: f"{name} of {version}".encode() for name in FILES}
    contents["package.json"] = json.dumps({"version": version}).encode()
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in {**contents, **more}.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    package = written.getvalue()
    return package, "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()


def test_files_are_those_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """What the pages load is what the lock says, and has its licence beside it."""
    assert main([]) == 0
    assert capsys.readouterr().out.startswith(f"htmx {read_lock().version}: 3 files")
    assert "Permission to use, copy, modify" in (FOLDER / "LICENSE.htmx.txt").read_text("utf-8")


def test_release_is_taken_and_checked(tmp_path: Path) -> None:
    """The files and the lock of a release are written; a file that is changed afterwards is named."""
    lock = tmp_path / "htmx.lock"
    made = take(*packed("4.9.9"), tmp_path, lock)
    assert check(tmp_path, lock) == made
    (tmp_path / "htmx.min.js").write_text("changed")
    with pytest.raises(DifferenceError, match=r"htmx\.min\.js is not the file of htmx\.org 4\.9\.9"):
        check(tmp_path, lock)


def test_other_package_is_refused(tmp_path: Path) -> None:
    """A package that is not the one npm names writes nothing."""
    package, _ = packed("4.9.9")
    with pytest.raises(DifferenceError, match="not the one that npm names"):
        take(package, packed("4.9.8")[1], tmp_path, tmp_path / "htmx.lock")
    assert not list(tmp_path.iterdir())
