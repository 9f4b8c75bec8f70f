"""Help, version and completion, for a first-time user."""

import gzip
import importlib
import subprocess
import sys

import pytest

from streams.cli.command import Command
from streams.cli.main import COMMANDS

from .command import Place

OWN_EXAMPLES = ("bench", "broker", "models", "serve", "ui")
"""Commands whose examples take long, or leave a process: they have tests in `integration/` and test_infra.py."""

HEAVY = ("pydantic", "rich", "sqlite3", "orjson", "structlog", "asyncio", "infra")


def load(name: str) -> Command:
    """Load one command."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, Command)
    return command


every_command = pytest.mark.parametrize("name", list(COMMANDS))


def test_help_lists_every_command(place: Place) -> None:
    """`orch --help` names each command."""
    done = place.orch("--help")
    assert done.code == 0
    assert all(f"  {name} " in done.out for name in COMMANDS)
    assert done.err == ""


@pytest.mark.parametrize("line", ["--help", "--version", "nonsense"])
def test_nothing_heavy_is_loaded_without_need(line: str) -> None:
    """Help, version and a slip of the pen load none of the libraries that take their time."""
    code = (
        "import sys; from streams.cli.main import run; run(sys.argv[1:]);"
        f"sys.stderr.write(str([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code, line], capture_output=True, text=True, check=True)
    assert done.stderr.endswith("[]")


@every_command
def test_command_explains_itself(name: str) -> None:
    """The help of a command says in its first line what the list of commands says, and ends with examples."""
    command = load(name)
    assert command.help is not None
    assert " ".join(command.help.split("\n\n")[0].split()) == COMMANDS[name].help
    assert command.name == name
    assert command.examples
    assert all("orch" in line and name in line for line in command.examples)


@every_command
def test_options_are_explained(name: str) -> None:
    """Every option of a command has help."""
    for parameter in load(name).params:
        assert parameter.param_type_name == "argument" or getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in OWN_EXAMPLES])
def test_examples_run(name: str, recorded: Place) -> None:
    """Each example of a command's help runs as it stands."""
    (recorded.path / "questions.jsonl.gz").write_bytes(gzip.compress((recorded.path / "questions.jsonl").read_bytes()))
    if name in ("ask", "run", "policy"):
        recorded.orch("init", "--simulated")
    if name in ("receipt", "verify"):
        recorded.orch("seal", "--init")
        recorded.orch("seal", "--anchor", "checkpoints.jsonl")
        recorded.orch("receipt", "q1", "-o", "q1.receipt.json")
    for line in load(name).examples:
        if "kafka://" in line:
            # test_kafka_commands.py runs these commands, with a broker.
            continue
        if name == "run" and "#" not in line:
            # Each stands for itself: the same questions under another policy need --again.
            for file in recorded.path.glob("orch.db*"):
                file.unlink()
        done = recorded.shell(line)
        assert done.code == 0, f"{line}\n{done.err}"
        assert done.out or ">" in line or " -o " in line or name == "dead-letters"


@every_command
def test_help_fits_80_columns(name: str) -> None:
    """`orch COMMAND --help` fits 80 columns."""
    from click.testing import CliRunner

    from streams.cli.main import orch

    done = CliRunner().invoke(orch, [name, "--help"], terminal_width=80, prog_name="orch")
    assert done.exit_code == 0
    assert "Examples:" in done.output
    assert "--log URL" in done.output
    too_long = [line for line in done.output.splitlines() if len(line) > 80 and "orch" not in line]
    assert not too_long


def test_version(place: Place) -> None:
    """`orch --version` names the program and its version."""
    done = place.orch("--version")
    assert (done.code, done.out.split()[0]) == (0, "orch")


def test_slip_of_the_pen_is_corrected(place: Place) -> None:
    """An unknown command is answered with the one that was probably meant."""
    done = place.orch("replya")
    assert done.code == 2
    assert "Did you mean 'replay'?" in done.err


def test_completion_offers_commands_and_topics(place: Place) -> None:
    """A shell that asks gets the commands that begin so, with their help, without loading them."""
    env = {"_ORCH_COMPLETE": "zsh_complete", "COMP_WORDS": "orch re", "COMP_CWORD": "1"}
    done = place.orch(env=env)
    assert done.code == 0
    assert done.out.split("\n")[1::3] == ["retry", "replay", "receipt"]
    assert place.orch(env={**env, "COMP_WORDS": "orch --fo"}).out.split("\n")[1] == "--format"
