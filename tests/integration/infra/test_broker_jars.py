"""Kafka's jars: download, sources and verification."""

import hashlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.broker.jars import LOCK, VERSION, Jar, cache, fetch, kafka_version, locked
from streams.errors import OperatorError, UsageError


def jar(name: str) -> Jar:
    """A jar whose content is its name."""
    return Jar("org.example.some", name, "1.0", hashlib.sha256(name.encode()).hexdigest())


JARS = [jar(f"part{number}") for number in range(6)]


class Repository(ThreadingHTTPServer):
    """A Maven repository on loopback; `replies` says what it answers to a path, and how often."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = {f"/maven/{one.path}": one.artifact.encode() for one in JARS}
        self.trouble: list[int] = []
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.server_port}/maven/"


class Answer(BaseHTTPRequestHandler):
    """Answers with the next trouble, else with the content."""

    server: Repository

    def do_GET(self) -> None:
        """Answer one request."""
        self.server.asked.append(self.path)
        body = self.server.content.get(self.path)
        status = self.server.trouble.pop() if self.server.trouble else 404 if body is None else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body or b"" if status == 200 else b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def repository() -> Iterator[Repository]:
    """A repository that has all jars."""
    with Repository() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_jars_are_got_once(repository: Repository, tmp_path: Path) -> None:
    """The first fetch gets every jar, in the lock's order; the second asks nobody."""
    folder, notes = tmp_path / "new" / "jars", list[str]()
    paths = fetch(folder, JARS, repository=repository.url, note=notes.append)
    assert [path.name for path in paths] == [one.file for one in JARS]
    assert [path.read_text() for path in paths] == [one.artifact for one in JARS]
    assert [entry for entry in folder.iterdir() if entry not in paths] == []
    assert fetch(folder, JARS, repository=repository.url, note=notes.append) == paths
    assert len(repository.asked) == len(JARS)
    assert len(notes) == 1


def test_changed_jar_is_got_again(repository: Repository, tmp_path: Path) -> None:
    """A jar that is cut off or altered in the cache is replaced before it is used; the others stay."""
    paths = fetch(tmp_path, JARS, repository=repository.url)
    paths[1].write_bytes(b"")
    paths[2].write_bytes(b"part2, and something else")
    repository.asked.clear()
    fetch(tmp_path, JARS, repository=repository.url)
    assert sorted(repository.asked) == [f"/maven/{one.path}" for one in JARS[1:3]]
    assert [path.read_text() for path in paths] == [one.artifact for one in JARS]


def test_other_jar_is_refused(repository: Repository, tmp_path: Path) -> None:
    """What the repository gives under a jar's name is not kept unless it is what the lock says."""
    repository.content[f"/maven/{JARS[3].path}"] = b"something else"
    with pytest.raises(OperatorError, match=f"{JARS[3].file} has SHA-256 [0-9a-f]{{64}}; the lock says") as caught:
        fetch(tmp_path, JARS, repository=repository.url)
    assert "ORCH_MAVEN_REPOSITORY" in caught.value.remedy
    assert not (tmp_path / JARS[3].file).exists()


def test_busy_repository_is_asked_again(repository: Repository, tmp_path: Path) -> None:
    """A server's moment of weakness is passed over."""
    repository.trouble = [503]
    assert fetch(tmp_path, JARS[:1], repository=repository.url)[0].read_text() == "part0"
    assert len(repository.asked) == 2


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (None, "HTTP 404 Not Found"),
        ("file:///nowhere", "No such file or directory"),
        ("nothing", "unknown url type"),
    ],
)
def test_jar_that_cannot_be_had_is_named(
    repository: Repository, tmp_path: Path, url: str | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the jar, the URL and the reason in one line, the remedy what to do."""
    repository.content.clear()
    monkeypatch.setattr("infra.broker.jars.ATTEMPTS", 1)
    base = url or repository.url.rstrip("/")
    with pytest.raises(OperatorError, match=re.escape(base)) as caught:
        fetch(tmp_path, JARS[:1], repository=base)
    assert caught.value.message.startswith("org.example.some:part0:1.0 could not be fetched from ")
    assert reason in caught.value.message
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in caught.value.remedy


def test_folder_that_cannot_be_written_is_named(repository: Repository, tmp_path: Path) -> None:
    """Where there is no room for jars, the message says where that is."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match=r"file.* cannot be written: ") as caught:
        fetch(tmp_path / "file", JARS[:1], repository=repository.url)
    assert "ORCH_KAFKA_HOME" in caught.value.remedy


@pytest.mark.process
def test_processes_fetch_at_the_same_time(repository: Repository, tmp_path: Path) -> None:
    """Two processes that get the same jars do not disturb each other, and leave nothing but them."""
    program = (
        "import sys; from pathlib import Path; from infra.broker.jars import VERSION, fetch, locked;"
        "fetch(Path(sys.argv[1]), locked(Path(sys.argv[2])), repository=sys.argv[3])"
    )
    lock, folder = tmp_path / "jars.lock", tmp_path / "jars"
    lock.write_text("".join(f"{one} {one.sha256}\n" for one in JARS))
    command = [sys.executable, "-c", program, folder, lock, repository.url]
    both = [subprocess.Popen(command), subprocess.Popen(command)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert sorted(entry.name for entry in folder.iterdir()) == [one.file for one in JARS]
    assert fetch(folder, JARS, repository="file:///nowhere")


def test_environment_says_where_jars_come_from_and_go(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ORCH_MAVEN_REPOSITORY and ORCH_KAFKA_HOME, else the user's cache with the version in the name."""
    monkeypatch.setenv("ORCH_MAVEN_REPOSITORY", repository.url)
    monkeypatch.setenv("ORCH_KAFKA_HOME", str(tmp_path / "here"))
    assert fetch(jars=JARS[:1])[0].parent == cache() == tmp_path / "here"
    version = kafka_version(locked())
    assert cache({"XDG_CACHE_HOME": "/x"}) == Path(f"/x/orch/kafka-{version}")
    assert cache({}) == Path.home() / ".cache" / "orch" / f"kafka-{version}"


def test_lock_is_whole() -> None:
    """The lock names each file once, with a digest, and the versions that its source asks for."""
    jars = locked()
    assert len({one.file for one in jars}) == len(jars) > 40
    assert all(re.fullmatch(r"[0-9a-f]{64}", one.sha256) for one in jars)
    assert jars == sorted(jars, key=lambda one: one.path)
    wanted = re.findall(
        r"<groupId>(.+)</groupId>\s*<artifactId>(.+)</artifactId>\s*<version>(.+)</version>\s*</dependency>",
        LOCK.with_name("pom.xml").read_text(),
    )
    assert len(wanted) == 2
    assert set(wanted) <= {one[:3] for one in jars}


def test_each_version_has_a_list_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable chooses the version, and so the folder of the cache; one without a list is a usage error."""
    usual = kafka_version(locked())
    for lock in LOCK.parent.glob("jars-*.lock"):
        version = lock.stem.removeprefix("jars-")
        monkeypatch.setenv(VERSION, version)
        jars = locked()
        assert kafka_version(jars) == version != usual
        assert all(re.fullmatch(r"[0-9a-f]{64}", one.sha256) for one in jars)
        assert jars == sorted(jars, key=lambda one: one.path)
        assert cache({"XDG_CACHE_HOME": "/x", VERSION: version}) == Path(f"/x/orch/kafka-{version}")
    monkeypatch.setenv(VERSION, "0.8")
    with pytest.raises(UsageError, match="no list of that version"):
        locked()
