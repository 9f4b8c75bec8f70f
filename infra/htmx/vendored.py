"""
Files of htmx beside the pages: check and renewal.

They are those of its npm package, unmodified. `htmx.lock` names the package with npm's own hash, and each file with a
SHA-256. `python -m infra.htmx` checks the files; with a version it takes them from that release by way of npm.
"""

import base64
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from streams.errors import DifferenceError, OperatorError

LOCK = Path(__file__).with_name("htmx.lock")
FOLDER = Path(__file__).resolve().parents[2] / "streams" / "serve" / "pages" / "static"
PACKAGE = "htmx.org"

FILES: Mapping[str, str] = {
    "LICENSE": "LICENSE.htmx.txt",
    "dist/htmx.min.js": "htmx.min.js",
    "dist/ext/hx-sse.min.js": "hx-sse.min.js",
}
"""Files of the package, and their names here."""

TIMEOUT_S = 120


class HtmxLock(NamedTuple):
    """What the lock says."""

    version: str
    integrity: str
    """npm's hash of the package: SHA-512, in base64."""
    sha256: Mapping[str, str]
    """Of each file, by its name here."""

    def __str__(self) -> str:
        lines = [f"{PACKAGE} {self.version} {self.integrity}"]
        return "\n".join([*lines, *(f"{name} {digest}" for name, digest in self.sha256.items())]) + "\n"


def read_lock(lock: Path = LOCK) -> HtmxLock:
    """Read the lock: the package, then a line for each file."""
    first, *others = lock.read_text("ascii").splitlines()
    _, version, integrity = first.split()
    return HtmxLock(version, integrity, dict(line.split() for line in others))


def check(folder: Path = FOLDER, lock: Path = LOCK) -> HtmxLock:
    """
    Hold the files against the lock.

    Raises:
        DifferenceError: A file is missing, or is another one.
    """
    locked = read_lock(lock)
    for name in FILES.values():
        path = folder / name
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"
        if found != locked.sha256.get(name):
            raise DifferenceError(
                f"{path} is not the file of {PACKAGE} {locked.version}: {found}",
                remedy=f"`python -m infra.htmx {locked.version}` takes it from the package",
            )
    return locked


def take(package: bytes, integrity: str, folder: Path = FOLDER, lock: Path = LOCK) -> HtmxLock:
    """
    Write the files of a package, and the lock.

    Args:
        package: The tarball.
        integrity: What npm says of it.

    Raises:
        DifferenceError: The package is another one, or lacks a file.
    """
    if "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode() != integrity:
        raise DifferenceError("the package is not the one that npm names", remedy="Try again, from another registry")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        contents = {name: _content(archive, f"package/{name}") for name in ("package.json", *FILES)}
    for name, here in FILES.items():
        (folder / here).write_bytes(contents[name])
    digests = {here: hashlib.sha256(contents[name]).hexdigest() for name, here in FILES.items()}
    made = HtmxLock(json.loads(contents["package.json"])["version"], integrity, digests)
    lock.write_text(str(made), "ascii")
    return made


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    try:
        found = archive.extractfile(name)
    except KeyError:
        found = None
    if found is None:
        raise DifferenceError(f"the package has no {name}", remedy="Its layout has changed: see FILES")
    return found.read()


def fetch(version: str) -> tuple[bytes, str]:
    """
    Get a release by way of npm, with npm's hash of it.

    Raises:
        OperatorError: npm is not there, or has no such release.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--json", "--pack-destination", folder, f"{PACKAGE}@{version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            said = f"npm pack {PACKAGE}@{version}: {getattr(error, 'stderr', None) or error}"
            raise OperatorError(said, remedy="Install npm, and name a release") from error
        packed = json.loads(done.stdout)[0]
        return Path(folder, packed["filename"]).read_bytes(), packed["integrity"]
