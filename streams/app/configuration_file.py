"""The configuration file of `orch init`, written from templates."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

from streams.errors import OperatorError, UsageError
from streams.presets import preset

_SECTION = re.compile(r"^(?=# --- )", re.MULTILINE)


def default_configuration(*, simulated: bool = False) -> str:
    """
    Give the text of a configuration that names every setting, with its unit and its default.

    The panel's size and stages follow from the number of agents, as the default preset has them.

    Args:
        simulated: Whether its agents are simulated, instead of real models.
    """
    head, agents, *settings = _SECTION.split(_template("orch.toml"))
    if simulated:
        other, agents = _SECTION.split(_template("orch.simulated.toml"))
        head = other.partition("\n")[0] + head[head.index("\n") :]
    given = preset("default", len(tomllib.loads(agents)["agents"]))
    text = "".join((head, agents, *settings))
    text = text.replace("@panel_size", str(given["routing"]["panel_size"]))
    return text.replace("@stages", str(given["merge"]["stages"]))


def write_configuration(path: Path, *, simulated: bool, replace: bool) -> tuple[str, ...]:
    """
    Write the default configuration to a file.

    Args:
        path: File to write.
        simulated: As for `default_configuration`.
        replace: Whether an existing file may be replaced.

    Returns:
        The environment variables that hold its agents' keys.

    Raises:
        UsageError: The file exists and may not be replaced.
        OperatorError: The file cannot be written.
    """
    text = default_configuration(simulated=simulated)
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
