"""A configuration that was named, and commands that need none."""

import pytest

from streams.cli.main import COMMANDS

from ...e2e.command import Place

ARGUMENTS = {
    "ask": ("?", "--number"),
    "backup": ("copy.db",),
    "broker": ("status",),
    "completion": ("bash",),
    "consume": ("decisions",),
    "explain": ("q1",),
    "export": ("archive",),
    "feedback": ("feedback.jsonl",),
    "log": ("start", "--from", "archive"),
    "models": ("--questions", "questions.jsonl", "--outputs", "outputs.jsonl"),
    "produce": ("questions.jsonl",),
    "receipt": ("q1",),
    "worker": ("all",),
}
"""What a command needs to get as far as its configuration."""

BROKEN = {
    "broken.toml": (b"x = [", "is not TOML"),
    "unknown.toml": (b"[rooting]", "rooting"),
    "wrong.toml": (b'[[agents]]\nkind = "simulated"\nname = "a"\nskill_ppb = "high"', "skill_ppb"),
}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("init", "doctor")])
def test_every_command_reads_the_configuration_that_was_named(recorded: Place, command: str) -> None:
    """A broken file given by --config ends any command with exit code 2, though it may not need the file."""
    for name, (text, said) in BROKEN.items():
        (recorded.path / name).write_bytes(text)
        done = recorded.orch("--config", name, command, *ARGUMENTS.get(command, ()))
        assert done.code == 2, done.err
        assert said in done.err
        assert done.out == ""
    missing = recorded.orch(command, "--config", "nosuch.toml", *ARGUMENTS.get(command, ()))
    assert missing.code == 2
    assert "nosuch.toml" in missing.err


def test_variable_names_a_configuration_too(place: Place) -> None:
    """ORCH_CONFIG is as good as --config; a file that nobody named disturbs no command that needs none."""
    (place.path / "orch.toml").write_bytes(b"x = [")
    assert place.orch("schemas").code == 0
    assert place.orch("schemas", env={"ORCH_CONFIG": "orch.toml"}).code == 2


def test_doctor_reports_what_is_wrong_with_it(place: Place) -> None:
    """To `doctor` a broken configuration is a finding, among all others; exit code 3."""
    (place.path / "broken.toml").write_bytes(b"x = [")
    done = place.orch("--format", "json", "--config", "broken.toml", "--log", "orch.db", "doctor")
    assert done.code == 3
    (failed,) = (check for check in done.lines if check["state"] == "fail")
    assert failed["name"] == "configuration"
    assert len(done.lines) > 5


def test_init_writes_the_file_that_is_named(place: Place) -> None:
    """To `init` the named file need not be there, and with --force not be right."""
    assert place.orch("--config", "mine.toml", "init", "--simulated").code == 0
    (place.path / "mine.toml").write_bytes(b"x = [")
    assert place.orch("--config", "mine.toml", "init", "--simulated", "--force").code == 0
    assert place.orch("--config", "mine.toml", "schemas").code == 0
