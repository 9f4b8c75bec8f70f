"""Adopted policies of a log, and their differences."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from schemas.event import Event
from schemas.policies import PolicyAdopted
from streams.app.workspace import Workspace
from streams.audit.policy_names import PolicyNames
from streams.errors import UsageError
from streams.log import read_event
from streams.topology import POLICIES

ID_DIGITS = 12
"""Digits of an event id that are shown; a prefix of four or more names a policy."""
_LEAST_DIGITS = 4

_CIRCUMSTANCES = {"event_id", "occurred_at", "causes"}


class AdoptedPolicy(NamedTuple):
    """One adoption of a policy."""

    name: str
    """Name by content: `first`, or `first#2` for the second content under that name."""
    policy: PolicyAdopted

    @property
    def rules(self) -> str:
        """Versions of the rules under which it decides."""
        rules = self.policy.rule_versions
        return f"{rules.extractor}, {self.policy.kind.rpartition('.')[2]}"

    def as_json(self) -> dict[str, Any]:
        """Give one line of `orch policy history --format json`."""
        policy = self.policy
        return {
            "name": self.name,
            "policy_id": policy.policy_id,
            "event_id": policy.event_id,
            "adopted_at": policy.occurred_at,
            "agents": [agent.name for agent in policy.agents],
            "routing": policy.routing.rule,
            "merge": policy.merge.rule,
            "rules": policy.rule_versions.model_dump(mode="json"),
        }


class Change(NamedTuple):
    """A setting in which two policies differ; None where one does not have it."""

    setting: str
    before: Any
    after: Any


def policy_history(work: Workspace) -> list[AdoptedPolicy]:
    """
    List the adoptions of a log, the oldest first; a policy that came back into force is there twice.

    Raises:
        UsageError: The log holds no policy.
    """
    with work.open_reader(topics=(POLICIES,)) as reader:
        found = history_of(map(read_event, reader.records((POLICIES,))))
    if not found:
        raise UsageError(f"{work.log_url} holds no policy", remedy="`orch policy adopt` writes the configured one")
    return found


def history_of(events: Iterable[Event]) -> list[AdoptedPolicy]:
    """List the adoptions among events of the topic of policies, in their order, each once."""
    names, found = PolicyNames(), dict[str, AdoptedPolicy]()
    for event in events:
        if isinstance(event, PolicyAdopted) and event.event_id not in found:
            found[event.event_id] = AdoptedPolicy(names.add(event), event)
    return list(found.values())


def policy_named(history: list[AdoptedPolicy], given: str) -> AdoptedPolicy:
    """
    Find a policy by its name (`first`, `first#2`), its last adoption if there are several, or by a prefix of its id.

    Raises:
        UsageError: No policy is called so, or several ids begin so.
    """
    named = [one for one in history if one.name == given or (given == f"{one.policy.policy_id}#1" == f"{one.name}#1")]
    if named:
        return named[-1]
    begun = [one for one in history if len(given) >= _LEAST_DIGITS and one.policy.event_id.startswith(given.lower())]
    if len(begun) == 1:
        return begun[0]
    told = ", ".join(f"{one.name} ({one.policy.event_id[:ID_DIGITS]})" for one in history)
    what = f"{len(begun)} policies have ids that begin with" if begun else "no policy is called"
    raise UsageError(f"{what} {given!r}", remedy=f"There are {told}")


def policy_difference(before: PolicyAdopted, after: PolicyAdopted) -> list[Change]:
    """List the settings in which two policies differ, by their place; agents are compared by name."""
    given, taken = (settings_of(policy) for policy in (before, after))
    names = dict.fromkeys([*given, *taken])
    return [Change(name, given.get(name), taken.get(name)) for name in names if given.get(name) != taken.get(name)]


def settings_of(policy: PolicyAdopted) -> dict[str, Any]:
    """List the settings of a policy by their place, those of its agents under `agent.NAME`."""
    fields = policy.model_dump(mode="json", exclude={*_CIRCUMSTANCES, "agents"})
    agents = {agent.name: agent.model_dump(mode="json", exclude={"name"}) for agent in policy.agents}
    order = {"agents": [agent.name for agent in policy.agents]}
    return dict(_places({**fields, **order, "agent": agents}))


def _places(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """List the values inside objects by their place; a list is one value."""
    if not isinstance(value, dict):
        yield place, value
        return
    for name, below in value.items():
        yield from _places(below, f"{place}.{name}".lstrip("."))
