"""
A broker that starts, stops, dies and hangs.

It keeps the records it has acknowledged, and its address.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.broker import Broker
from infra.broker.folder import Folder, free_port
from infra.broker.process import Process
from streams.errors import OperatorError

from ... import broker as shared
from ...limits import LIMIT_S


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that these tests may ill-treat; each finds it running and leaves it so."""
    shared.require_kafka()
    with Broker(tmp_path_factory.mktemp("own broker")) as running:
        yield running


async def _write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def _read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    from aiokafka import AIOKafkaConsumer

    # A group, so that its coordinator has to be there again too.
    reader = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"{topic}-{uuid.uuid4()}", auto_offset_reset="earliest"
    )
    await reader.start()
    try:
        return [(await reader.getone()).value for _ in range(count)]
    finally:
        await reader.stop()


def write(broker: Broker, topic: str, values: list[bytes]) -> None:
    """Make a topic and write to it, each record acknowledged."""
    asyncio.run(asyncio.wait_for(_write(broker.bootstrap, topic, values), LIMIT_S))


def read(broker: Broker, topic: str, count: int) -> list[bytes]:
    """Read from the beginning, in a group."""
    return asyncio.run(asyncio.wait_for(_read(broker.bootstrap, topic, count), LIMIT_S))


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_broker_keeps_data_and_port(own: Broker, end: str) -> None:
    """After an orderly stop as after a crash, the next start has the same port and every acknowledged record."""
    values, topic, url, pid = [b"one", b"two", b"three"], f"kept-{end}", own.url, own.pid
    write(own, topic, values)
    getattr(own, end)()
    assert not own.running
    assert not own.ready
    own.start()
    assert own.url == url
    assert own.pid != pid
    assert read(own, topic, 3) == values


@pytest.mark.process
def test_paused_broker_does_not_answer(own: Broker) -> None:
    """A paused broker runs and gives no answer; resumed, it has lost nothing."""
    write(own, "paused", [b"before"])
    own.pause()
    try:
        assert own.running
        assert not own.ready
    finally:
        own.resume()
    assert read(own, "paused", 1) == [b"before"]


@pytest.mark.process
def test_start_of_a_running_broker_does_nothing(own: Broker) -> None:
    """A second start, also by another object, leaves the process as it is."""
    pid = own.pid
    own.start()
    Broker(own.folder).start()
    assert own.pid == pid


def test_brokers_stand_beside_each_other(broker: Broker, own: Broker) -> None:
    """Two brokers in two folders have ports and topics of their own, and listen on this machine only."""
    assert broker.url != own.url
    assert broker.ready
    write(broker, "beside-1", [b"first"])
    write(own, "beside-1", [b"second"])
    assert read(broker, "beside-1", 1) == [b"first"]
    assert read(own, "beside-1", 1) == [b"second"]
    settings = (own.folder / "server.properties").read_text()
    assert "://127.0.0.1:" in settings
    assert "0.0.0.0" not in settings


def test_stop_and_kill_of_nothing_do_nothing(tmp_path: Path) -> None:
    """A broker that does not run is stopped and killed already; its address is refused with what to do."""
    absent = Broker(tmp_path)
    assert absent.stop()
    absent.kill()
    for ask in (lambda: absent.url, lambda: absent.pid, absent.pause):
        with pytest.raises(OperatorError, match="Start it"):
            ask()


def test_recycled_id_is_not_our_broker(tmp_path: Path) -> None:
    """Where the noted id belongs to another process by now, no broker runs and nobody is signalled."""
    Folder(tmp_path).process = Process(os.getpid(), "another time")
    stale = Broker(tmp_path)
    assert not stale.running
    stale.stop()
    stale.kill()
    assert Folder(tmp_path).process is None


JAVA = """#!/bin/sh
case "$*" in
*-version*) echo 'openjdk version "21"' >&2 ;;
*StorageTool*) {format} ;;
*) echo 'it began'; {run} ;;
esac
"""


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a Java that only pretends, and a Kafka without jars."""
    program = tmp_path / "java" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    monkeypatch.setattr("infra.broker.jars.fetch", lambda: [Path("kafka.jar")])
    return program


@pytest.mark.process
@pytest.mark.parametrize(
    ("form", "run", "message"),
    [
        ("mkdir data", "echo 'ERROR no room' >&2; exit 1", r"ended while it started; .*\n  it began\n  ERROR no room"),
        ("mkdir data", "exec sleep 60", r"did not answer within 0\.3 s; the last it said:\n  it began"),
        ("echo 'bad settings' >&2; exit 1", "", r"could not make its data in .*: bad settings"),
    ],
    ids=["ends", "hangs", "unformatted"],
)
def test_failed_start_shows_the_log(pretended: Path, tmp_path: Path, form: str, run: str, message: str) -> None:
    """A broker that ends or hangs in its start is an error with its last words, and leaves no process."""
    pretended.write_text(JAVA.format(format=form, run=run))
    failing = Broker(tmp_path / "kafka")
    with pytest.raises(OperatorError, match=f"(?s){message}"):
        failing.start(timeout_s=0.3)
    assert not failing.running


@pytest.mark.process
def test_half_made_data_are_made_again(pretended: Path, tmp_path: Path) -> None:
    """Data whose making was cut off are not taken for whole ones."""
    kafka = tmp_path / "kafka"
    (kafka / "format" / "data").mkdir(parents=True)
    (kafka / "format" / "data" / "half").touch()
    pretended.write_text(JAVA.format(format="mkdir data && touch data/whole", run=""))
    with pytest.raises(OperatorError, match="ended while it started"):
        Broker(kafka).start()
    assert [entry.name for entry in (kafka / "data").iterdir()] == ["whole"]
    assert not (kafka / "format").exists()


def test_machine_without_kafka_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there can be no broker, tests that need one are skipped with a reason of one line."""

    def none() -> Path:
        raise OperatorError("Kafka needs Java", remedy="Install one")

    monkeypatch.setattr(shared, "find_java", none)
    with pytest.raises(pytest.skip.Exception, match=r"^needs a Kafka broker: Kafka needs Java\. Install one$"):
        shared.require_kafka()


@pytest.mark.process
def test_taken_port_is_told(pretended: Path, tmp_path: Path) -> None:
    """A port that another program listens on is an error that names it."""
    pretended.write_text(JAVA.format(format="mkdir data", run=""))
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        with pytest.raises(OperatorError, match=f"Port {port} .* is taken by another program"):
            Broker(tmp_path / "kafka", port=port).start()


def test_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A folder that cannot be made is an error that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match=r"file/kafka cannot be used: Not a directory. The broker needs"):
        Broker(tmp_path / "file" / "kafka").start()


def command(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m infra.broker` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "infra.broker", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.process
@pytest.mark.slow
def test_commands_start_and_stop(tmp_path: Path) -> None:
    """`start` prints the URL and ends while the broker stays; `status`, `kill` and `stop` find it by its folder."""
    shared.require_kafka()
    port = free_port()
    started = command(tmp_path, "start", "some/kafka", "--port", str(port))
    try:
        assert (started.returncode, started.stdout) == (0, f"kafka://127.0.0.1:{port}\n"), started.stderr
        assert "python -m infra.broker stop some/kafka" in started.stderr
        status = command(tmp_path, "status", "some/kafka")
        assert (status.returncode, status.stdout) == (0, started.stdout)
        assert command(tmp_path, "start", "some/kafka").stdout == started.stdout
    finally:
        stopped = command(tmp_path, "kill", "some/kafka")
    assert stopped.returncode == 0
    assert command(tmp_path, "status", "some/kafka").returncode == 3
    again = command(tmp_path, "stop", "some/kafka")
    assert again.returncode == 0
    assert "No broker runs" in again.stderr
    assert json.loads((tmp_path / "some" / "kafka" / "ports.json").read_bytes())["port"] == port


@pytest.mark.process
def test_command_tells_what_is_missing(tmp_path: Path) -> None:
    """Without a way to get the jars, `fetch` ends with 3, one message and one remedy; a wrong word ends with 2."""
    (tmp_path / "empty").mkdir()
    missing = command(
        tmp_path, "fetch", ORCH_KAFKA_HOME=str(tmp_path / "jars"), ORCH_MAVEN_REPOSITORY=f"file://{tmp_path}/empty"
    )
    assert missing.returncode == 3
    assert missing.stdout == ""
    assert "Error: " in missing.stderr
    assert "could not be fetched from file://" in missing.stderr
    assert "ORCH_MAVEN_REPOSITORY" in missing.stderr
    assert "Traceback" not in missing.stderr
    assert command(tmp_path, "begin").returncode == 2
