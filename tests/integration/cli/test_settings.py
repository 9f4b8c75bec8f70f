"""Options, settings with their precedence, and output streams."""

from pathlib import Path

import pytest

from schemas.agents import LiteLLMAgent, OpenAIAgentV2
from schemas.odds import Odds
from schemas.policies import PolicyAdoptedV2
from schemas.prompts import Prompts
from schemas.rules import NEWEST_ODDS_RULES
from streams.errors import UsageError
from streams.settings import build_policy, load_config

from ...e2e.command import Place

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
        ("[budget]\nquestion_nsud = 3", "Did you mean question_nusd"),
        ("[prompts.analyst]\nchoise = 'x'", "Did you mean choice"),
        ("[prompts.analyst]\nchoice = '{options}'", "no place to fill"),
        ("[run]\nreplies = 3", "run.replies"),
        ("[run]\nwindow = 0", "run.window: Input should be greater than or equal to 1, not 0"),
        ("[run]\noutputs = 'x.jsonl'", "run.outputs: Input should be a valid array"),
        ("[routing]\nshrinkage = 0.5", "integers with the unit in the name"),
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


LIVE = '[[agents]]\nkind = "litellm"\nname = "a"\nmodel = "openai/gpt-4.1-mini"\n'
KEY = "sk-proj-0123456789abcdefABCDEF"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_output_token = 3", "Did you mean max_output_tokens"),
        ("limits = { calls_per_minut = 3 }", "Did you mean calls_per_minute"),
        (
            "price = { input_nusd_per_ktoken = 1, output_nusd_per_ktoken = 1, output_nusd_per_token = 1 }",
            "Did you mean",
        ),
        ("temperature_ppb = 0.7", "agents.0.temperature_ppb"),
    ],
)
def test_slip_in_a_live_agent_is_told(text: str, words: str, place: Place) -> None:
    """A misspelt or impossible setting of a live agent is named, with what was probably meant."""
    place.write("orch.toml", [LIVE.encode() + text.encode()])
    done = place.orch("ask", "How many?", "--number")
    assert done.code == 2
    assert words in done.err


@pytest.mark.parametrize(
    "text",
    [
        f'key = "{KEY}"',
        f'api_key = "{KEY}"',
        f'token = "{KEY}"',
        f'colour = "{KEY}"',
        f'key_env = "{KEY}"',
        f'key_env = "{KEY.replace("-", "_")}"',
        f'base_url = "https://user:{KEY}@127.0.0.1/v1"',
        f'base_url = "https://127.0.0.1/v1?key={KEY}"',
        f'limits = {{ key = "{KEY}" }}',
        f'[budget]\nkey = "{KEY}"',
        f'[run]\nkey = "{KEY}"',
        f'[keys]\nkey = "{KEY}"',
    ],
)
def test_key_in_the_configuration_is_not_repeated(text: str, place: Place) -> None:
    """What stands under a name that is no setting, or where a key may have been put by mistake, is in no message."""
    place.write("orch.toml", [LIVE.encode() + text.encode()])
    for command in (("ask", "How many?", "--number"), ("doctor",), ("--verbose", "policy", "adopt")):
        done = place.orch(*command)
        assert done.code in (2, 3)
        said = done.out + done.err
        assert KEY[8:] not in said
        assert "key_env" in said or "There are: " in said or "Did you mean" in said


@pytest.mark.parametrize("table", ["policy", "run", "budget"])
def test_value_in_place_of_a_table_is_not_repeated(table: str, place: Place) -> None:
    """Where a table belongs, the message says so, and not what is there."""
    place.write("orch.toml", [f'{table} = "{KEY}"'.encode(), AGENT])
    done = place.orch("ask", "How many?", "--number")
    assert done.code == 2
    assert f"{table}: a table [{table}] belongs there" in done.err
    assert KEY not in done.err


def test_none_turns_a_setting_off(place: Place) -> None:
    """`none` stands for no value where that is not the default, for TOML has no word for it."""
    place.write("orch.toml", [LIVE.encode() + b'temperature_ppb = "none"\nseed = "none"'])
    (agent,) = build_policy(load_config(place.path / "orch.toml", required=True), "2026-01-01T00:00:00.000Z").agents
    assert isinstance(agent, LiteLLMAgent)
    assert (agent.temperature_ppb, agent.seed) == (None, None)


def test_one_instruction_may_be_changed_alone(place: Place) -> None:
    """What the configuration says of the instructions leaves the others as they are."""
    place.write("orch.toml", [AGENT + b'[prompts]\nversion = "mine"\n[prompts.analyst]\nchoice = "Say {letters}."'])
    prompts = build_policy(load_config(place.path / "orch.toml", required=True), "2026-01-01T00:00:00.000Z").prompts
    assert (prompts.version, prompts.analyst.choice) == ("mine", "Say {letters}.")
    assert prompts.analyst.number == Prompts().analyst.number
    assert prompts.merger == Prompts().merger


def test_files_stand_beside_the_configuration(place: Place) -> None:
    """Outputs and replies are looked for where the configuration is, not where the command is run."""
    place.write("orch.toml", [b'[run]\noutputs = ["outputs.jsonl"]\nreplies = "replies.db"'])
    run = load_config(place.path / "orch.toml", required=True).run
    assert run.outputs == (str(place.path / "outputs.jsonl"),)
    assert run.replies == str(place.path / "replies.db")


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


@pytest.mark.parametrize(
    ("options", "level", "told"),
    [
        ((), None, False),
        (("--log-level", "debug"), None, True),
        (("--log-level", "info"), "debug", False),
        ((), "debug", True),
        (("--log-level", "warning"), "debug", False),
        (("--log-level", "error", "--verbose"), None, True),
    ],
)
def test_the_level_of_log_lines(recorded: Place, options: tuple[str, ...], level: str | None, told: bool) -> None:
    """The option goes before the variable, and --verbose writes all."""
    env = {} if level is None else {"ORCH_LOG_LEVEL": level}
    done = recorded.orch(*options, "feedback", "feedback.jsonl", env=env)
    assert done.code == 0
    recorded.write("more.jsonl", [{"question_id": "q5", "source": "human", "verdict": "wrong"}])
    done = recorded.orch(*options, "feedback", "more.jsonl", env=env)
    assert ('"event": "batch_committed"' in done.err) is told


def test_an_unknown_level_is_refused(recorded: Place) -> None:
    """In the variable as in the option."""
    assert recorded.orch("--log-level", "loud", "replay").code == 2
    assert recorded.orch("replay", env={"ORCH_LOG_LEVEL": "loud"}).code == 2


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


def test_name_of_the_output_limit_is_no_setting_of_v1(tmp_path: Path) -> None:
    """Policies of v1 are published, so a newer setting of an agent is refused there, by its name and a remedy."""
    path = tmp_path / "orch.toml"
    agent = '[[agents]]\nkind = "openai"\nname = "a"\nmodel = "m"\noutput_limit = "max_completion_tokens"\n'
    path.write_text(agent)
    (spec,) = build_policy(load_config(path, required=True), "2026-01-01T00:00:00.000Z").agents
    assert isinstance(spec, OpenAIAgentV2)
    assert spec.output_limit == "max_completion_tokens"
    path.write_text(f'[policy]\nrules = "v1"\n{agent}')
    with pytest.raises(UsageError, match=r"agents\.0\.output_limit is no setting of v1") as refused:
        build_policy(load_config(path, required=True), "2026-01-01T00:00:00.000Z")
    assert refused.value.remedy == 'Remove output_limit, or set rules = "v2"'
    path.write_text(agent.replace("max_completion_tokens", "max_words"))
    with pytest.raises(UsageError, match="output_limit"):
        build_policy(load_config(path, required=True), "2026-01-01T00:00:00.000Z")


def test_rule_odds_has_its_settings_in_the_policy(tmp_path: Path) -> None:
    """A policy with the rule holds all of its settings and the versions of its rules; any other holds neither."""
    path = tmp_path / "orch.toml"
    path.write_bytes(AGENT + b'[merge]\nrule = "odds"\nstages = [1]\n[odds]\ngain_per_call_ppb = "0.2 %"\n')
    policy = build_policy(load_config(path, required=True), "2026-01-01T00:00:00.000Z")
    assert isinstance(policy, PolicyAdoptedV2)
    assert policy.odds == Odds(gain_per_call_ppb=2_000_000)
    assert policy.rules == NEWEST_ODDS_RULES
    path.write_bytes(AGENT + b'[merge]\nrule = "cascade"\n')
    plain = build_policy(load_config(path, required=True), "2026-01-01T00:00:00.000Z")
    assert b"odds" not in plain.encode()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[odds]\nlearn_from = "votes"', "odds.learn_from"),
        ("[odds]\ngain = 3", "odds.gain"),
        ("[odds]\nwarm_up_lessons = -1", "odds.warm_up_lessons"),
        ("odds = 3", "odds"),
    ],
)
def test_slip_in_the_settings_of_odds_is_told(table: str, words: str, tmp_path: Path) -> None:
    """A wrong name or value in the table is refused by its place."""
    path = tmp_path / "orch.toml"
    path.write_text(f'{table}\n[merge]\nrule = "odds"\nstages = [1]\n{AGENT.decode()}')
    with pytest.raises(UsageError, match=words):
        build_policy(load_config(path, required=True), "2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize("text", ['[merge]\nrule = "odds"', "[odds]\ncascade = false"])
def test_rule_odds_is_none_of_v1(text: str, tmp_path: Path) -> None:
    """Under the rules of release 0.1 there is no such rule, and the remedy says so."""
    path = tmp_path / "orch.toml"
    path.write_text(f'{text}\n[policy]\nrules = "v1"\n{AGENT.decode()}')
    with pytest.raises(UsageError, match="odds is none of v1"):
        build_policy(load_config(path, required=True), "2026-01-01T00:00:00.000Z")
