"""The configuration file of `orch init`, and its defaults."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

from schemas.agents import AgentSpecV2, LiveLimits, Price
from schemas.policies import Budget
from schemas.prompts import Instructions
from streams.app.configuration_file import default_configuration, write_configuration
from streams.errors import OperatorError, UsageError
from streams.presets import PresetName
from streams.settings import DEFAULT_LOG, PRESETS, RunSettings, build_policy, load_config

AT = "2026-01-01T00:00:00.000Z"

either = pytest.mark.parametrize("simulated", [False, True])


@pytest.mark.parametrize("name", PRESETS)
@either
def test_stated_defaults_are_the_settings_own(simulated: bool, name: PresetName, tmp_path: Path) -> None:
    """Lines that begin with # and no blank are settings: with them taken in, nothing changes, and none is missing."""
    path = tmp_path / "orch.toml"
    write_configuration(path, simulated=simulated, replace=False, name=name)
    bare = load_config(path, required=True)
    policy = build_policy(bare, AT)
    text = path.read_text("utf-8")
    path.write_text(re.sub(r"^#(?! |$)", "", text, flags=re.MULTILINE), "utf-8")
    config = load_config(path, required=True)
    assert build_policy(config, AT) == policy
    window = RunSettings().model_copy(update={"window": 1, "live_window": 1}) if name == "published" else RunSettings()
    assert (config.log, config.preset, config.run, bare.run) == (DEFAULT_LOG, name, window, window)
    given = tomllib.loads(path.read_text("utf-8"))
    for room in ("routing", "merge", "learning", "prompts"):
        assert given[room].keys() == type(getattr(policy, room)).model_fields.keys()
    assert set(given["policy"]) == {"policy_id", "preset", "rules", "decomposition", "deadline_ms"}
    for model in (*get_args(get_args(AgentSpecV2)[0]), Price, LiveLimits, Budget, Instructions):
        assert not [name for name in model.model_fields if not re.search(rf"\b{name} = ", text)]
    assert not [name for name in RunSettings.model_fields if f"{name} = " not in text]


@either
def test_no_placeholder_is_left(simulated: bool) -> None:
    """What the templates leave open is filled in, and notes for their authors are not written."""
    text = default_configuration(simulated=simulated)
    assert "@" not in text
    assert "not written" not in text


def test_files_differ_in_agents_alone() -> None:
    """First line, agents and the two values that follow from their number: the rest is written once."""
    live, simulated = (default_configuration(simulated=which).split("\n# --- ") for which in (False, True))
    assert len(live) == len(simulated)
    assert live[0].split("\n")[1:] == simulated[0].split("\n")[1:]
    followed = re.compile(r"^#(panel_size|stages) = .*$", re.MULTILINE)
    assert [followed.sub("", part) for part in live[2:]] == [followed.sub("", part) for part in simulated[2:]]


def test_templates_come_with_the_package() -> None:
    """An installed package holds them, as TOML files that an editor knows, beside the page of an archive."""
    folder = files("streams.app").joinpath("templates")
    assert {entry.name for entry in folder.iterdir()} == {"orch.toml", "orch.simulated.toml", "archive.md"}
    for name in ("orch.toml", "orch.simulated.toml"):
        tomllib.loads(folder.joinpath(name).read_text("utf-8"))


def test_file_that_is_there_is_replaced_only_if_told(tmp_path: Path) -> None:
    """A file of somebody's own is left as it is; a place that cannot be written is named."""
    path = tmp_path / "orch.toml"
    path.write_text("# mine")
    with pytest.raises(UsageError, match="is there already"):
        write_configuration(path, simulated=False, replace=False)
    assert path.read_text() == "# mine"
    assert write_configuration(path, simulated=True, replace=True) == ()
    assert write_configuration(path, simulated=False, replace=True)[0] == "OPENAI_API_KEY"
    with pytest.raises(OperatorError, match="cannot be written"):
        write_configuration(tmp_path / "nowhere" / "orch.toml", simulated=False, replace=False)
