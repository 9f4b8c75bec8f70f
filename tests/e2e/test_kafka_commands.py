"""The README's commands on a Kafka log."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.broker import Broker
from streams.topology import TOPICS

from ..integration.kafka.transactions import Transactor
from ..limits import LIMIT_S
from ..monitoring import names_in, names_of, silent_panels, worker_queries
from .command import Ended, Place, outputs, prepare, question

pytestmark = pytest.mark.slow


class Cluster(Place):
    """A directory, and a log of its own on the broker."""

    def __init__(self, path: Path, url: str) -> None:
        super().__init__(path)
        self.url = url

    def on(self, *arguments: str | Path, **more: Any) -> Ended:
        """Run a command on the log."""
        return self.orch("--log", self.url, *arguments, **more)

    def json(self, *arguments: str | Path, **more: Any) -> Ended:
        """Run a command on the log, for a program."""
        return self.orch("--log", self.url, "--format", "json", *arguments, **more)

    @contextmanager
    def working(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Let a worker run until the block ends, then stop it as a supervisor does."""
        with self.start("--log", self.url, "worker", *arguments) as worker:
            try:
                assert worker.stderr is not None
                assert json.loads(worker.stderr.readline())["event"] == "worker_started"
                yield worker
            finally:
                worker.send_signal(signal.SIGTERM)
                _, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said.decode()


@pytest.fixture
def cluster(tmp_path: Path, broker: Any) -> Cluster:
    """Give a directory and an empty log, without topics yet."""
    return Cluster(tmp_path, f"{broker.url}/{uuid.uuid4().hex[:12]}")


@pytest.fixture
def ready(cluster: Cluster) -> Cluster:
    """Give a log with topics, and with the policy of a new configuration file."""
    for arguments in (("init", "--simulated"), ("topics", "create"), ("policy", "adopt")):
        done = cluster.on(*arguments)
        assert done.code == 0, done.err
    return cluster


def test_a_question_goes_through_workers(ready: Cluster) -> None:
    """Produced plainly, decided by workers, consumed, explained, taught and replayed."""
    asked = ready.write("asked.jsonl", [question(number) for number in range(12)])
    with ready.working("all"):
        produced = ready.on("produce", asked)
        assert produced.code == 0, produced.err
        with ready.start("--log", ready.url, "consume", "decisions", "--follow", "--max", "12") as following:
            seen, said = following.communicate(timeout=60)
        assert following.returncode == 0, said.decode()
        decisions = [json.loads(line) for line in seen.splitlines()]
        assert {decision["question_id"] for decision in decisions} == {f"q{number}" for number in range(12)}
        told = ready.write("told.jsonl", [{"question_id": "q3", "source": "gold", "answer": "first"}])
        assert ready.on("feedback", told).code == 0
        doctor = ready.on("doctor")
        assert doctor.code == 0, doctor.out
        assert "1 at work" in doctor.out
        asking = ready.json("ask", "Is 7 a prime number?", "--option", "yes", "--option", "no")
        assert asking.code in (0, 4), asking.err
        assert asking.object["status"] in ("decided", "undecided")
    explained = ready.on("explain", "q3")
    assert explained.code == 0, explained.err
    assert "first" in explained.out
    unknown = ready.on("explain", "nosuch")
    assert unknown.code == 2
    assert "orch consume orch.questions" in unknown.err
    (decision,) = (decision for decision in map(json.loads, seen.splitlines()) if decision["question_id"] == "q3")
    by_event = ready.on("explain", decision["event_id"][:12])
    assert by_event.code == 0, by_event.err
    assert by_event.out == explained.out
    replayed = ready.json("replay")
    assert replayed.code == 0, replayed.err
    assert replayed.object["different"] == 0
    assert replayed.object["pending"] == 0
    played = ready.json("whatif")
    assert played.code == 0, played.err
    assert played.object["questions"] == 13
    # Workers may see a lesson in half; then a panel is unknown, and nothing is said of it.
    assert played.object["exact"]["changed"] == played.object["partial"]["questions"] == 0
    table = ready.json("router")
    assert table.code == 0, table.err
    assert table.lines


def test_run_does_all_of_it(cluster: Cluster) -> None:
    """`run` is the main job in one process, with the same summary as on a file; and again it asks nothing twice."""
    prepare(cluster, 40)
    assert cluster.on("topics", "create").code == 0
    arguments = ("run", "questions.jsonl", "--outputs", "outputs.jsonl", "--feedback", "gold")
    done = cluster.json(*arguments)
    assert done.code == 0, done.err
    assert (done.object["questions"], done.object["decided"]) == (40, 40)
    assert done.object["replay"]["different"] == 0
    assert done.object["agents"].keys() == {"ace", "cat", "gpt-4o-mini"}
    again = cluster.json(*arguments)
    assert again.code == 0, again.err
    assert again.object["already_asked"] == 40
    assert again.object["calls"] == done.object["calls"]
    # What does not depend on what the router had learned by then is the same on a file.
    assert cluster.orch("--format", "json", *arguments).object["replay"]["different"] == 0
    for topic in ("questions", "policies"):
        here = {event["event_id"] for event in cluster.events(topic)}
        assert {line["event_id"] for line in cluster.on("consume", topic).lines} == here


def test_run_ends_beside_a_worker(ready: Cluster) -> None:
    """Partitions that another process holds are waited for by their group's offsets; again it asks nothing twice."""
    ready.write("questions.jsonl", [question(number) for number in range(60)])
    with ready.working("all", "--state", "-"):
        done = ready.json("run", "questions.jsonl", "--feedback", "gold")
        assert done.code == 0, done.err
        summary = done.object
        assert (summary["questions"], summary["decided"] + summary["undecided"]) == (60, 60)
        assert (summary["decided_now"], summary["replay"]["different"]) == (60, 0)
        again = ready.json("run", "questions.jsonl", "--feedback", "gold")
        assert again.code == 0, again.err
        assert (again.object["already_asked"], again.object["decided_now"]) == (60, 0)
    replayed = ready.json("replay").object
    assert (replayed["different"], replayed["pending"]) == (0, 0)


def test_run_waits_for_an_open_transaction_and_passes_over_an_aborted_one(ready: Cluster, broker: Broker) -> None:
    """What lies behind the open one is decided once the broker has aborted it; aborted questions are nobody's."""
    topic = f"{ready.url.rpartition('/')[2]}.orch.questions"
    for number, timeout_ms in ((70, 60_000), (71, 1_000)):
        aborted = Transactor(broker.bootstrap, f"{topic}-{number}", timeout_ms)
        aborted.begin(topic, [json.dumps(question(number)).encode()] * 8)
        if number == 70:
            aborted.abort()
    ready.write("questions.jsonl", [question(number) for number in range(40)])
    done = ready.json("run", "questions.jsonl")
    assert done.code == 0, done.err
    summary = done.object
    assert (summary["questions"], summary["decided"] + summary["undecided"]) == (40, 40)
    assert (summary["decided_now"], summary["replay"]["different"]) == (40, 0)


def test_a_killed_run_goes_on_beside_a_worker(ready: Cluster) -> None:
    """What the killed run asked is decided by whoever is there, before the next run or during it, and counted once."""
    ready.write("questions.jsonl", [question(number) for number in range(60)])
    with ready.working("all", "--state", "-"):
        with ready.start("--log", ready.url, "run", "questions.jsonl", "--window", "4") as killed:
            assert len(ready.json("consume", "decisions", "--follow", "--max", "3").lines) == 3
            killed.kill()
        done = ready.json("run", "questions.jsonl")
        assert done.code == 0, done.err
    summary = done.object
    assert (summary["questions"], summary["decided"] + summary["undecided"]) == (60, 60)
    assert summary["replay"]["different"] == 0


def test_topics_are_made_once_and_checked(cluster: Cluster) -> None:
    """Missing topics are named with the remedy; made, they pass."""
    missing = cluster.on("topics", "check")
    assert missing.code == 3
    assert "topics create" in missing.out
    refused = cluster.on("produce", "-", stdin=b"")
    assert refused.code == 3
    assert "topics create" in refused.err
    made = cluster.json("topics", "create")
    assert len(made.object["created"]) == len(TOPICS) + 5, "a changelog for each of five stages"
    assert cluster.json("topics", "create").object["created"] == []
    checked = cluster.json("topics", "check")
    assert checked.code == 0
    assert {line["state"] for line in checked.lines} == {"ok"}
    listed = cluster.json("topics")
    assert {line["events"] for line in listed.lines} == {0}


def test_bad_lines_are_told_and_good_ones_go_through(ready: Cluster) -> None:
    """As on a file: line numbers, exit code 2."""
    lines = [question(1), b"{broken", question(2), {"question_id": "x"}]
    done = ready.on("produce", ready.write("asked.jsonl", lines))
    assert done.code == 2
    assert "asked.jsonl:2:" in done.err
    assert "asked.jsonl:4:" in done.err
    consumed = ready.on("consume", "questions")
    assert {line["question_id"] for line in consumed.lines} == {"q1", "q2"}


def test_a_conflict_is_a_dead_letter_and_can_be_retried(ready: Cluster) -> None:
    """What is refused is listed with its place, and a retry is refused again."""
    twice = ready.write("twice.jsonl", [question(1), question(1, text="Something else?")])
    with ready.working("all"):
        assert ready.on("produce", ready.write("one.jsonl", [question(1)])).code == 0
        assert ready.on("produce", twice).code == 2
        wait_for(lambda: len(ready.json("dead-letters").lines) == 1)
        assert ready.json("dead-letters").object["reason"] == "conflict"
        done = ready.json("dead-letters", "retry", "0").object
        assert (done["letters"], done["retried"], done["topics"]) == (1, 1, {"orch.questions": 1})
        assert (done["refused"], done["same"], done["rejected"]) == (0, 0, None)
        wait_for(lambda: len(ready.json("dead-letters").lines) == 2)
        # The second letter holds the same record.
        told = ready.on("dead-letters", "retry", "--all").out
        assert "2 letters: 1 record appended once more" in told
        assert "(1 to orch.questions); 1 letter about a record that another one holds too; workers fold" in told
        wait_for(lambda: len(ready.json("dead-letters").lines) == 3)
    assert ready.json("replay").object["different"] == 0


def test_dead_agents_leave_nobody_waiting(ready: Cluster) -> None:
    """Without agent workers the deadline ends the wait, with an explicit word."""
    config = (ready.path / "orch.toml").read_text().replace("[policy]", "[policy]\ndeadline_ms = 1500", 1)
    (ready.path / "orch.toml").write_text(config)
    assert ready.on("policy", "adopt").code == 0
    assert ready.on("produce", ready.write("asked.jsonl", [question(1)])).code == 0
    with ready.working("route", "merge", "learn", "rank", "deadlines"):
        decision = ready.orch("--log", ready.url, "consume", "decisions", "--follow", "--max", "1").object
    assert (decision["status"], decision["reason"]) == ("undecided", "deadline")


def test_no_broker_is_an_environment_error(place: Place) -> None:
    """With what to do, and without a traceback."""
    for command in (("replay",), ("produce", "-"), ("worker", "all"), ("doctor",), ("consume", "decisions")):
        done = place.orch("--log", "kafka://127.0.0.1:1", *command)
        assert done.code == 3, (command, done.err)
        assert "no broker answers" in done.err + done.out
        assert "Traceback" not in done.err


def test_a_worker_needs_kafka(place: Place) -> None:
    """On a file there are no workers, and the message says what does the work there."""
    done = place.orch("worker", "all")
    assert done.code == 2
    assert "orch run" in done.err


def test_a_password_in_a_url_is_refused(place: Place) -> None:
    """And not repeated."""
    done = place.orch("--log", "kafka://anna:s3cret@127.0.0.1:9092", "replay")
    assert done.code == 2
    assert "s3cret" not in done.err


def test_recorded_agents_work_on_workers(cluster: Cluster) -> None:
    """Outputs files belong to the worker that plays them back."""
    cluster.write("questions.jsonl", [question(number) for number in range(6)])
    cluster.write("outputs.jsonl", outputs(6))
    agents = "\n".join(
        f'[[agents]]\nkind = "recorded"\nname = "{name}"\nmodel = "{name}"' for name in ("ace", "cat", "gpt-4o-mini")
    )
    (cluster.path / "orch.toml").write_text(f'log = "{cluster.url}"\n[run]\noutputs = ["outputs.jsonl"]\n{agents}\n')
    for arguments in (("topics", "create"), ("policy", "adopt"), ("produce", "questions.jsonl")):
        done = cluster.orch(*arguments)
        assert done.code == 0, done.err
    with cluster.working("all"):
        seen = cluster.orch("consume", "decisions", "--follow", "--max", "6")
    assert {line["status"] for line in seen.lines} == {"decided"}


def wait_for(condition: Callable[[], bool], tries: int = 20, *, pause_s: float = 0) -> None:
    """Look until something holds; each look takes a while itself, or is followed by a pause."""
    assert any(condition() or time.sleep(pause_s) for _ in range(tries))


def page(url: str, path: str, wait_s: float = 120) -> str:
    """Read a page of a worker."""
    with urllib.request.urlopen(url + path, timeout=wait_s) as response:
        return str(response.read().decode())


def readiness(url: str, wait_s: float = 120) -> tuple[int, Any]:
    """Ask whether a worker is ready, and why not."""
    try:
        return 200, json.loads(page(url, "/readyz", wait_s))
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def test_a_worker_ends_that_nobody_has_answered_yet(place: Place) -> None:
    """Told to stop while it still waits for a broker, it does not wait for it to give an answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LIMIT_S)
        url = f"kafka://127.0.0.1:{silent.getsockname()[1]}"
        with place.start("--log", url, "worker", "all", "--state", "-") as worker:
            connected, _ = silent.accept()
            with connected:
                worker.send_signal(signal.SIGTERM)
                _, said = worker.communicate(timeout=LIMIT_S)
    assert (worker.returncode, json.loads(said)["event"]) == (0, "worker_stopped")


def test_a_worker_ends_though_the_broker_is_gone(tmp_path: Path) -> None:
    """Told to stop while nobody answers, it waits for what it may wait for, and ends in order."""
    with Broker(tmp_path / "kafka") as own:
        town = Cluster(tmp_path, f"{own.url}/alone")
        for arguments in (("init", "--simulated"), ("topics", "create"), ("policy", "adopt")):
            assert town.on(*arguments).code == 0
        with town.start("--log", town.url, "worker", "all", "--state", "-") as worker:
            assert worker.stderr is not None
            assert json.loads(worker.stderr.readline())["event"] == "worker_started"
            assert town.on("produce", town.write("asked.jsonl", [question(number) for number in range(4)])).code == 0
            decided = town.json("consume", "decisions", "--follow", "--max", "4")
            assert len(decided.lines) == 4
            own.kill()
            worker.send_signal(signal.SIGTERM)
            _, said = worker.communicate(timeout=LIMIT_S)
        assert worker.returncode == 0, said.decode()
        assert json.loads(said.splitlines()[-1])["event"] == "worker_stopped"


def until(lines: Iterator[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    """Read log lines up to one with this event."""
    heard = []
    for line in lines:
        heard.append(line)
        if line["event"] == event:
            return heard
    raise AssertionError(f"it ended without {event}: {heard}")


def test_an_outage_is_told_and_has_an_end(tmp_path: Path) -> None:
    """
    Every line is JSON with its stage: the brokers are lost, and back; without any for too long, exit code 3.

    `/readyz` says so too, and every query of dashboard and alerts has an answer in what the worker exposes.
    """
    with Broker(tmp_path / "kafka") as own:
        town = Cluster(tmp_path, f"{own.url}/alone")
        for arguments in (("init", "--simulated"), ("topics", "create"), ("policy", "adopt")):
            assert town.on(*arguments).code == 0
        with town.start("--log", town.url, "worker", "all", "--state", "-", "--metrics", "127.0.0.1:0") as worker:
            assert worker.stderr is not None
            lines = map(json.loads, worker.stderr)
            heard = until(lines, "worker_started")
            url = next(line["url"] for line in heard if line["event"] == "metrics_served")
            # Its partitions are being taken over, which waits as all else does.
            own.kill()
            heard += until(lines, "broker_lost")
            status, judged = readiness(url)
            assert (status, "no broker can be used" in judged["because"]) == (503, True)
            assert "\norch_broker_lost 1.0\n" in page(url, "/metrics")
            own.start()
            heard += until(lines, "broker_back")
            assert town.on("produce", town.write("asked.jsonl", [question(number) for number in range(4)])).code == 0
            assert len(town.json("consume", "decisions", "--follow", "--max", "4").lines) == 4
            wait_for(lambda: readiness(url)[0] == 200, 60, pause_s=0.5)
            wait_for(lambda: "orch_decision_seconds_count 4.0" in page(url, "/metrics"), 60, pause_s=0.5)
            # Circuit breakers are looked at once a second, so four decisions may come before the first look.
            wait_for(lambda: "orch_circuit_breaker_open{" in page(url, "/metrics"), 60, pause_s=0.5)
            scrape = page(url, "/metrics")
            worker.send_signal(signal.SIGSTOP)
            with pytest.raises(TimeoutError):
                readiness(url, wait_s=1)
            worker.send_signal(signal.SIGCONT)
            worker.send_signal(signal.SIGTERM)
            heard.extend(lines)
            assert worker.wait(timeout=LIMIT_S) == 0
        assert all(line["stage"] for line in heard)
        asked = {name for query in worker_queries() for name in names_in(query)}
        assert asked - {"up"} <= names_of(scrape)
        assert silent_panels(scrape, tmp_path) == ""
        lost, back = (line for line in heard if line["event"] in ("broker_lost", "broker_back"))
        assert (lost["level"], back["level"]) == ("warning", "warning")
        assert "refuses connections: nothing listens there" in lost["why"]
        assert back["seconds"] > 0
        with town.start("--log", town.url, "worker", "all", "--state", "-", "--give-up", "1") as worker:
            assert worker.stderr is not None
            assert json.loads(worker.stderr.readline())["event"] == "worker_started"
            own.kill()
            _, said = worker.communicate(timeout=LIMIT_S)
        assert worker.returncode == 3, said.decode()
        last = json.loads(said.splitlines()[-1])
        assert (last["event"], last["level"]) == ("worker_failed", "error")
        assert "no broker could be used for" in last["why"]
