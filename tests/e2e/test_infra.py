"""`orch broker` and `orch models` beside a stranger's `infra`."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.models import ModelProcess
from streams.extras import install_command

from ..broker import require_kafka
from .command import Place, outputs, question

WITHOUT_AIOHTTP = """
import sys
sys.modules["aiohttp"] = None
from streams.cli.main import main
main()
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with a package infra that is not ours, and with questions and outputs."""
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "__init__.py").write_text("raise RuntimeError('somebody else')")
    place = Place(tmp_path)
    place.write("questions.jsonl", [question(number) for number in range(4)])
    place.write("outputs.jsonl", outputs(4))
    return place


FILES = ("--questions", "questions.jsonl", "--outputs", "outputs.jsonl")


@pytest.mark.slow
def test_broker_starts_and_stops(place: Place) -> None:
    """`start` prints the URL and leaves a broker, `status` and `stop` find it by its folder, `kill` ends it too."""
    require_kafka()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    try:
        started = place.orch("broker", "start", "some/kafka", "--port", str(port))
        assert (started.code, started.out) == (0, f"kafka://127.0.0.1:{port}\n"), started.err
        assert "To stop it: orch broker stop some/kafka" in started.err
        status = place.orch("--format", "json", "broker", "status", "some/kafka")
        assert (status.code, status.object["url"], status.object["answers"]) == (0, started.out.strip(), True)
        assert place.orch("--log", started.out.strip(), "topics", "create").code == 0
        assert place.orch("broker", "stop", "some/kafka").code == 0
        assert place.orch("broker", "status", "some/kafka").code == 3
    finally:
        assert place.orch("broker", "kill", "some/kafka").code == 0


def test_broker_that_does_not_run_is_told(place: Place) -> None:
    """Without a broker `status` says so and ends with 3, `stop` has nothing to do; --port is for `start`."""
    status = place.orch("broker", "status")
    assert (status.code, status.out) == (3, "")
    assert "No broker runs from" in status.err
    assert place.orch("broker", "stop").code == 0
    assert place.orch("broker", "stop", "--port", "9092").code == 2


@pytest.mark.parametrize("form", ["text", "json"])
def test_models_serve_until_told_to_end(form: str, place: Place) -> None:
    """The URL comes first, then answers, until a signal ends it with 0."""
    with place.start("--format", form, "models", *FILES) as serving:
        assert serving.stdout is not None
        line = serving.stdout.readline().decode().strip()
        url = json.loads(line)["url"] if form == "json" else line
        assert url.startswith("http://127.0.0.1:")
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == 0


def test_models_refuse_what_cannot_be_used(place: Place) -> None:
    """A fault that is none and a file that is not there end with 2, and say so."""
    done = place.orch("models", *FILES, "--fault", "fire=0.1")
    assert done.code == 2
    assert "'fire' is no fault" in done.err
    assert place.orch("models", *FILES, "--questions", "nowhere.jsonl").code == 2


def test_models_without_their_extra_name_it(place: Place) -> None:
    """Without aiohttp the help is there, and serving ends with 3 and what to install."""
    helped, served = (
        subprocess.run(
            [sys.executable, "-P", "-c", WITHOUT_AIOHTTP, "models", *arguments],
            cwd=place.path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for arguments in (["--help"], FILES)
    )
    assert (helped.returncode, "Faults:" in helped.stdout) == (0, True)
    assert served.returncode == 3
    assert install_command("models") in served.stderr


def test_processes_of_infra_start_beside_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What infra starts by itself takes its own modules, too."""
    monkeypatch.chdir(place.path)
    with ModelProcess(place.path / "questions.jsonl", place.path / "outputs.jsonl") as server:
        assert server.stats()["requests"]["total"] == 0
    done = place.orch("bench", "--quick", "--only", "start", "--runs", "1")
    assert done.code == 0, done.err
