"""Policies in the place of a log's own."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.canonical import canonical_json, written_fields
from schemas.odds import Odds
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.registry import describe
from schemas.rules import NEWEST_ODDS_RULES
from streams.app.policy_history import settings_of
from streams.errors import UsageError
from streams.settings import build_policy, load_config
from streams.written_amounts import plain_amounts

_PLACE = "--set"
MOST_SEATS = 64
"""Agents of a policy, at most."""
_UNCHANGED = ("kind", "policy_id", "rules", "agent", "agents")
"""Settings that `--set` does not change: agents are tables in a list, so a whole file names them."""


def parse_settings(given: Sequence[str]) -> dict[str, Any]:
    """
    Read settings written `KEY=VALUE`: keys as in orch.toml, with dots; values as in TOML, where a bare word is a text.

    Raises:
        UsageError: One has no `=`, or a setting is there twice.
    """
    settings: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"{_PLACE} {text}: no KEY=VALUE", remedy="Write --set merge.rule=vote")
        if key in settings:
            raise UsageError(f"{_PLACE}: {key} is there twice", remedy="Set it once")
        settings[key] = _value(value.strip())
    return settings


def _value(text: str) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    # Decimals are exact as a text: 0.8 of a share.
    return text if isinstance(value, float) else value


def changed_policy(policy: PolicyAdopted, settings: Mapping[str, Any]) -> PolicyAdopted:
    """
    Give a policy with some settings changed; the policy itself without any.

    Stages follow another size of the panel, and versions of rules follow the rule `odds`, unless they are set too.

    Raises:
        UsageError: A setting is unknown, or its value invalid; it names the policy.
    """
    fields: dict[str, Any] = orjson.loads(policy.encode())
    fields.pop("event_id")
    for key, value in settings.items():
        _require_known(policy, key)
        table = fields
        *above, name = key.split(".")
        for part in above:
            table = table.setdefault(part, {})
        table[name] = value
    if "routing.panel_size" in settings and "merge.stages" not in settings:
        _follow_size(fields)
    _follow_odds(policy, fields)
    for name in ("routing", "merge", "odds", "learning", "budget", "deadline_ms"):
        if name in fields:
            fields |= plain_amounts({name: fields[name]}, _PLACE)
    try:
        return type(policy).model_validate_json(canonical_json(fields))
    except ValidationError as error:
        text = f"{_PLACE}: {describe(error)}"
        remedy = f"It is the policy {policy.policy_id} of the log that was to be changed; `orch policy show` prints it"
        raise UsageError(text, remedy=remedy) from None
    except ValueError as error:
        raise UsageError(f"{_PLACE}: {error}", remedy='Write an amount as in orch.toml, such as "0.8"') from None


def _require_known(policy: PolicyAdopted, key: str) -> None:
    known = [name for name in settings_of(policy) if name.partition(".")[0] not in _UNCHANGED]
    if isinstance(policy, PolicyAdoptedV2):
        known += [f"odds.{name}" for name in Odds.model_fields]
    if key in known:
        return
    if key.partition(".")[0] in _UNCHANGED:
        raise UsageError(
            f"{_PLACE} {key}: agents and rules are no single settings", remedy="Give a whole --policy FILE"
        )
    close = difflib.get_close_matches(key, known, n=1)
    remedy = f"Did you mean {close[0]}?" if close else "`orch policy show` prints all settings"
    raise UsageError(f"{_PLACE} {key}: unknown setting", remedy=remedy)


def _follow_size(fields: dict[str, Any]) -> None:
    """Let the stages of a cascade add up to another size of the panel: further stages of one, or fewer at the end."""
    size, stages = fields["routing"]["panel_size"], list(fields["merge"].get("stages", ()))
    if not isinstance(size, int) or size < 1 or size > MOST_SEATS:
        return
    while sum(stages) > size:
        stages[-1] -= 1
        stages = [stage for stage in stages if stage]
    fields["merge"]["stages"] = [*stages, *([1] * (size - sum(stages)))]


def _follow_odds(policy: PolicyAdopted, fields: dict[str, Any]) -> None:
    """Let versions and settings of the rule `odds` come and go with the rule."""
    if not isinstance(policy, PolicyAdoptedV2) or not isinstance(fields.get("merge"), dict):
        return
    rules = fields["rules"]
    if fields["merge"].get("rule") != "odds":
        fields["rules"] = {name: version for name, version in rules.items() if name not in ("odds", "tune")}
        fields.pop("odds", None)
    elif policy.merge.rule != "odds":
        newest = written_fields(NEWEST_ODDS_RULES)
        fields["rules"] = {**rules, "odds": newest["odds"], "tune": newest["tune"]}
        fields["odds"] = {**written_fields(Odds()), **fields.get("odds", {})}


def policy_of_file(file: Path, newest: PolicyAdopted) -> PolicyAdopted:
    """
    Build the policy of a configuration file; without agents in it, it has those of the newest policy of the log.

    Raises:
        UsageError: The file is missing or wrong.
    """
    config = load_config(file, required=True)
    agents = None
    if not config.fields.get("agents"):
        agents = [agent.model_dump(mode="json", exclude_none=True) for agent in newest.agents]
    return build_policy(config, newest.occurred_at, agents=agents)
