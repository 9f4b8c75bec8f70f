"""`orch run`: output, options and reproducible logs."""

import gzip
import json
import signal
import time
from pathlib import Path

from infra.models import Behaviour
from infra.models.server import ModelServer

from .command import Place, ids, outputs, prepare, question, run
from .conftest import RECORDED

CONTRACT = {
    "questions",
    "decided",
    "undecided",
    "correct",
    "accuracy",
    "calls",
    "cost_usd",
    "seconds",
    "replay",
    "agents",
    "vote_accuracy",
}


def test_summary_keeps_its_contract(recorded: Place) -> None:
    """The JSON is one object with the promised fields; counts agree with each other and with the log."""
    done = run(recorded, "--feedback", "gold")
    assert done.code == 0, done.err
    found = done.object
    assert found.keys() >= CONTRACT
    decisions = recorded.events("decisions")
    assert (found["questions"], found["decided"], found["undecided"]) == (RECORDED, RECORDED, 0)
    golds = {question(number)["question_id"]: question(number)["gold"] for number in range(RECORDED)}
    right = sum(decision["answer"] == golds[decision["question_id"]] for decision in decisions)
    assert (found["correct"], found["accuracy"]) == (right, right / RECORDED)
    assert found["calls"] == sum(decision["calls"] for decision in decisions)
    assert found["calls"] == sum(agent["calls"] for agent in found["agents"].values())
    assert found["cost_usd"] == found["calls"] * 12_345 / 10**9
    assert found["unpriced_calls"] == 0
    assert found["replay"] == {"events": len(ids(recorded)), "different": 0}
    assert found["agents"]["ace"].keys() == {
        "accuracy",
        "calls",
        "questions",
        "failed",
        "refused",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "unpriced_calls",
        "shadow_calls",
        "latency_ms",
    }
    assert found["agents"]["ace"]["accuracy"] == 1.0
    assert found["agents"]["cat"]["accuracy"] == 0.0
    assert 0.0 <= found["vote_accuracy"] <= 1.0
    low, high = found["accuracy_interval"]
    assert low <= found["accuracy"] <= high
    graded = sum(part["graded"] for part in found["subjects"].values())
    assert graded == sum(question(number).get("subject") is not None for number in range(RECORDED))


def test_text_tells_what_each_agent_did(recorded: Place) -> None:
    """The table has cost and latencies of each agent; what is nought or unknown of all of them has no column."""
    done = recorded.orch("run", "questions.jsonl", "--outputs", "outputs.jsonl", env={"COLUMNS": "80"})
    assert done.code == 0, done.err
    (heading,) = [line for line in done.out.splitlines() if "median" in line]
    assert heading.split() == ["agent", "cost", "median", "p95"]
    assert max(map(len, done.out.splitlines())) <= 80
    place = Place(recorded.path)
    place.write("orch.toml", [FRAIL])
    done = place.orch("--log", "sqlite:///frail.db", "run", "questions.jsonl", env={"COLUMNS": "80"})
    assert done.code == 0, done.err
    (heading,) = [line for line in done.out.splitlines() if "median" in line]
    assert heading.split() == ["agent", "failed", "tokens", "in", "tokens", "out", "cost", "median", "p95"]
    assert "frail failed  server_error " in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_live_agents_are_accounted_for(place: Place) -> None:
    """Of models that are really called: failures by class, tokens, cost and latency, in JSON, text and `explain`."""
    prepare(place, 6)
    recordings = [json.loads(line) for line in (place.path / "outputs.jsonl").read_bytes().splitlines()]
    with ModelServer(place.path / "questions.jsonl", recordings, Behaviour(key=KEY, model_suffix="-2026")) as server:
        place.write("orch.toml", [live(name, server.url) for name in ("ace", "cat")])
        server.fail_next("ace", "rate-limit", "server-error")
        done = place.orch("--format", "json", "run", "questions.jsonl", env={"TEST_KEY": KEY})
    assert done.code == 0, done.err
    found = done.object["agents"]
    assert found["ace"]["failed"] == {"rate_limited": 1, "server_error": 1}
    assert (found["ace"]["calls"], found["cat"]["calls"], found["cat"]["failed"]) == (8, 6, {})
    assert (found["ace"]["accuracy"], found["cat"]["accuracy"]) == (1.0, 0.0)
    for agent in found.values():
        assert agent["input_tokens"] > agent["output_tokens"] > 0
        assert agent["latency_ms"]["p95"] >= agent["latency_ms"]["p50"] >= 0
    assert done.object["cost_usd"] == sum(agent["cost_usd"] for agent in found.values()) > 0
    text = place.orch("run", env={"TEST_KEY": KEY}).out
    assert "ace failed  rate_limited 1, server_error 1" in text
    (failed,) = [e for e in place.events("analyses") if any(a["error"] == "rate_limited" for a in e["attempts"])]
    explained = place.orch("explain", failed["question_id"]).out
    assert "error (rate_limited)" in explained
    assert "asked ace, served by ace-2026" in explained
    assert KEY not in text + explained + done.out + done.err


def test_same_file_gives_the_same_log(place: Place) -> None:
    """With times in the file, every record is the same to the byte: whatever the hash seed, time zone or locale."""
    prepare(place, 30)
    settings = [
        {"PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "4711", "TZ": "America/Caracas", "LC_ALL": "C.UTF-8"},
    ]
    for number, env in enumerate(settings):
        done = place.orch(
            *("--log", f"sqlite:///{number}.db", "run", "questions.jsonl"),
            *("--outputs", "outputs.jsonl", "--feedback", "gold"),
            env=env,
        )
        assert done.code == 0, done.err
    assert ids(place, "0.db") == ids(place, "1.db")


def test_gzip_and_stdin_are_read_as_they_are(place: Place) -> None:
    """Compressed files and standard input give the same events as the plain file."""
    prepare(place, 9)
    plain = (place.path / "questions.jsonl").read_bytes()
    (place.path / "questions.jsonl.gz").write_bytes(gzip.compress(plain))
    (place.path / "outputs.gz").write_bytes(gzip.compress((place.path / "outputs.jsonl").read_bytes()))
    common = ("--outputs", "outputs.gz", "--feedback", "gold")
    for log, source, stdin in (("a", "questions.jsonl", b""), ("b", "questions.jsonl.gz", b""), ("c", "-", plain)):
        done = place.orch("--log", f"sqlite:///{log}.db", "run", source, *common, stdin=stdin)
        assert done.code == 0, done.err
    assert ids(place, "a.db") == ids(place, "b.db") == ids(place, "c.db")


BAD_LINES = [
    (b"{", "not JSON"),
    (b"[1]", "object"),
    (b'{"question_id": "x", "text": "t", "options": ["a", "b"], "subject": NaN}', "NaN"),
    (b'{"question_id": "x", "text": "t", "options": ["a", "b"], "subject": 1.5}', "subject: 1.5"),
    (b'{"question_id": "x", "text": "t", "options": ["a", "b"], "colour": "red"}', "colour"),
    (b'{"question_id": "x", "text": "t", "options": ["a"]}', "options"),
    (b'{"question_id": "x", "text": "t", "options": ' + json.dumps(["o"] * 27).encode() + b"}", "options"),
    (b'{"question_id": "x", "text": "t", "options": ["a", "b"], "answer_type": "number"}', "options"),
    (b'{"question_id": "x", "text": "", "options": ["a", "b"]}', "text"),
    (b'{"question_id": "", "text": "t", "options": ["a", "b"]}', "question_id"),
    (b'{"text": "t", "options": ["a", "b"]}', "question_id"),
    (b'{"question_id": "x", "question_id": "y", "text": "t", "options": ["a", "b"]}', "duplicate"),
    (b'{"question_id": "x", "text": "\xff", "options": ["a", "b"]}', "UTF-8"),
    (b'{"question_id": "x", "text": "\\ud800", "options": ["a", "b"]}', "surrogate"),
    (b'{"question_id": "x", "text": "t", "options": ["a", "b"], "gold": "C"}', "gold"),
    (b'{"question_id": "x", "text": "t", "answer_type": "number", "gold": "many"}', "gold"),
    (b'{"question_id": "x", "text": "t", "options": ["a", "b"], "occurred_at": "2026-03-01T10:00:00"}', "offset"),
    (b'{"question_id": "x", "text": "t", "options": ["a", "b"], "subject": "*"}', "subject"),
    (b'{"question_id": "x", "text": "' + b"t" * 900_000 + b'", "options": ["a", "b"]}', "limit"),
    (b'{"question_id": "x", "text": "' + b"t" * 10_000_000 + b'", "options": ["a", "b"]}', "shorten"),
    (b"[" * 100_000, "nested"),
    (json.dumps(question(0, text="Something else?")).encode(), "already stands for another question"),
]
"""Lines that cannot be used, with what is said of each; the last one conflicts with a line before it."""


def test_bad_lines_are_told_and_good_ones_go_through(place: Place) -> None:
    """Each bad line is reported by file, line and reason; the others are decided; the exit code is 2."""
    lines: list[object] = []
    for number, (line, _) in enumerate(BAD_LINES):
        lines += [line, question(number)]
    place.write("questions.jsonl", lines)
    place.write("outputs.jsonl", outputs(len(BAD_LINES)))
    done = run(place)
    assert done.code == 2
    assert done.object["questions"] == done.object["decided"] == len(BAD_LINES)
    assert done.object["rejected"] == len(BAD_LINES)
    told = [line for line in done.err.splitlines() if line.startswith("questions.jsonl:")]
    for number, (_, reason) in enumerate(BAD_LINES):
        assert told[number].startswith(f"questions.jsonl:{2 * number + 1}: ")
        assert reason in told[number]
    assert max(map(len, told)) < 300


def test_killed_run_goes_on(place: Place) -> None:
    """A run that dies is finished by the next: every question decided, and taught, exactly once."""
    prepare(place, 20)
    arguments = ("--feedback", "gold", "--window", "4")
    killed = run(place, *arguments, env={"ORCH_CRASH_AT": "append:150"})
    assert killed.code == -signal.SIGKILL
    done = run(place, *arguments)
    assert done.code == 0, done.err
    assert (done.object["decided"], done.object["replay"]["different"]) == (20, 0)
    for topic in ("decisions", "feedback"):
        assert sorted(e["question_id"] for e in place.events(topic)) == sorted(f"q{n}" for n in range(20))


def test_interrupted_run_says_how_to_go_on(place: Place) -> None:
    """Control-C ends a run with exit code 130 and one line that says what is safe."""
    place.write("orch.toml", [WAITING])
    place.write("questions.jsonl", [question(number) for number in range(50)])
    with place.start("run", "questions.jsonl") as running:
        wait_for(place.path / "orch.db-wal")
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
    assert running.returncode == 130
    assert out == b""
    assert b"Interrupted. What was committed to sqlite:///orch.db is safe" in err
    assert b"Traceback" not in err
    assert place.orch("replay").code == 0


def test_second_writer_is_told_who_writes(place: Place) -> None:
    """While one process writes, another one is told which, and reading works."""
    place.write("orch.toml", [WAITING])
    place.write("questions.jsonl", [question(number) for number in range(50)])
    with place.start("run", "questions.jsonl") as running:
        try:
            wait_for(place.path / "orch.db.lock")
            time.sleep(0.5)
            done = place.orch("run", "questions.jsonl")
            assert done.code == 3
            assert f"process {running.pid}" in done.err
            assert place.orch("consume", "questions", "--max", "1").code == 0
            assert "process" in place.orch("doctor").out
        finally:
            running.kill()


KEY = "sk-test-0123456789abcdef"


def live(name: str, url: str) -> bytes:
    """Write an agent that calls a model of its name."""
    lines = ("[[agents]]", 'kind = "openai"', f'name = "{name}"', f'model = "{name}"', f'base_url = "{url}"')
    price = "price = { input_nusd_per_ktoken = 400_000, output_nusd_per_ktoken = 1_600_000 }"
    return "\n".join([*lines, 'key_env = "TEST_KEY"', price, "limits = { backoff_ms = 1 }"]).encode()


FRAIL = b"""
[[agents]]
kind = "simulated"
name = "frail"
failure_ppb = 500_000_000
[[agents]]
kind = "simulated"
name = "steady"
"""
WAITING = b'[[agents]]\nkind = "simulated"\nname = "slow"\nwaits = true\nlatency_ms = 60_000\n'


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    limit = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < limit, f"{path} did not appear"
        time.sleep(0.02)
