"""
Apache Kafka's jars: list, cache, download and verification.

`jars.lock` is the list, with a SHA-256 for each jar; `jars-VERSION.lock` is that of another version of Kafka.
"""

import hashlib
import http.client
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from streams.errors import OperatorError, UsageError

LOCK = Path(__file__).with_name("jars.lock")

VERSION = "ORCH_KAFKA_VERSION"
"""Variable that chooses another version than that of the lock."""
CENTRAL = "https://repo1.maven.org/maven2"

AT_ONCE = 4
"""Downloads at a time: half of the time goes into handshakes."""

ATTEMPTS = 3
TIMEOUT_S = 15
"""Each wait for the network. Where nothing answers, a person knows after three of these."""


class Jar(NamedTuple):
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Its name, wherever it lies."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        """Where a Maven repository has it."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.file}"

    def is_in(self, content: bytes) -> bool:
        """Whether these bytes are the jar."""
        return hashlib.sha256(content).hexdigest() == self.sha256

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def lock_of(environment: Mapping[str, str]) -> Path:
    """
    Choose the lock of the version that the environment names, else the usual one.

    Raises:
        UsageError: No lock has that version.
    """
    locks = {kafka_version(locked(lock)): lock for lock in (LOCK, *sorted(LOCK.parent.glob("jars-*.lock")))}
    wanted = environment.get(VERSION) or next(iter(locks))
    if wanted not in locks:
        raise UsageError(
            f"{VERSION}={wanted}: there is no list of that version's jars",
            remedy=f"Choose one of {', '.join(locks)}; infra/README.md says how to make another list",
        )
    return locks[wanted]


def locked(lock: Path | None = None) -> list[Jar]:
    """Read a lock, by default that of the environment: `group:artifact:version sha256`, a line for each jar."""
    lock = lock or lock_of(os.environ)
    lines = (line.replace(":", " ").split() for line in lock.read_text("ascii").splitlines())
    return [Jar(group, artifact, version, sha256) for group, artifact, version, sha256 in lines]


def kafka_version(jars: Sequence[Jar]) -> str:
    """Give the version of the broker among the jars."""
    return next(jar.version for jar in jars if jar.artifact.startswith("kafka_"))


def cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Name the folder that keeps the jars: `ORCH_KAFKA_HOME`, or one for each version in the user's cache."""
    given = environment.get("ORCH_KAFKA_HOME")
    if given:
        return Path(given).expanduser().absolute()
    usual = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(usual, "orch", f"kafka-{kafka_version(locked(lock_of(environment)))}").absolute()


def fetch(
    folder: Path | None = None,
    jars: Sequence[Jar] | None = None,
    *,
    repository: str | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """
    Have all jars, downloading what is missing or is not what the lock says.

    Several processes may do this at the same time: each jar appears complete or not at all, and the last process
    overwrites it with the same bytes.

    Args:
        folder: Where they are kept; the cache by default.
        jars: What to have; the lock by default.
        repository: Base URL; `ORCH_MAVEN_REPOSITORY`, else Maven Central. Proxies and certificates are the
            environment's.
        note: Called once, before the first download.

    Returns:
        Their paths, in the order of the lock.

    Raises:
        OperatorError: A jar cannot be downloaded or has another checksum, or the folder cannot be written.
    """
    folder = folder or cache()
    jars = locked() if jars is None else jars
    repository = (repository or os.environ.get("ORCH_MAVEN_REPOSITORY") or CENTRAL).rstrip("/")
    missing = [jar for jar in jars if not _has(folder / jar.file, jar)]
    if missing:
        note(f"Getting {len(missing)} of Kafka's {len(jars)} jars from {repository} into {folder}")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            waiting = [pool.submit(_fetch, jar, repository, folder) for jar in missing]
            try:
                for one in waiting:
                    one.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return [folder / jar.file for jar in jars]


def _has(path: Path, jar: Jar) -> bool:
    try:
        return jar.is_in(path.read_bytes())
    except OSError:
        return False


def _fetch(jar: Jar, repository: str, folder: Path) -> None:
    content = _download(jar, f"{repository}/{jar.path}", folder)
    if not jar.is_in(content):
        raise OperatorError(
            f"{repository}/{jar.path} has SHA-256 {hashlib.sha256(content).hexdigest()}; the lock says {jar.sha256}",
            remedy="Do not use it. Take another repository (ORCH_MAVEN_REPOSITORY), or find out what stands between",
        )
    part = folder / f".{jar.file}.{os.getpid()}.{threading.get_ident()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            part.replace(folder / jar.file)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OperatorError(
            f"{folder / jar.file} cannot be written: {error.strerror}",
            remedy="Make room or give permission, or name another folder in ORCH_KAFKA_HOME",
        ) from error


def _download(jar: Jar, url: str, folder: Path) -> bytes:
    for attempt in range(ATTEMPTS):
        try:
            # The limit is on each read, so a slow download does not time out.
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:
                content = reply.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if attempt + 1 < ATTEMPTS and _may_pass(error):
                time.sleep(0.5 * 2**attempt)
                continue
            raise OperatorError(
                f"{jar} could not be fetched from {url}: {_reason(error)}",
                remedy="Let this machine reach it, set ORCH_MAVEN_REPOSITORY to a repository it can reach"
                f" (file:///FOLDER works too), or copy {folder} from a machine that has it",
            ) from error
        assert isinstance(content, bytes)
        return content
    raise AssertionError("unreachable")


def _may_pass(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code == http.client.TOO_MANY_REQUESTS or error.code >= http.client.INTERNAL_SERVER_ERROR
    missing_file = isinstance(error, urllib.error.URLError) and isinstance(error.reason, FileNotFoundError)
    return not missing_file and not isinstance(error, ValueError)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
