"""The configuration file of `orch init`, written from templates."""

import json
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from schemas.policies import Merge
from streams.errors import OperatorError, UsageError
from streams.presets import PresetName, preset
from streams.settings import Config, with_preset

_TABLE = re.compile(r"\[([a-z._]+)\]")
_STATED = re.compile(r"#(\w+) = ")
_SECTION = re.compile(r"^(?=# --- )", re.MULTILINE)


def default_configuration(*, simulated: bool = False, name: PresetName = "default") -> str:
    """
    Give the text of a configuration that names every setting, with its unit and its default.

    Defaults are those of the preset. The panel's size and stages follow from the number of agents, too.

    Args:
        simulated: Whether its agents are simulated, instead of real models.
        name: The preset that it starts from.
    """
    head, agents, *settings = _SECTION.split(_template("orch.toml"))
    if simulated:
        other, agents = _SECTION.split(_template("orch.simulated.toml"))
        head = other.partition("\n")[0] + head[head.index("\n") :]
    text = "".join((head, agents, *settings))
    run = with_preset(Config(), name).run
    given = preset(name, len(tomllib.loads(agents)["agents"]))
    defaults = {**given, "run": {"window": run.window, "live_window": run.live_window}}
    if name != "default":
        text = text.replace('#preset = "default"', f'preset = "{name}"')
    return _stating(text, defaults).replace("@stages", str(list(Merge().stages)))


def _stating(text: str, defaults: Mapping[str, Any]) -> str:
    """State the defaults of some settings, table by table; others keep theirs."""
    table: Any = {}
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if header := _TABLE.fullmatch(line):
            table = defaults
            for part in header[1].split("."):
                table = table.get(part, {})
        elif (stated := _STATED.match(line)) and stated[1] in table:
            lines[place] = f"#{stated[1]} = {_written(table[stated[1]])}"
    return "\n".join(lines)


def _written(value: Any) -> str:
    """Write a value as TOML does, digits in groups."""
    return f"{value:_}" if type(value) is int else json.dumps(value)


def write_configuration(path: Path, *, simulated: bool, replace: bool, name: PresetName = "default") -> tuple[str, ...]:
    """
    Write the default configuration to a file.

    Args:
        path: File to write.
        simulated, name: As for `default_configuration`.
        replace: Whether an existing file may be replaced.

    Returns:
        The environment variables that hold its agents' keys.

    Raises:
        UsageError: The file exists and may not be replaced.
        OperatorError: The file cannot be written.
    """
    text = default_configuration(simulated=simulated, name=name)
    try:
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", remedy="--force replaces it") from error
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}", remedy="Choose another place") from error
    return tuple(agent["key_env"] for agent in tomllib.loads(text)["agents"] if "key_env" in agent)


def _template(name: str) -> str:
    return files("streams.app").joinpath("templates", name).read_text("utf-8")
