"""
Other programs as clients of a Kafka log.

They ask and read. A record that is no event becomes a dead letter and stops no stage.
"""

import base64
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.broker import Broker
from infra.chaos.client import consumer, found_of, library, partitions, producer
from infra.chaos.reading import FoundRecord
from infra.chaos.workers import Duty, WorkerProcess, orch
from schemas.event import MAX_EVENT_BYTES
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEAD_LETTERS,
    DEADLINES,
    DECISIONS,
    FEEDBACK,
    OBSERVATIONS,
    POLICIES,
    QUESTION_PARTITIONS,
    QUESTIONS,
    ROUTER,
    TOPICS,
    partition_of,
)

from ...limits import LIMIT_S

pytestmark = pytest.mark.slow


POLICY = """
[policy]
policy_id = "plain"
[routing]
panel_size = 2
[merge]
rule = "vote"
[[agents]]
kind = "simulated"
name = "ann"
[[agents]]
kind = "simulated"
name = "bob"
"""

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Town:
    """A log with one worker for everything, and a stranger's ways to write to it and read from it."""

    def __init__(self, broker: Broker, prefix: str, folder: Path) -> None:
        self.bootstrap = broker.bootstrap
        self.prefix = prefix
        self.url = f"{broker.url}/{prefix}"
        self.folder = folder
        self._reading: dict[str, Any] = {}
        self._found: dict[str, list[FoundRecord]] = {}

    def topic(self, name: str) -> str:
        """Give a topic's name on the cluster."""
        return f"{self.prefix}.{name}"

    def orch(self, *arguments: str) -> None:
        """Run a command that is to succeed."""
        done = orch(self.folder, "--log", self.url, *arguments)
        assert done.returncode == 0, done.stderr.decode()

    def write(self, topic: str, value: bytes | None, key: str | None = None, **settings: Any) -> tuple[int, int]:
        """Write a record with a producer that has these settings; give partition and offset."""
        partition, headers = settings.pop("partition", -1), settings.pop("headers", [])
        written: list[Any] = []
        writer = producer(self.bootstrap, **settings)
        writer.produce(
            self.topic(topic),
            value,
            key,
            partition,
            headers=headers,
            on_delivery=lambda error, message: written.append((error, message.partition(), message.offset())),
        )
        assert writer.flush(LIMIT_S) == 0
        ((error, *place),) = written
        if error:
            raise library().KafkaException(error)
        return place[0], place[1]

    def find(self, topic: str, wanted: Callable[[FoundRecord], bool]) -> FoundRecord:
        """Wait until a topic holds a record, and give it."""
        limit = time.monotonic() + LIMIT_S
        while time.monotonic() < limit:
            for found in self._found.setdefault(topic, []):
                if wanted(found):
                    return found
            self._found[topic] += map(found_of, self._reader(topic).consume(500, timeout=0.05))
        raise AssertionError(f"nothing such came to {topic} within {LIMIT_S} s")

    def decision(self, question_id: str) -> FoundRecord:
        """Wait for the decision of a question."""
        return self.find(DECISIONS, lambda found: found.key == question_id.encode())

    def _reader(self, topic: str) -> Any:
        if topic not in self._reading:
            kafka, reading, name = library(), consumer(self.bootstrap), self.topic(topic)
            reading.assign([kafka.TopicPartition(name, n, kafka.OFFSET_BEGINNING) for n in partitions(reading, name)])
            self._reading[topic] = reading
        return self._reading[topic]

    def close(self) -> None:
        """Disconnect."""
        for reading in self._reading.values():
            reading.close()


@pytest.fixture(scope="module")
def town(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A log at work; every test asks questions of its own."""
    folder = tmp_path_factory.mktemp("town")
    (folder / "orch.toml").write_text(POLICY)
    made = Town(broker, f"interop-{uuid.uuid4().hex[:8]}", folder)
    worker = WorkerProcess(Duty("all", ("all",), fixed=False, keeps=False), made.url, folder)
    try:
        made.orch("topics", "create")
        made.orch("policy", "adopt")
        worker.start()
        yield made
        assert worker.running, worker.last_words()
        worker.tell_to_end()
        assert worker.ended() == 0, worker.last_words()
    finally:
        made.close()
        worker.close()


def question(question_id: str) -> bytes:
    """Write the least that a question is."""
    return json.dumps({"question_id": question_id, "text": "Which?", "options": ["this", "that"]}).encode()


def new_id(partition: int | None = None) -> str:
    """Make up a question id, of one partition if that matters."""
    while True:
        made = uuid.uuid4().hex[:12]
        if partition in (None, partition_of(made.encode(), QUESTION_PARTITIONS)):
            return made


def fields(found: FoundRecord) -> dict[str, Any]:
    """Read what a record says; nothing where it is broken."""
    try:
        said = json.loads(found.value or b"")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def kcat(*arguments: str, stdin: bytes = b"") -> bytes:
    """Run kcat, or skip where there is none."""
    program = shutil.which("kcat")
    if program is None:
        pytest.skip("optional: needs kcat (a Debian package of that name)")
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_kcat_asks_and_reads(town: Town) -> None:
    """A question is one line for kcat, and so is its decision."""
    asked = new_id()
    kcat("-b", town.bootstrap, "-P", "-t", town.topic(QUESTIONS), "-k", asked, stdin=question(asked))
    town.decision(asked)
    lines = kcat(
        "-b", town.bootstrap, "-C", "-t", town.topic(DECISIONS), "-e", "-q", "-o", "beginning", "-f", "%k %s\n"
    )
    (decision,) = (line.split(b" ", 1)[1] for line in lines.splitlines() if line.startswith(asked.encode()))
    assert json.loads(decision)["status"] == "decided"


@pytest.mark.parametrize(
    ("keyed", "settings"),
    [(True, {}), (True, {"partitioner": "murmur2_random"}), (False, {}), (True, {"partition": 0})],
    ids=["default", "murmur2", "no key", "partition 0"],
)
def test_questions_come_by_any_partitioner(town: Town, keyed: bool, settings: dict[str, Any]) -> None:
    """Wherever a producer puts its questions, they are decided, each in the partition of its id."""
    # Enough of them that some are misplaced by every hash but one.
    asked = [new_id() for _ in range(12)]
    for question_id in asked:
        town.write(QUESTIONS, question(question_id), question_id if keyed else None, **settings)
    for question_id in asked:
        decision = town.decision(question_id)
        assert decision.partition == partition_of(question_id.encode(), QUESTION_PARTITIONS)
        said = fields(decision)
        assert (said["status"], said["question_id"], len(said["counted"])) == ("decided", question_id, 2)


def test_headers_tell_what_a_record_is_and_what_began_it(town: Town) -> None:
    """Every record that follows from a question has its CloudEvents headers, and the question's trace."""
    asked = new_id()
    town.write(QUESTIONS, question(asked), asked, headers=[("traceparent", TRACE.encode()), ("tenant", b"t")])
    for topic in (ASSIGNMENTS, ANALYSES, DECISIONS, OBSERVATIONS, ROUTER):
        found = town.find(topic, lambda found: fields(found).get("question_id") == asked)
        headers, said = dict(found.headers), fields(found)
        assert headers == {
            "ce_specversion": b"1.0",
            "ce_id": said["event_id"].encode(),
            "ce_type": said["kind"].encode(),
            "ce_source": f"/{topic}".encode(),
            "ce_time": said["occurred_at"].encode(),
            "content-type": b"application/json",
            "traceparent": TRACE.encode(),
        }


BAD: dict[str, tuple[bytes | None, str]] = {
    "broken": (b'{"question_id": "q', "not JSON"),
    "no text": (b"\xff\xfe", "not UTF-8"),
    "tombstone": (None, "not JSON"),
    "no object": (b"[]", "a JSON list"),
    "no such kind": (b'{"question_id": "q", "kind": "surprise.v1"}', "surprise.v1"),
    "float": (b'{"question_id": "q", "text": "?", "options": [1.5]}', "1.5"),
    "too large": (b'"%b"' % (b"x" * MAX_EVENT_BYTES), "the limit is"),
}
"""Values that are no event, and a word of what their dead letters say."""

FOLDED = (QUESTIONS, ASSIGNMENTS, ANALYSES, DEADLINES, DECISIONS, FEEDBACK, OBSERVATIONS)
"""Topics that stages read in a group."""


def goes_on(town: Town, partition: int) -> None:
    """Make sure that a question of a partition goes all the way, from its panel to what is learned from it."""
    asked = new_id(partition)
    town.write(QUESTIONS, question(asked), asked)
    town.decision(asked)
    town.find(ROUTER, lambda found: fields(found).get("question_id") == asked)


@pytest.mark.parametrize("topic", FOLDED)
def test_what_is_no_event_becomes_a_dead_letter(town: Town, topic: str) -> None:
    """Its letter has place, reason and bytes, and what comes behind it in the partition is not held up."""
    partition = FOLDED.index(topic) % TOPICS[topic].partitions
    places = {
        name: town.write(topic, value, "q", partition=partition, message_max_bytes=4 << 20)
        for name, (value, _) in BAD.items()
    }
    for name, (value, detail) in BAD.items():
        place = [topic, *places[name]]

        def is_its(found: FoundRecord, place: list[Any] = place) -> bool:
            said = fields(found)
            return [said["source_topic"], said["partition"], said["offset"]] == place

        letter = town.find(DEAD_LETTERS, is_its)
        said = fields(letter)
        assert letter.key == topic.encode()
        assert said["reason"] == ("too_large" if name == "too large" else "invalid")
        assert detail in said["detail"], name
        assert (said["record_key"], said["value_bytes"]) == ("q", len(value or b""))
        kept = base64.b64decode(said["value_base64"])
        assert kept == (value or b"")[: len(kept)]
        assert len(kept) == min(len(value or b""), 600_000)
    goes_on(town, partition)


@pytest.mark.parametrize("topic", [POLICIES, ROUTER])
def test_what_is_no_event_of_a_table_stops_nobody(town: Town, topic: str) -> None:
    """Compacted topics are read past what is no event."""
    for value, _ in BAD.values():
        town.write(topic, value, "q", message_max_bytes=4 << 20)
    goes_on(town, 1)


@pytest.mark.parametrize("topic", [QUESTIONS, FEEDBACK])
def test_what_no_record_may_be_is_refused_by_the_broker(town: Town, topic: str) -> None:
    """A value far beyond the limit never enters the log; its producer is told."""
    with pytest.raises(library().KafkaException, match="MSG_SIZE_TOO_LARGE"):
        town.write(topic, b"x" * (3 << 20), "q", message_max_bytes=4 << 20)


def test_an_id_that_stands_for_another_question_is_a_dead_letter(town: Town) -> None:
    """The first question of an id counts; another is set aside as a conflict, and names the first."""
    asked = new_id()
    town.write(QUESTIONS, question(asked), asked)
    town.decision(asked)
    other = question(asked).replace(b"Which?", b"Whether?")
    town.write(QUESTIONS, other, asked)
    letter = town.find(DEAD_LETTERS, lambda found: fields(found)["record_key"] == asked)
    assert fields(letter)["reason"] == "conflict"
    assert "already stands for another question" in fields(letter)["detail"]
