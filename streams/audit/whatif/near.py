"""Near-equal policies, and the answers that hang on their choice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from streams.audit.whatif.outcome import Compared, Multiplicity, NearPolicy

POINTS_PPB = 50_000_000
"""Step of a share, five percentage points: about as far as people tell such a setting apart."""


class Knob(NamedTuple):
    """A numeric setting with its step."""

    key: str
    step: Literal["one", "points", "double"]
    """`one` more or less; five percentage `points`; `double` and half."""
    matters: Callable[[PolicyAdopted], bool]


def _always(_: PolicyAdopted) -> bool:
    return True


def _in_stages(policy: PolicyAdopted) -> bool:
    return policy.in_stages


def _scores(policy: PolicyAdopted) -> bool:
    return policy.routing.rule == "weighted"


def _routes(policy: PolicyAdopted) -> bool:
    return policy.routing.rule != "static"


def _learns(policy: PolicyAdopted) -> bool:
    return _routes(policy) or policy.merge.rule != "vote"


def _odds(policy: PolicyAdopted) -> bool:
    return isinstance(policy, PolicyAdoptedV2) and policy.merge.rule == "odds"


def _by_subject(policy: PolicyAdopted) -> bool:
    return policy.routing.by_subject and _learns(policy)


def _bonus(policy: PolicyAdopted) -> bool:
    return _scores(policy) and policy.routing.exploration.kind == "ucb"


KNOBS = (
    Knob("routing.panel_size", "one", _always),
    Knob("merge.quorum", "one", _always),
    Knob("merge.reserve", "one", lambda policy: policy.merge.quorum > 1),
    Knob("merge.accept_ppb", "points", _in_stages),
    Knob("merge.window_ppb", "points", _in_stages),
    Knob("odds.gain_per_call_ppb", "double", _odds),
    Knob("odds.warm_up_lessons", "double", _odds),
    Knob("odds.warm_up_panels", "double", _odds),
    Knob("odds.audit_every", "double", _odds),
    Knob("routing.shrinkage", "double", _by_subject),
    Knob("routing.exploration.warm_up", "double", _routes),
    Knob("routing.exploration.bonus_ppb", "double", _bonus),
    Knob("routing.weights.stability_ppb", "double", _scores),
    Knob("routing.weights.latency_ppb", "double", _scores),
    Knob("routing.weights.cost_ppb", "double", _scores),
    Knob("learning.averaging.alpha_ppb", "double", _learns),
    Knob("learning.averaging.cold_start.quality_ppb", "points", _learns),
)


def steps_of(policy: PolicyAdopted) -> Iterator[tuple[str, int]]:
    """List the steps from a policy: setting and value, up before down; a step that changes nothing is none."""
    for knob in KNOBS:
        value = value_at(policy, knob.key)
        if not knob.matters(policy) or not isinstance(value, int):
            continue
        up, down = {
            "one": (value + 1, value - 1),
            "points": (value + POINTS_PPB, value - POINTS_PPB),
            "double": (value * 2, value // 2),
        }[knob.step]
        yield from ((knob.key, stepped) for stepped in (up, down) if stepped != value and stepped >= 0)


def value_at(policy: PolicyAdopted, key: str) -> Any:
    """Give the value of a setting, named as in orch.toml; None if the policy has none."""
    value: Any = policy
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


@dataclass(slots=True)
class Hanging:
    """Collects which answers hang on the choice of a near policy."""

    found: Multiplicity
    _covered: set[str]

    @classmethod
    def empty(cls) -> "Hanging":
        """Begin."""
        return cls(Multiplicity(), set())

    def add(self, change: str, rows: Iterator[Compared]) -> None:
        """Add the questions under one policy of the set; only exact ones count."""
        exact = changed = 0
        for row in rows:
            if row.coverage != "exact":
                continue
            exact += 1
            self._covered.add(row.question_id)
            if row.changed:
                changed += 1
                self.found.hanging.setdefault(row.question_id, []).append(change)
        self.found.policies.append(NearPolicy(change, exact, changed))
        self.found.questions = len(self._covered)
