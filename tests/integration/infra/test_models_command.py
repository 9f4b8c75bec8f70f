"""`python -m infra.models`, from its URL to its end."""

import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from infra.models import ModelProcess
from infra.models.__main__ import main
from streams.errors import OperatorError

from .test_models_http import OUTPUTS, QUESTIONS, TEXT, ask


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Questions, plain, and outputs, compressed."""
    questions, outputs = tmp_path / "questions.jsonl", tmp_path / "outputs.jsonl.gz"
    questions.write_bytes(_lines(QUESTIONS))
    outputs.write_bytes(gzip.compress(_lines(OUTPUTS)))
    return questions, outputs


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_serves_until_told_to_end(files: tuple[Path, Path], number: signal.Signals) -> None:
    """It prints its URL first, and ends with code 0 when it is signalled."""
    command = [sys.executable, "-m", "infra.models", "--questions", str(files[0]), "--outputs", str(files[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(10) == 0


@pytest.mark.process
def test_process_answers_as_told(files: tuple[Path, Path]) -> None:
    """Options of the command reach the server: faults, key, further models, the name it reports."""
    options = ("--key", "sk-1", "--fault", "empty=1", "--fault-model", "small", "--model", "judge", "--model-suffix=-x")
    with ModelProcess(*files, *options) as server:
        assert ask(server).status == 401
        assert (answer := ask(server, key="sk-1")).content == TEXT
        assert answer.json["model"] == "large-x"
        assert ask(server, "small", key="sk-1").content == ""
        assert server.stats()["requests"]["by_fault"] == {"empty": 1}


@pytest.mark.process
def test_process_ends_with_its_starter(files: tuple[Path, Path]) -> None:
    """When the pipe to it closes, as it does when the starter is killed, it ends by itself."""
    command = [sys.executable, "-m", "infra.models", "--questions", str(files[0]), "--outputs", str(files[1])]
    with subprocess.Popen([*command, "--leashed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fault", "fire=0.1"], "'fire' is no fault"),
        (["--fault", "hang"], "CLASS=RATE"),
        (["--fault", "hang=2"], "together 1 or less"),
        (["--questions", "nowhere.jsonl"], "there is no such file"),
    ],
)
def test_wrong_options_are_told(files: tuple[Path, Path], options: list[str], said: str) -> None:
    """What cannot be used ends it with code 2 and words on what to do."""
    done = CliRunner().invoke(main, ["--questions", str(files[0]), "--outputs", str(files[1]), *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.process
def test_line_that_is_wrong_is_named(files: tuple[Path, Path], capfd: pytest.CaptureFixture[str]) -> None:
    """A file with an entry that cannot be used is refused with its place, and the process says so."""
    with files[0].open("ab") as questions:
        questions.write(b'{"question_id": "x"}\n')
    with pytest.raises(OperatorError), ModelProcess(*files):
        pass
    assert f"{files[0]}, line 3: text" in capfd.readouterr().err
