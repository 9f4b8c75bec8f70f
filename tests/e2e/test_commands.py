"""The other commands: output and audience."""

import json
import re
import signal
import subprocess
from pathlib import Path

from .command import Place, question


def test_demo_is_the_same_for_a_seed(place: Place) -> None:
    """Two demos of one seed have the same ids to the last; one that is there is not asked again."""
    for name in ("a", "b"):
        done = place.orch("--log", f"sqlite:///{name}.db", "--format", "json", "demo", "--questions", "60")
        assert done.code == 0, done.err
        assert done.object["decided"] == 60
        assert done.object["replay"]["different"] == 0
    assert place.events("router", "a.db") == place.events("router", "b.db")
    again = place.orch("--log", "sqlite:///a.db", "--format", "json", "demo", "--questions", "60")
    assert again.object["already_asked"] == 60


def test_demo_says_what_to_try_and_it_works(place: Place) -> None:
    """Every command that the demo suggests runs on the log it made; no configuration is read."""
    (place.path / "orch.toml").write_text("nonsense")
    done = place.orch("demo")
    assert done.code == 0, done.err
    assert "confidence" not in done.out
    (place.path / "orch.toml").unlink()
    suggested = re.findall(r"^  orch (.*?)(?:   *\S.*)?$", done.out.split("Try next")[1], re.MULTILINE)
    assert len(suggested) == 5
    for line in suggested:
        tried = place.orch(*line.split())
        assert tried.code == 0, f"{line}: {tried.err}"


def test_consume_follows(recorded: Place) -> None:
    """--follow shows what comes later, and ends when interrupted."""
    with recorded.start("consume", "feedback", "--follow") as following:
        assert following.stdout is not None
        seen = [json.loads(following.stdout.readline()) for _ in range(40)]
        assert recorded.orch("feedback", "feedback.jsonl").code == 0
        assert json.loads(following.stdout.readline())["author"] == "tester"
        assert len({event["event_id"] for event in seen}) == 40
        following.send_signal(signal.SIGINT)
        assert following.wait(timeout=120) == 130


def test_consume_survives_a_reader_that_leaves(recorded: Place) -> None:
    """When whoever reads closes the pipe, the command ends quietly."""
    with recorded.start("consume", "router") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def test_paths_with_spaces_work(tmp_path: Path) -> None:
    """Directories and files may have any name."""
    folder = tmp_path / "a place % with ö"
    folder.mkdir()
    place = Place(folder)
    assert place.orch("--log", "sqlite:///my log?.db", "demo", "--questions", "3").code == 0
    assert place.orch("--log", "sqlite:///my log?.db", "replay").code == 0
    assert (folder / "my log?.db").exists()


def test_slow_pipe_waits_for_nobody(place: Place) -> None:
    """What came through a pipe is in the log while the pipe is still open; a bad line is told as soon."""
    with place.start("produce", "-", stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stderr is not None
        running.stdin.write(json.dumps(question(0)).encode() + b"\n{\n")
        running.stdin.flush()
        # Told after the commit.
        assert running.stderr.readline().startswith(b"standard input:2: not JSON")
        assert [event["question_id"] for event in place.events("questions")] == ["q0"]
        running.stdin.write(json.dumps(question(1)).encode())
        running.stdin.close()
        assert running.wait(timeout=120) == 2
    assert [event["question_id"] for event in place.events("questions")] == ["q0", "q1"]
