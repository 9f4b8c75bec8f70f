"""
Rights of users on a guarded broker.

It has TLS, SCRAM and access control lists. Each role works with its least rights and uses all of them, and each one
that is lacking is named.
"""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer

from streams.app.doctor import kafka_topics
from streams.errors import OperatorError
from streams.log import wall_clock_ms
from streams.processors import PROCESSORS
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.least_rights import ROLES, STAGES, Right, auditing, working, writing
from streams.topology import (
    CHECKPOINTS,
    DEADLINES,
    FEEDBACK,
    LESSONS,
    POLICIES,
    QUESTIONS,
    SPENDING,
    TOPICS,
    WEIGHTS,
    partition_of,
)

from ...conftest import ROOT
from ...e2e.command import Place, question
from .guarded_log import GuardedLog, guarded_log

RUNNER = tuple(dict.fromkeys((*working(STAGES), *auditing()))) + writing((POLICIES,))
"""Rights of whoever uses `run`, which is all roles but the operator."""

SELDOM = {("WRITE", topic) for topic in (SPENDING, DEADLINES, LESSONS, WEIGHTS)} | {("READ", WEIGHTS)}
"""Rights that only a budget, an overdue question and the merge rule `odds` need."""

EMPTY = (DEADLINES, SPENDING, CHECKPOINTS, LESSONS, WEIGHTS)
"""Topics without records here, which an auditor therefore does not read."""

COMMANDS: dict[str, tuple[tuple[str, ...], bytes]] = {
    "worker": (("worker", "all", "--state", "-"), b""),
    "producer": (("produce", "-"), json.dumps(question(0)).encode()),
    "consumer": (("consume", "decisions"), b""),
    "feedback": (("feedback", "-"), b'{"question_id": "q0", "source": "gold", "answer": "first"}'),
    "auditor": (("replay",), b""),
}
"""A command of each role, and what it reads."""

LACKING = {f"{role}-{number}": (role, right) for role in COMMANDS for number, right in enumerate(ROLES[role])}
"""Users who lack one right of a role."""

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedLog]:
    """A log that an operator made; users for every role, and for each of its rights one who lacks it."""
    with guarded_log(tmp_path_factory.mktemp("guarded")) as guarded:
        guarded.admit(
            {
                **ROLES,
                **{user: [one for one in ROLES[role] if one != right] for user, (role, right) in LACKING.items()},
                "runner": RUNNER,
                "onlooker": RUNNER,
                "runner-without-policies": [right for right in RUNNER if right != Right("WRITE", "topic", POLICIES)],
                "operator-without-settings": [one for one in ROLES["operator"] if one.operation != "DESCRIBE_CONFIGS"],
                "operator-without-topics": [one for one in ROLES["operator"] if one.kind == "group"],
                "operator-without-groups": [one for one in ROLES["operator"] if one.kind != "group"],
                "stranger": (),
            }
        )
        for command in (("init", "--simulated"), ("topics", "create"), ("policy", "adopt"), ("topics", "check")):
            done = guarded.as_user("operator", *command)
            assert done.code == 0, done.err
        yield guarded


@contextmanager
def at_work(log: GuardedLog, user: str, *arguments: str) -> Iterator[None]:
    """Let a worker run as a user, until the block ends."""
    with Place(log.path).start("worker", "all", "--state", "-", *arguments, env=log.variables(user)) as worker:
        assert worker.stderr is not None
        started = worker.stderr.readline()
        try:
            assert json.loads(started)["event"] == "worker_started", started
            yield
        finally:
            worker.send_signal(signal.SIGTERM)
            _, said = worker.communicate(timeout=120)
    assert worker.returncode == 0, said.decode()


def asked_plainly(number: int) -> dict[str, Any]:
    """Write a question as a client of any language does."""
    return {"question_id": f"q{number}", "text": "Which option?", "options": ["first", "second"]}


def misplace(log: GuardedLog, topic: str, record: dict[str, Any]) -> None:
    """Write a record to another partition than its key's, as a client with another partitioner does."""
    key = record["question_id"].encode()
    other = (partition_of(key, TOPICS[topic].partitions) + 1) % TOPICS[topic].partitions
    producer = Producer({"bootstrap.servers": log.broker.inside, "log_level": 0})
    producer.produce(log.connection("worker").topic(topic), json.dumps(record).encode(), key, other)
    assert producer.flush(30) == 0


@pytest.fixture(scope="module")
def worked(log: GuardedLog) -> GuardedLog:
    """The log after workers of both engines, a producer, a consumer, feedback, an audit and a dead letter."""
    for number, engine in enumerate(("aiokafka", "faust")):
        asked = log.write("asked.jsonl", [question(number * 10 + one) for one in range(4)])
        assert log.as_user("producer", "produce", asked).code == 0
        for topic, record in (
            (QUESTIONS, asked_plainly(number * 10 + 5)),
            (FEEDBACK, {"question_id": f"q{number * 10}", "source": "gold", "answer": "first"}),
            (QUESTIONS, {"question_id": f"q{number * 10 + 6}", "no": "question"}),
        ):
            misplace(log, topic, record)
        with at_work(log, "worker", "--engine", engine):
            wanted = str(5 * (number + 1))
            consumed = log.as_user("consumer", "consume", "decisions", "--follow", "--max", wanted)
            assert consumed.code == 0, consumed.err
            told = log.write("told.jsonl", [{"question_id": f"q{number * 10 + 1}", "source": "gold", "answer": "A"}])
            assert log.as_user("feedback", "feedback", told).code == 0
            learned = log.as_user("auditor", "consume", "router", "--follow", "--max", "3")
            assert learned.code == 0, learned.err
    return log


def test_roles_work_with_their_least_rights(worked: GuardedLog) -> None:
    """Nobody who has the rights of a role is denied anything, on either engine; the audit finds all as it should be."""
    replayed = worked.as_user("auditor", "--format", "json", "replay")
    assert replayed.code == 0, replayed.err
    assert replayed.object["different"] == 0
    assert {role: worked.noted(role, "Denied") for role in COMMANDS} == {role: set() for role in COMMANDS}


@pytest.mark.parametrize("role", ["worker", "producer", "consumer", "feedback", "auditor", "operator"])
def test_role_uses_every_right(worked: GuardedLog, role: str) -> None:
    """The table has no right that the broker never saw in use, apart from those that are seldom needed."""
    if role == "operator":
        assert worked.as_user(role, "dead-letters").code == 0
    elif role == "auditor":
        assert worked.as_user(role, "replay").code == 0
    connection = worked.connection(role)
    needed = {
        (right.operation, *right.resource(connection))
        for right in ROLES[role]
        if (right.operation, right.name) not in SELDOM and not (role == "auditor" and right.name in EMPTY)
    }
    assert needed - worked.noted(role, "Allowed") == set()


@pytest.mark.parametrize("user", LACKING)
def test_lacking_right_is_named(log: GuardedLog, user: str) -> None:
    """Without one right the command ends at once, with exit code 3, that right, its resource and who gives it."""
    role, right = LACKING[user]
    arguments, given = COMMANDS[role]
    done = log.as_user(user, *arguments, stdin=given)
    kind, name = right.resource(log.connection(user))
    assert done.code == 3, done.err
    assert f"user '{user}' lacks {right.operation} on {kind} {name}" in done.err
    assert f"--allow-principal User:{user} --operation {right.operation} --{kind} {name}" in done.err
    assert "topics create" not in done.err


def test_group_that_faust_may_not_read_is_named(log: GuardedLog) -> None:
    """With the other engine too, which would wait for the group for ever."""
    user = next(user for user, (_, right) in LACKING.items() if right == Right("READ", "group", "merge"))
    done = log.as_user(user, "worker", "merge", "--state", "-", "--engine", "faust")
    assert (done.code, "READ on group guarded.orch-merge" in done.err) == (3, True)


def test_run_names_what_it_lacks(log: GuardedLog) -> None:
    """`run` needs the rights of all roles, and names one that is lacking before it asks anything."""
    asked = log.write("run.jsonl", [question(100 + one) for one in range(3)])
    lacking = log.as_user("runner-without-policies", "run", asked, "--feedback", "gold")
    assert (lacking.code, "lacks WRITE on topic guarded.orch.policies" in lacking.err) == (3, True)
    done = log.as_user("runner", "--format", "json", "run", asked, "--feedback", "gold")
    assert done.code == 0, done.err
    assert done.object["decided"] == 3
    assert log.noted("runner", "Denied") == set()


def test_policy_adopt_names_the_groups(log: GuardedLog) -> None:
    """Whoever adopts a policy has to see the workers' groups; no right to is named, not hidden behind a wait."""
    lacking = log.as_user("operator-without-groups", "--config", "other.toml", "policy", "adopt")
    assert lacking.code == 2, "the configuration is missing, before anything else"
    text = (log.path / "orch.toml").read_text().replace('policy_id = "first"', 'policy_id = "second"')
    (log.path / "other.toml").write_text(text)
    lacking = log.as_user("operator-without-groups", "--config", "other.toml", "policy", "adopt")
    assert lacking.code == 3
    assert "DESCRIBE on group guarded.orch-route" in lacking.err


def test_check_says_what_it_did_not_check(log: GuardedLog) -> None:
    """Settings and topics that may not be looked at are neither in order nor missing."""
    unchecked = log.as_user("operator-without-settings", "topics", "check")
    assert unchecked.code == 3
    assert len(re.findall("lacks DESCRIBE_CONFIGS on topic guarded", unchecked.out)) == len(TOPICS) + len(PROCESSORS)
    hidden = log.as_user("operator-without-topics", "topics", "check")
    assert hidden.code == 3
    assert len(re.findall("lacks DESCRIBE on topic guarded", hidden.out)) == len(TOPICS) + len(PROCESSORS)
    assert "topics create" not in hidden.out
    denied = log.as_user("operator-without-topics", "topics", "create")
    assert denied.code == 3
    assert "lacks CREATE on topic guarded.orch.questions" in denied.err


def test_doctor_tells_roles_and_rights(log: GuardedLog) -> None:
    """It says for which roles the rights are enough, which role lacks a little, and what it could not look at."""
    onlooker = log.as_user("onlooker", "doctor")
    assert onlooker.code == 0, onlooker.out
    assert "enough for: worker, producer, consumer, feedback, auditor" in " ".join(onlooker.out.split())
    user = next(user for user, (_, right) in LACKING.items() if right == Right("READ", "topic", POLICIES))
    lacking = log.as_user(user, "doctor")
    assert lacking.code == 0, lacking.out
    said = " ".join(lacking.out.split())
    assert "not enough for a worker: it lacks READ on topic guarded.orch.policies" in said
    assert f"policy not looked at: {log.url}: user '{user}' lacks READ on topic guarded.orch.policies" in said
    assert "are as they have to be" not in said
    stranger = log.as_user("stranger", "doctor")
    assert stranger.code == 3
    assert "enough for nothing" in stranger.out


def test_wrong_password_is_refused(log: GuardedLog) -> None:
    """A user whom the broker does not let in is told so, and which variables to look at; so by a file's password."""
    (log.path / "password").write_text("another\n")
    given = log.variables("worker")
    del given["ORCH_KAFKA_PASSWORD"]
    for more in ({"ORCH_KAFKA_PASSWORD": "another"}, {"ORCH_KAFKA_PASSWORD_FILE": str(log.path / "password")}):
        done = log.orch("worker", "all", env={**given, **more})
        assert done.code == 3
        assert "refuses user 'worker' by SCRAM-SHA-256" in done.err
    (log.path / "password").write_text("pass word\n")
    right = log.orch("consume", "policies", env={**given, "ORCH_KAFKA_PASSWORD_FILE": str(log.path / "password")})
    assert right.code == 0, right.err


def test_clock_needs_a_right_of_its_own(log: GuardedLog) -> None:
    """The cluster tells its time to users who may describe it; here it is this machine's."""
    assert "not compared" in log.as_user("operator", "doctor").out
    everything = log.orch("doctor", env=log.variables("admin", password="pass-word"))
    assert "the cluster's agrees to within" in " ".join(everything.out.split())


@pytest.mark.parametrize(("wrong_ms", "said"), [(-60_000, "ahead of"), (3_600_000, "behind")])
def test_clock_that_differs_is_told(log: GuardedLog, monkeypatch: pytest.MonkeyPatch, wrong_ms: int, said: str) -> None:
    """A machine whose clock goes wrong by a minute is warned by how much, to within the time that the answer takes."""
    monkeypatch.setattr(kafka_topics, "wall_clock_ms", lambda: wall_clock_ms() + wrong_ms)
    (clock,) = kafka_topics.check_clock(Connection((log.broker.inside,)))
    assert (clock.state, said in clock.finding) == ("warn", True)
    seconds = float(clock.finding.split(" is ")[1].split(" s ")[0].replace(",", ""))
    assert abs(seconds - abs(wrong_ms) / 1000) < 10


def test_table_of_rights_is_documented() -> None:
    """infra/README.md gives each role exactly the rights of the table."""
    text = (ROOT / "infra" / "README.md").read_text("utf-8")
    rows = {cells[1].strip(): cells for line in text.splitlines() if len(cells := line.split("|")) == 7}
    for role, rights in ROLES.items():
        for cell, operations, kinds in (
            (rows[role][2], ("READ",), ("topic", "changelog")),
            (rows[role][3], ("WRITE",), ("topic", "changelog")),
            (rows[role][4], ("READ", "DESCRIBE"), ("group",)),
            (rows[role][5], ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"), ("topic", "changelog")),
        ):
            wanted = {right for right in rights if right.operation in operations and right.kind in kinds}
            assert set(_documented(cell)) == {shown(right) for right in wanted}, (role, cell)


def shown(right: Right) -> str:
    """Write a right as the table does; one that all topics have is written once."""
    if right.operation in ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS") and right.kind != "group":
        return f"{right.operation} all"
    name = "changelogs" if right.kind == "changelog" else right.name.removeprefix("orch.")
    return f"{right.operation} {name}" if right.kind == "group" else name


def _documented(cell: str) -> Iterator[str]:
    """List what a cell of the table names: `READ: route, merge` is `READ route` and `READ merge`."""
    for part in filter(None, (part.strip() for part in cell.split(";"))):
        operation, colon, names = part.rpartition(":")
        yield from (f"{operation} {name.strip()}" if colon else name.strip() for name in names.split(","))


def test_unknown_right_is_an_error_of_the_test() -> None:
    """Users who lack a right lack one that the role has: else the tests above would show nothing."""
    assert all(right in ROLES[role] for role, right in LACKING.values())
    assert len(LACKING) > 50
    assert OperatorError.exit_code == 3
