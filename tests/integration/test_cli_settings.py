"""Options of every command, settings and their precedence, what is printed where."""

import pytest

from ..e2e.command import Place

AGENT = b'[[agents]]\nkind = "simulated"\nname = "a"\n'


def logs(place: Place) -> set[str]:
    """List the logs that were made."""
    return {path.stem for path in place.path.glob("*.db")}


@pytest.mark.parametrize(
    ("arguments", "env", "made"),
    [
        ((), {}, "file"),
        ((), {"ORCH_LOG": "sqlite:///environment.db"}, "environment"),
        (("--log", "sqlite:///flag.db"), {"ORCH_LOG": "sqlite:///environment.db"}, "flag"),
        (("--config", "other.toml"), {}, "orch"),
        ((), {"ORCH_CONFIG": "other.toml"}, "orch"),
        (("--config", "orch.toml"), {"ORCH_CONFIG": "other.toml"}, "file"),
        ((), {"ORCH_LOG": "", "ORCH_CONFIG": ""}, "file"),
    ],
)
def test_flag_environment_file_default(
    arguments: tuple[str, ...], env: dict[str, str], made: str, place: Place
) -> None:
    """A setting comes from its flag, else from the environment, else from the file, else it is the default."""
    place.write("orch.toml", [b'log = "sqlite:///file.db"', AGENT])
    place.write("other.toml", [AGENT])
    for line in ((*arguments, "topics"), ("topics", *arguments)):
        assert f"sqlite:///{made}.db is not there yet" in place.orch(*line, env=env).err


def test_shared_options_stand_before_or_after(recorded: Place) -> None:
    """Options of every command are taken on both sides of its name; the one after it counts."""
    before, after = recorded.orch("--format", "json", "topics"), recorded.orch("topics", "--format", "json")
    assert before.lines == after.lines
    assert recorded.orch("--format", "text", "topics", "--format", "json").lines == before.lines
    assert recorded.orch("--log", "sqlite:///orch.db", "replay", env={"ORCH_LOG": "sqlite:///other.db"}).code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[routing]\npanelsize = 3", "panel_size"),
        ("[run]\nwindows = 3", "Did you mean window"),
        ("[polcy]\n", "Did you mean policy"),
        ('[policy]\npreset = "defualt"', "preset"),
        ("[merge\n", "not TOML"),
        ("[routing]\npanel_size = 9", "panel_size 9"),
        ('[merge]\nrule = "votes"', "merge.rule"),
        ("[agents]\n", "agents"),
    ],
)
def test_slip_in_the_configuration_is_told(text: str, words: str, place: Place) -> None:
    """A setting that is unknown or impossible: exit code 2, with the file and what was probably meant."""
    place.write("orch.toml", [AGENT if "agents" not in text else b"", text.encode()])
    done = place.orch("ask", "How many?", "--number")
    assert done.code == 2
    assert "orch.toml" in done.err
    assert words in done.err
    assert logs(place) == set()


def test_configuration_that_is_named_must_be_there(place: Place) -> None:
    """A missing orch.toml is none; a missing file that was named is an error."""
    done = place.orch("--config", "missing.toml", "ask", "How many?", "--number")
    assert done.code == 2
    assert "missing.toml" in done.err


@pytest.mark.parametrize(
    "arguments",
    [("--nonsense",), ("replay", "--nonsense"), ("--format", "xml", "replay"), ("consume",), ("replay", "what")],
)
def test_usage_errors_are_2(arguments: tuple[str, ...], place: Place) -> None:
    """What the command line cannot mean ends with exit code 2 and says how to find out more."""
    done = place.orch(*arguments)
    assert done.code == 2
    assert "Error:" in done.err
    assert "--help" in done.err


def test_no_colours_in_a_pipe(recorded: Place) -> None:
    """What is piped holds no escape sequences."""
    for command in ("replay", "topics", "doctor"):
        done = recorded.orch(command, env={"NO_COLOR": ""})
        assert "\x1b" not in done.out + done.err


def test_wide_tables_stay_whole_in_a_pipe(recorded: Place) -> None:
    """A row of a table is one line where nobody says how wide the reader is; else it is folded, not cut."""
    wide = recorded.orch("topics").out
    narrow = recorded.orch("topics", env={"COLUMNS": "60"}).out
    assert len(wide.splitlines()) < len(narrow.splitlines())
    assert max(map(len, narrow.splitlines())) <= 60
    assert "…" not in narrow


def test_verbose_writes_log_lines(recorded: Place) -> None:
    """--verbose adds JSON lines to stderr and leaves stdout alone."""
    quiet = recorded.orch("feedback", "feedback.jsonl", "--format", "json")
    assert quiet.err == ""
    recorded.write("more.jsonl", [{"question_id": "q5", "source": "human", "verdict": "wrong"}])
    told = recorded.orch("--verbose", "feedback", "more.jsonl", "--format", "json")
    assert told.object["appended"] == 1
    assert '"event": "batch_committed"' in told.err


def test_names_stay_whole_in_80_columns(recorded: Place) -> None:
    """On a common terminal no table folds the name of a topic or of a kind, and no line is longer."""
    topics = [line["topic"] for line in recorded.orch("--format", "json", "topics").lines]
    for command in ("topics", "schemas"):
        done = recorded.orch(command, env={"COLUMNS": "80"})
        assert max(map(len, done.out.splitlines())) <= 80
        assert all(f"  {topic} " in done.out for topic in topics)


def test_suggested_command_is_on_one_line(place: Place) -> None:
    """What is there to be copied is not folded, and names the log that was named."""
    log = "sqlite:///a rather long name for a log of demonstrations.db"
    done = place.orch("--log", log, "demo", "--questions", "3", env={"COLUMNS": "60"})
    assert f"\n  orch --log '{log}' router\n" in done.out
    assert place.orch("--log", "sqlite:///b.db", "init", env={"COLUMNS": "20"}).out.count("\n  orch ask ") == 1
