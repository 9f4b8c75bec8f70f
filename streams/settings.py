"""Settings, built once by the command line: what orch.toml says, and the policy that follows from it."""

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.canonical import canonical_json
from schemas.policies import PolicyAdopted, RecordedAgent, SimulatedAgent
from schemas.registry import describe
from streams.errors import UsageError
from streams.presets import PresetName, preset

DEFAULT_LOG = "sqlite:///orch.db"
DEFAULT_CONFIG = "orch.toml"
PRESETS: tuple[PresetName, ...] = ("default", "reference", "reference-lexicographic")

_ROOMS = ("agents", "routing", "merge", "learning")
_TOP = ("log", "policy", *_ROOMS, "run")
_POLICY = ("policy_id", "preset", "decomposition", "deadline_ms")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How `run` drives the stages; nothing in it changes a decision that is due."""

    window: int = 32
    """Questions open at a time while all agents answer at once; learning lags by as many."""
    live_window: int = 256
    """Questions open at a time while agents take their time."""
    calls_in_flight: int = 1_000
    outputs: tuple[str, ...] = ()
    """Outputs files of the recorded agents."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration file says, checked for names but not yet for values."""

    path: str | None = None
    log: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    """Fields of the policy, as given."""
    preset: PresetName = "default"
    run: RunSettings = RunSettings()


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
    _known(given, _TOP, path, "")
    about = _table(given, "policy", path)
    _known(about, _POLICY, path, "policy.")
    chosen = about.get("preset", "default")
    if chosen not in PRESETS:
        remedy = f"Choose one of {', '.join(PRESETS)}"
        raise UsageError(f"{path}: policy.preset is {chosen!r}", remedy=remedy, file=path)
    run = _table(given, "run", path)
    _known(run, tuple(RunSettings.__dataclass_fields__), path, "run.")
    fields: dict[str, Any] = {name: given[name] for name in _ROOMS if name in given}
    fields.update({name: value for name, value in about.items() if name != "preset"})
    log = given.get("log")
    if log is not None and not isinstance(log, str):
        raise UsageError(f'{path}: log is {log!r}, where a URL such as "{DEFAULT_LOG}" belongs', file=path)
    return Config(path, log, fields, chosen, _run_settings(run, path))


def _run_settings(given: dict[str, Any], path: str) -> RunSettings:
    for name in ("window", "live_window", "calls_in_flight"):
        value = given.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
            raise UsageError(f"{path}: run.{name} is {value!r}, where 1 to 100,000 belongs", file=path)
    outputs = given.get("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(name, str) for name in outputs):
        raise UsageError(f"{path}: run.outputs is {outputs!r}, where a list of file names belongs", file=path)
    # Files stand beside the configuration that names them, wherever the command is run.
    files = tuple(str(Path(path).parent / name) for name in outputs)
    return RunSettings(**{**given, "outputs": files})


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
    fields = _overlaid(preset(config.preset, len(chosen)), config.fields)
    fields = {"policy_id": config.preset, **fields, "agents": chosen, "occurred_at": occurred_at}
    try:
        return PolicyAdopted.model_validate_json(canonical_json(fields))
    except ValidationError as error:
        raise UsageError(f"{place}: {_with_hint(error)}", file=place) from error
    except ValueError as error:
        raise UsageError(f"{place}: {error} (amounts are integers with the unit in the name)", file=place) from error


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


def _table(given: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {name} is {value!r}, where a table [{name}] belongs", file=path)
    return value


def _known(given: dict[str, Any], names: Sequence[str], path: str, prefix: str) -> None:
    for name in given:
        if name not in names:
            raise UsageError(f"{path}: unknown setting {prefix}{name}", remedy=_hint(name, names), file=path)


def _hint(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(names)}"


def _with_hint(error: ValidationError) -> str:
    """Describe a failed validation; for an unknown field, say what it may have meant."""
    first = error.errors(include_url=False)[0]
    text = describe(error)
    if first["type"] != "extra_forbidden":
        return text
    model: Any = PolicyAdopted
    for part in first["loc"][:-1]:
        model = _below(model, part)
    names = list(getattr(model, "model_fields", {}))
    return f"{text}. {_hint(str(first['loc'][-1]), names)}" if names else text


def _below(model: Any, part: Any) -> Any:
    """Step from a model to the one in a field, as far as it can be told."""
    kinds = {"recorded": RecordedAgent, "simulated": SimulatedAgent}
    if part in kinds:
        return kinds[part]
    fields = getattr(model, "model_fields", {})
    return fields[part].annotation if part in fields else model
