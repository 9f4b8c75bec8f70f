"""Arms of an evaluation: rule, panel and routing."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any, Literal

from streams.errors import UsageError
from streams.presets import CASCADE_STAGES, PresetName, preset

Routing = Literal["static", "ema"]
EMA_PANEL = 3
"""Agents that EMA routing seats, as in the published experiment."""
NAMED_RULES = (
    *("vote", "weighted", "cascade", "odds", "odds-cascade", "odds-agreement"),
    *("agent", "fixed-parts", "dispatched-parts", "published"),
)
"""
Rules that the evaluation sets up; a rule that this version of the merge lacks is reported as not run.

`agent`: a merge agent decides. `fixed-parts` and `dispatched-parts`: `weighted`, each agent on one sub-question, the
fixed ones or those of a dispatcher. All three need answers that recorded outputs do not hold. `published`: the preset,
which seats three by its own averages and observes the others; where outputs hold no verdicts, they are simulated.
"""
PUBLISHED: PresetName = "published"
NEED_CALLS = ("agent", "fixed-parts", "dispatched-parts")
_CLONES = re.compile(r"(?P<agent>[^*]+)\*(?P<count>[0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class Panel:
    """
    Agents that may be asked, in the order that settles ties.

    Attributes:
        label: Its name in the report.
        members: Each agent, and the agent whose outputs it plays back: itself, unless it is a clone.
    """

    label: str
    members: Mapping[str, str]

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents."""
        return tuple(self.members)


@dataclass(frozen=True, slots=True)
class Arm:
    """
    One configuration that is run on each order of the questions.

    Attributes:
        panel: Its agents.
        rule: A name of `NAMED_RULES`.
        routing: `static`: the panel as listed; `ema`: averages choose at most `EMA_PANEL` of it.
    """

    panel: Panel
    rule: str
    routing: Routing

    @property
    def name(self) -> str:
        """Name in reports and files."""
        return f"{self.panel.label}/{self.rule}{'+ema' if self.routing == 'ema' else ''}"

    @property
    def file_name(self) -> str:
        """Its name as a part of file names."""
        return re.sub(r"[^A-Za-z0-9.+-]", "_", self.name)

    def policy(self) -> dict[str, Any]:
        """Give the fields of its policy, without the agents, as a configuration file would give them."""
        members = len(self.panel.members)
        if self.rule == PUBLISHED:
            return {"policy_id": "eval", **preset(PUBLISHED, members)}
        routing: dict[str, Any] = {
            "rule": "static",
            "panel_size": members,
            "exploration": {"kind": "none", "warm_up": 0},
        }
        if self.routing == "ema":
            routing = {"panel_size": min(EMA_PANEL, members)}
        if self.rule.endswith("-parts"):
            return {
                "policy_id": "eval",
                "routing": routing,
                "merge": {"rule": "weighted"},
                "decomposition": "fixed" if self.rule == "fixed-parts" else "dispatcher",
            }
        merge, more = _merge(self.rule, members, routing)
        return {"policy_id": "eval", "routing": routing, "merge": merge, **more}


def _merge(rule: str, members: int, routing: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the merge table of a rule, and tables beside it; a cascade decides how many are asked."""
    if rule == "cascade":
        stages = stages_of(members)
        routing["panel_size"] = sum(stages)
        return {"rule": "cascade", "stages": stages}, {}
    if rule.startswith("odds"):
        size = routing["panel_size"]
        settings: dict[str, Any] = {"cascade": rule == "odds-cascade"}
        if rule == "odds-agreement":
            settings["learn_from"] = "agreement"
        # Until its first lesson it decides as the cascade does, whose stages must name the whole panel.
        return {"rule": "odds", "stages": [size] if size < 3 else [2, *[1] * (size - 2)]}, {"odds": settings}
    return {"rule": rule}, {}


def stages_of(members: int) -> list[int]:
    """Cut the stages of the default cascade to a panel."""
    stages: list[int] = []
    for size in CASCADE_STAGES:
        if (room := members - sum(stages)) > 0:
            stages.append(min(size, room))
    return stages


def arms_of(panels: Sequence[Panel], rules: Sequence[str], routings: Sequence[Routing]) -> list[Arm]:
    """
    List the arms that have to be run.

    `vote` over a whole panel is not among them: it and the single agents follow from the one log in which everybody
    was asked, question by question, whatever the order.
    """
    return [
        Arm(panel, rule, routing)
        for panel in panels
        for rule in rules
        for routing in routings
        if not (rule == "vote" and routing == "static")
        # EMA routing that seats the whole panel chooses nothing.
        and not (routing == "ema" and len(panel.members) <= EMA_PANEL and rule not in ("cascade",))
        # These choose whom to ask by themselves.
        and not (routing == "ema" and rule in ("odds-cascade", PUBLISHED))
    ]


def random_panels(agents: Sequence[str], count: int, seed: int) -> list[Panel]:
    """
    Draw different panels of two to five agents, by SHA-256 of seed and number.

    Raises:
        UsageError: There are not so many panels.
    """
    most = min(5, len(agents))
    possible = sum(comb(len(agents), size) for size in range(2, most + 1))
    if count > possible:
        raise UsageError(f"--random-panels {count}: {len(agents)} agents make {possible} panels", remedy="Draw fewer")
    found: dict[tuple[str, ...], Panel] = {}
    number = 0
    while len(found) < count:
        number += 1
        mark = hashlib.sha256(f"{seed}/panel {number}".encode()).digest()
        size = 2 + mark[0] % (most - 1)
        ranked = sorted(agents, key=lambda agent: hashlib.sha256(mark + agent.encode()).digest())
        members = tuple(agent for agent in agents if agent in ranked[:size])
        found.setdefault(members, Panel(f"random {len(found) + 1}", {agent: agent for agent in members}))
    return list(found.values())


def parse_panel(text: str, known: Sequence[str]) -> Panel:
    """
    Read a panel: `LABEL=AGENT,AGENT,...`, or the agents alone; `AGENT*3` is an agent and two clones of it.

    Raises:
        UsageError: An agent is not known, or is there twice.
    """
    label, equals, listed = text.rpartition("=")
    members: dict[str, str] = {}
    for part in filter(None, (name.strip() for name in listed.split(","))):
        cloned = _CLONES.fullmatch(part)
        agent = cloned["agent"] if cloned else part
        if agent not in known:
            raise UsageError(f"--panel: no agent is called {agent!r}", remedy=f"There are {', '.join(known)}")
        for number in range(1, (int(cloned["count"]) if cloned else 1) + 1):
            name = agent if number == 1 else f"{agent}+clone{number}"
            if name in members:
                raise UsageError(f"--panel: {name!r} is there twice", remedy=f"Write {agent}*2 for a clone of it")
            members[name] = agent
    if not members:
        raise UsageError(f"--panel: {text!r} names no agent", remedy="Write LABEL=AGENT,AGENT")
    return Panel(label.strip() if equals else f"panel of {len(members)}", members)


@dataclass(frozen=True, slots=True)
class NotRun:
    """Something the evaluation was to measure and did not, with the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What an evaluation runs; the same plan gives the same outcomes.

    Attributes:
        seed: Of the orders, samples and resamples.
        orders: Number of orders of the questions.
        window: Questions open at a time; with 1 each question is learned before the next is asked.
    """

    arms: Sequence[Arm]
    panels: Sequence[Panel]
    seed: int = 42
    orders: int = 20
    window: int = 1
    not_run: Sequence[NotRun] = field(default_factory=tuple)
