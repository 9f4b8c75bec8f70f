"""Settings of orch.toml, and the policy they stand for."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field, ValidationError
from pydantic_core import to_json

from schemas.agents import AgentSpec
from schemas.canonical import canonical_json
from schemas.event import Fact
from schemas.policies import PolicyAdopted
from schemas.prompts import Prompts
from schemas.registry import describe
from streams.errors import UsageError
from streams.presets import PresetName, preset

DEFAULT_LOG = "sqlite:///orch.db"
DEFAULT_CONFIG = "orch.toml"
PRESETS: tuple[PresetName, ...] = ("default", "reference", "reference-lexicographic")

NONE = "none"
"""How a file says `None` where that is not the default, for TOML has no word for it."""

_MAY_BE_NONE = ("temperature_ppb", "seed", "price")
"""Settings of agents that `none` turns off; of others it is a name like any."""

_ABOUT_KEYS = ("key", "token", "secret", "password", "credential", "authorization", "bearer")
"""Words in a setting's name by which somebody may have meant the key itself."""
_NAME_THE_VARIABLE = (
    'No key stands in this file: put it into an environment variable, and name that: key_env = "MY_PROVIDER_API_KEY"'
)
_KEY_ITSELF = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).{24,}")
"""A key may be a valid name of a variable, and would be published as one. No variable is called like that."""
_NEVER_REPEATED = {
    # Field: what belongs there. What stands there instead may be a key, or hold one.
    "key_env": "holds no name of an environment variable (letters, digits and _)",
    "base_url": "holds no http(s) URL without user, password, ? and #",
}


_Many = Annotated[int, Field(ge=1, le=100_000)]


class RunSettings(Fact):
    """How `run` drives the stages; nothing in it changes a decision that is due."""

    window: _Many = 32
    """Questions open at a time while all agents answer at once; learning lags by as many."""
    live_window: _Many = 256
    """Questions open at a time while agents take their time."""
    calls_in_flight: _Many = 1_000
    outputs: tuple[str, ...] = ()
    """Outputs files of the recorded agents."""
    replies: Annotated[str, Field(min_length=1)] | None = None
    """File of earlier replies of live agents: the same request is not made again. None: every call is made."""


class _PolicyTable(Fact):
    """What the file says of the policy as a whole; its values are checked as those of the policy that follows."""

    policy_id: Any = None
    preset: PresetName = "default"
    decomposition: Any = None
    deadline_ms: Any = None


class _File(Fact):
    """A configuration file. What stands in Any is laid over the preset first, and checked as a policy."""

    log: str | None = None
    policy: _PolicyTable = _PolicyTable()
    agents: Any = None
    routing: Any = None
    merge: Any = None
    learning: Any = None
    budget: Any = None
    prompts: Any = None
    run: RunSettings = RunSettings()


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration file says, checked for names but not yet for values."""

    path: str | None = None
    log: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    """Fields of the policy, as given."""
    preset: PresetName = "default"
    run: RunSettings = field(default_factory=RunSettings)


def load_config(path: Path, *, required: bool) -> Config:
    """
    Read a configuration file.

    Args:
        path: A TOML file as `orch init` writes it.
        required: Whether its absence is an error, or means the defaults.

    Raises:
        UsageError: Missing, unreadable, not TOML, or with a name that means nothing.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if not required:
            return Config()
        raise UsageError(f"no configuration file {path}", remedy="`orch init` writes one", file=str(path)) from None
    except OSError as error:
        raise UsageError(f"configuration file {path} cannot be read: {error.strerror}", file=str(path)) from error
    try:
        given = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", file=str(path)) from error
    return _config(given, str(path))


def _config(given: dict[str, Any], path: str) -> Config:
    try:
        file = _File.model_validate_json(to_json(given))
    except ValidationError as error:
        text, remedy = _told(error, _File)
        raise UsageError(f"{path}: {text}", remedy=remedy, file=path) from None
    fields = {name: given[name] for name in given if name not in ("log", "policy", "run")}
    fields |= {name: value for name, value in given.get("policy", {}).items() if name != "preset"}
    # Files stand beside the configuration that names them, wherever the command is run.
    beside, run = Path(path).parent, file.run
    outputs = tuple(str(beside / name) for name in run.outputs)
    run = run.model_copy(update={"outputs": outputs, "replies": run.replies and str(beside / run.replies)})
    return Config(path, file.log, fields, file.policy.preset, run)


def build_policy(config: Config, occurred_at: str, *, agents: Sequence[dict[str, Any]] | None = None) -> PolicyAdopted:
    """
    Make the policy that a configuration stands for.

    Args:
        config: Its preset gives what it does not set itself.
        occurred_at: Time of its adoption.
        agents: Agents instead of the configured ones, as a configuration file would give them.

    Raises:
        UsageError: A field is unknown or its value cannot be; the message names file, field and remedy.
    """
    place = config.path or "configuration"
    chosen = list(agents) if agents is not None else config.fields.get("agents")
    if not isinstance(chosen, list) or not chosen:
        raise UsageError(f"{place} names no agents", remedy="Add [[agents]] tables; `orch init` writes an example")
    # One instruction may be changed without a word about the others.
    under = {**preset(config.preset, len(chosen)), "prompts": Prompts().model_dump(mode="json")}
    fields = _overlaid(under, config.fields)
    given = [_told_apart(agent) for agent in chosen]
    for number, agent in enumerate(given):
        if isinstance(agent, dict) and _KEY_ITSELF.match(str(agent.get("key_env", ""))):
            text = f"{place}: agents.{number}.key_env looks like a key, not like the name of a variable"
            raise UsageError(text, remedy=_NAME_THE_VARIABLE, file=place)
    fields = {"policy_id": config.preset, **fields, "agents": given, "occurred_at": occurred_at}
    no_json = _no_json(fields, "")
    if no_json is not None:
        raise UsageError(f"{place}: {no_json}", file=place)
    try:
        return PolicyAdopted.model_validate_json(canonical_json(fields))
    except ValidationError as error:
        text, remedy = _told(error, PolicyAdopted)
        # Not `from error`: what it quotes may be a key.
        raise UsageError(f"{place}: {text}", remedy=remedy, file=place) from None
    except ValueError as error:
        raise UsageError(f"{place}: {error}", file=place) from None


def same_policy(first: PolicyAdopted, second: PolicyAdopted) -> bool:
    """Whether two policies differ in nothing but the time of their adoption."""
    unlike = {"event_id", "occurred_at", "causes"}
    return first.model_dump(exclude=unlike) == second.model_dump(exclude=unlike)


def _overlaid(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay *over* on *under*, table by table."""
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _overlaid(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _hint(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(names)}"


def _told_apart(agent: Any) -> Any:
    """Turn `none` into None in one agent's table."""
    if not isinstance(agent, dict):
        return agent
    return {name: None if name in _MAY_BE_NONE and value == NONE else value for name, value in agent.items()}


def _no_json(value: Any, place: str) -> str | None:
    """Find what TOML can hold and an event cannot, and say where it stands; not what, for it may be a key."""
    if isinstance(value, dict):
        inner: Iterator[tuple[str, Any]] = ((f"{place}.{name}".lstrip("."), below) for name, below in value.items())
    elif isinstance(value, list | tuple):
        inner = ((f"{place}.{number}", below) for number, below in enumerate(value))
    elif value is None or isinstance(value, str | int):
        return None
    elif isinstance(value, float):
        return f"{place} has decimals; amounts are integers with the unit in the name"
    else:
        return f"{place} is a date or a time, where none belongs"
    return next(filter(None, (_no_json(below, at) for at, below in inner)), None)


def _told(error: ValidationError, model: type[Fact]) -> tuple[str, str]:
    """
    Describe a failed validation of a model: what is wrong, and what to do.

    Of an unknown field, and of one in whose place people have put a key, the value is not repeated.
    """
    problems = error.errors(include_url=False)
    for problem in problems:
        place, name = ".".join(map(str, problem["loc"])), str(problem["loc"][-1]) if problem["loc"] else ""
        if name in _NEVER_REPEATED:
            return f"{place} {_NEVER_REPEATED[name]}", _NAME_THE_VARIABLE
        if problem["type"] == "extra_forbidden" and _means_a_key(name, _fields_at(problem["loc"], model)):
            return f"{place}: unknown field", _NAME_THE_VARIABLE
        if problem["type"] == "model_type":
            return f"{place}: a table [{place}] belongs there", ""
    first = problems[0]
    names = _fields_at(first["loc"], model) if first["type"] == "extra_forbidden" else []
    return describe(error), _hint(str(first["loc"][-1]), names) if names else ""


def _means_a_key(name: str, known: Sequence[str]) -> bool:
    """Whether somebody may have put a key under this name, rather than misspelt another setting."""
    close = difflib.get_close_matches(name, known, n=1)
    return any(word in name.lower() for word in _ABOUT_KEYS) and close in ([], ["key_env"])


def _fields_at(place: Sequence[int | str], model: Any) -> list[str]:
    """List the fields beside the one at a place in a model, as far as it can be told."""
    for part in place[:-1]:
        model = _below(model, part)
    return list(getattr(model, "model_fields", {}))


_AGENTS: dict[str, Any] = {model.model_fields["kind"].default: model for model in get_args(get_args(AgentSpec)[0])}
"""Agents by their kind, as it stands in the place of an error."""


def _below(model: Any, part: Any) -> Any:
    """Step from a model to the one in a field, as far as it can be told."""
    if part in _AGENTS:
        return _AGENTS[part]
    fields = getattr(model, "model_fields", {})
    if part not in fields:
        return model
    annotation = fields[part].annotation
    # Of `Price | None`, the model.
    return next((kind for kind in get_args(annotation) if hasattr(kind, "model_fields")), annotation)
