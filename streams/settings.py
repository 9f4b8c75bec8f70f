"""Settings of orch.toml, and the policy they stand for."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field, ValidationError
from pydantic_core import to_json

from schemas.agents import AgentSpecV2, OpenAIAgentV2
from schemas.canonical import canonical_json, written_fields
from schemas.event import Fact
from schemas.odds import Odds
from schemas.own_rules import OwnRule
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.prompts import Prompts
from schemas.registry import describe
from schemas.rules import NEWEST_ODDS_RULES, NEWEST_RULES
from streams.errors import UsageError
from streams.presets import ONE_AT_A_TIME, PresetName, RulesName, preset
from streams.written_amounts import plain_amounts

DEFAULT_LOG = "sqlite:///orch.db"
DEFAULT_CONFIG = "orch.toml"
PRESETS: tuple[PresetName, ...] = ("default", "reference", "reference-lexicographic", "published")

NONE = "none"
"""Stands for `None` in a file, because TOML has no null."""

_MAY_BE_NONE = ("temperature_ppb", "seed", "price")
"""Settings of agents that `none` turns off; in any other setting it is an ordinary text."""

_ABOUT_KEYS = ("key", "token", "secret", "password", "credential", "authorization", "bearer")
"""Words in a setting's name which suggest that its value is an API key."""
_NAME_THE_VARIABLE = (
    'No key stands in this file: put it into an environment variable, and name that: key_env = "MY_PROVIDER_API_KEY"'
)
_KEY_ITSELF = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).{24,}")
"""
Values of `key_env` that are API keys. Such a key may be a valid name of a variable, and would be published as one; no
real name mixes lower case, upper case and digits at this length.
"""
_NEVER_REPEATED = {
    # Field: what is wrong with it. Its value is not repeated, because it may be or contain an API key.
    "key_env": "holds no name of an environment variable (letters, digits and _)",
    "base_url": "holds no http(s) URL without user, password, ? and #",
}


_Many = Annotated[int, Field(ge=1, le=100_000)]


class RunSettings(Fact):
    """How `run` drives the stages; it is no part of the policy."""

    window: _Many = 32
    """Questions open at a time while all agents answer at once; learning lags by as many."""
    live_window: _Many = 256
    """Questions open at a time if some agent takes its time."""
    calls_in_flight: _Many = 1_000
    state_cache_mib: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """On Kafka: memory for loaded states, one bound for all partitions and stages of a process, in MiB."""
    outputs: tuple[str, ...] = ()
    """Outputs files of the recorded agents."""
    replies: Annotated[str, Field(min_length=1)] | None = None
    """File that caches replies of live agents: the same request is not sent again. None: no cache."""


class _PolicyTable(Fact):
    """Table [policy] of the file; the policy built from it checks the values."""

    policy_id: Any = None
    preset: PresetName = "default"
    rules: RulesName = "v2"
    decomposition: Any = None
    deadline_ms: Any = None


class _File(Fact):
    """A configuration file. Fields of type Any are merged over the preset, and the policy checks them."""

    log: str | None = None
    policy: _PolicyTable = _PolicyTable()
    agents: Any = None
    routing: Any = None
    merge: Any = None
    odds: Any = None
    learning: Any = None
    budget: Any = None
    prompts: Any = None
    run: RunSettings = RunSettings()


@dataclass(frozen=True, slots=True)
class Config:
    """Contents of a configuration file; names are checked, values not yet."""

    path: str | None = None
    log: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    """Fields of the policy, as given."""
    preset: PresetName = "default"
    rules: RulesName = "v2"
    run: RunSettings = field(default_factory=RunSettings)
    own_rule: OwnRule | None = None
    """The merge rule of another distribution that `merge.rule` names; None under a rule of ours."""


def load_config(path: Path, *, required: bool) -> Config:
    """
    Read a configuration file.

    Args:
        path: A TOML file as `orch init` writes it.
        required: Whether a missing file is an error; else it means the defaults.

    Raises:
        UsageError: The file is missing, unreadable or not TOML, or holds an unknown name.
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
    return config_of(given, str(path))


def config_of(given: dict[str, Any], path: str) -> Config:
    """
    Read the content of a configuration file.

    Args:
        given: Its tables, as TOML gives them.
        path: The file, which its paths are relative to; it stands for it in messages.

    Raises:
        UsageError: It holds an unknown name.
    """
    try:
        file = _File.model_validate_json(to_json(given))
    except ValidationError as error:
        text, remedy = _told(error, _File)
        raise UsageError(f"{path}: {text}", remedy=remedy, file=path) from None
    fields = {name: given[name] for name in given if name not in ("log", "policy", "run")}
    fields |= {name: value for name, value in given.get("policy", {}).items() if name not in ("preset", "rules")}
    # Paths are relative to the configuration file, not to the working directory.
    beside, run = Path(path).parent, file.run
    outputs = tuple(str(beside / name) for name in run.outputs)
    run = run.model_copy(update={"outputs": outputs, "replies": run.replies and str(beside / run.replies)})
    config = Config(path, file.log, fields, rules=file.policy.rules, run=run)
    return with_preset(config, file.policy.preset, window="window" in given.get("run", {}))


def with_preset(config: Config, name: PresetName, *, window: bool = False) -> Config:
    """
    Give a configuration another preset.

    Args:
        window: Whether the number of open questions was chosen; otherwise the preset may choose it.
    """
    run = config.run
    if name in ONE_AT_A_TIME and not window:
        run = run.model_copy(update={"window": 1, "live_window": 1})
    return replace(config, preset=name, run=run)


def build_policy(config: Config, occurred_at: str, *, agents: Sequence[dict[str, Any]] | None = None) -> PolicyAdopted:
    """
    Build the policy that a configuration stands for.

    Args:
        config: Fields that it does not set come from its preset.
        occurred_at: Time of its adoption.
        agents: Agents instead of the configured ones, as a configuration file would give them.

    Raises:
        UsageError: A field is unknown or its value invalid; the message names file, field and remedy.
    """
    place = config.path or "configuration"
    chosen = list(agents) if agents is not None else config.fields.get("agents")
    if not isinstance(chosen, list) or not chosen:
        raise UsageError(f"{place} names no agents", remedy="Add [[agents]] tables; `orch init` writes an example")
    # A file may change one instruction and keep the others.
    under = {**preset(config.preset, len(chosen), config.rules), "prompts": Prompts().model_dump(mode="json")}
    settings = {name: value for name, value in config.fields.items() if name != "agents"}
    fields = _overlaid(under, plain_amounts(settings, place))
    given = plain_amounts([_told_apart(agent) for agent in chosen], place, "agents")
    for number, agent in enumerate(given):
        if isinstance(agent, dict) and _KEY_ITSELF.match(str(agent.get("key_env", ""))):
            text = f"{place}: agents.{number}.key_env looks like a key, not like the name of a variable"
            raise UsageError(text, remedy=_NAME_THE_VARIABLE, file=place)
        newer = [name for name in OpenAIAgentV2.added_fields if isinstance(agent, dict) and name in agent]
        if newer and config.rules == "v1":
            text = f'{place}: agents.{number}.{newer[0]} is no setting of v1, and [policy] says rules = "v1"'
            raise UsageError(text, remedy=f'Remove {newer[0]}, or set rules = "v2"', file=place)
    fields = {"policy_id": config.preset, **fields, "agents": given, "occurred_at": occurred_at}
    by_odds = isinstance(fields["merge"], dict) and fields["merge"].get("rule") == "odds"
    if config.rules == "v1" and (by_odds or "odds" in fields):
        text = f'{place}: the merge rule odds is none of v1, and [policy] says rules = "v1"'
        raise UsageError(text, remedy='Set rules = "v2", or choose another merge.rule and remove [odds]', file=place)
    model: type[PolicyAdopted] = PolicyAdopted
    if config.rules == "v2":
        model, fields["rules"] = PolicyAdoptedV2, written_fields(NEWEST_ODDS_RULES if by_odds else NEWEST_RULES)
    if by_odds and fields["merge"].get("merge_agent") is True:
        text = f"{place}: the merge rule odds asks no merge agent, and [merge] says merge_agent = true"
        raise UsageError(text, remedy='Set merge.rule = "cascade", or remove merge_agent', file=place)
    if config.own_rule is not None:
        if config.rules == "v1":
            text = f'{place}: the merge rule {config.own_rule.name} is none of v1, and [policy] says rules = "v1"'
            raise UsageError(text, remedy='Set rules = "v2"', file=place)
        fields = _overlaid(fields, {"merge": {"rule": "own"}, "own_rule": written_fields(config.own_rule)})
    if by_odds:
        # A policy holds the whole configuration, so that no later default changes what it stands for.
        fields = _overlaid({"odds": Odds().model_dump()}, fields)
    _without_shadow(fields, config.rules, place)
    no_json = _no_json(fields, "")
    if no_json is not None:
        raise UsageError(f"{place}: {no_json}", file=place)
    try:
        return model.model_validate_json(canonical_json(fields))
    except ValidationError as error:
        text, remedy = _told(error, model)
        # Not `from error`: it quotes the value, which may be an API key.
        raise UsageError(f"{place}: {text}", remedy=remedy, file=place) from None
    except ValueError as error:
        raise UsageError(f"{place}: {error}", file=place) from None


def _without_shadow(fields: dict[str, Any], rules: RulesName, place: str) -> None:
    """Take a setting out that says `none`, which policies hold as unset; refuse any other under the rules of v1."""
    routing = fields.get("routing")
    if not isinstance(routing, dict) or "shadow" not in routing:
        return
    if routing["shadow"] == NONE:
        del routing["shadow"]
    elif rules == "v1":
        text = f'{place}: shadow seats (routing.shadow) are none of v1, and [policy] says rules = "v1"'
        raise UsageError(text, remedy='Set rules = "v2", or choose another preset', file=place)


def same_policy(first: PolicyAdopted, second: PolicyAdopted) -> bool:
    """Whether two policies differ in nothing but the time of their adoption."""
    unlike = {"event_id", "occurred_at", "causes"}
    return first.model_dump(exclude=unlike) == second.model_dump(exclude=unlike)


def same_settings(first: PolicyAdopted, second: PolicyAdopted) -> bool:
    """Whether two policies differ in nothing but the time of their adoption and the versions of their rules."""
    unlike = {"event_id", "occurred_at", "causes", "kind", "rules"}
    # A setting that only policies of v2 have is None where it is not set.
    return first.model_dump(exclude=unlike, exclude_none=True) == second.model_dump(exclude=unlike, exclude_none=True)


def succeeding(policy: PolicyAdopted, before: PolicyAdopted | None) -> PolicyAdopted:
    """
    Give a policy that is to replace another one, which becomes its cause.

    Without that a policy that was in force before, with the same time, would be the same event, and a log takes an
    event once: the policy would not come into force again.
    """
    if before is None:
        return policy
    fields = {name: getattr(policy, name) for name in type(policy).model_fields if name not in ("event_id", "causes")}
    return type(policy)(**fields, causes=(before.event_id,))


def _overlaid(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge *over* into *under*, table by table; values of *over* win."""
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
    """Find a value that TOML can hold and an event cannot; name its place, not the value, which may be an API key."""
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
    Describe a failed validation: what is wrong, and what to do.

    The value of an unknown field, or of a field where people have put API keys, is not repeated.
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
    """Whether an unknown name suggests an API key, rather than a misspelt setting."""
    close = difflib.get_close_matches(name, known, n=1)
    return any(word in name.lower() for word in _ABOUT_KEYS) and close in ([], ["key_env"])


def _fields_at(place: Sequence[int | str], model: Any) -> list[str]:
    """List the fields of the model that holds a place; none if that cannot be told."""
    for part in place[:-1]:
        model = _below(model, part)
    return list(getattr(model, "model_fields", {}))


_AGENTS: dict[str, Any] = {model.model_fields["kind"].default: model for model in get_args(get_args(AgentSpecV2)[0])}
"""Models of agents by kind, which stands in the place of an error."""


def _below(model: Any, part: Any) -> Any:
    """Step into one part of a place: to the model of a field; a list index stays at the model."""
    if part in _AGENTS:
        return _AGENTS[part]
    fields = getattr(model, "model_fields", {})
    if part not in fields:
        return model
    annotation = fields[part].annotation
    # Of `Price | None`, take the model.
    return next((kind for kind in get_args(annotation) if hasattr(kind, "model_fields")), annotation)
