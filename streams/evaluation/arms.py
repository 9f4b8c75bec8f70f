"""Arms of an evaluation: rule, panel and routing."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any, Literal, NamedTuple

from streams.errors import UsageError
from streams.presets import CASCADE_STAGES, PresetName, preset
from streams.processors.decompose import FIXED_SUB_QUESTIONS

EMA_PANEL = 3
"""Agents that EMA routing seats, as in the published experiment, unless another number is given."""
NAMED_RULES = (
    *("vote", "weighted", "cascade", "odds", "odds-cascade", "odds-agreement"),
    *("agent", "fixed-parts", "dispatched-parts", "every-part", "published"),
)
"""
Rules that the evaluation sets up; a rule that this version of the merge lacks is reported as not run.

`agent`: a merge agent decides. `fixed-parts` and `dispatched-parts`: `weighted`, each agent on one sub-question, the
fixed ones or those of a dispatcher; `every-part`: each agent on each of the fixed ones, in a seat for each. All four
need answers that recorded outputs do not hold. `published`: the preset, which seats three by its own averages and
observes the others; where outputs hold no verdicts, they are simulated.
"""
PUBLISHED: PresetName = "published"
EVERY_PART = "every-part"
NEED_CALLS = ("agent", "fixed-parts", "dispatched-parts", EVERY_PART)
_CLONES = re.compile(r"(?P<agent>[^*]+)\*(?P<count>[0-9]{1,2})")


_ROUTING = re.compile(r"static|ema(?:=(?P<seats>[1-9][0-9]?))?")


class ArmRouting(NamedTuple):
    """
    How agents of a panel are chosen.

    Attributes:
        kind: `static`: the panel as listed; `ema`: averages choose.
        seats: Most agents that averages choose.
    """

    kind: Literal["static", "ema"]
    seats: int = EMA_PANEL

    def __str__(self) -> str:
        return self.kind if self.seats == EMA_PANEL else f"{self.kind}={self.seats}"


def parse_routing(text: str) -> ArmRouting:
    """
    Read `static`, `ema`, or `ema=2` for another number of agents than three.

    Raises:
        UsageError: It is none of them.
    """
    found = _ROUTING.fullmatch(text)
    if found is None:
        raise UsageError(f"--routing: {text!r} is no routing", remedy="Write static, ema, or ema=2 for two agents")
    if text == "static":
        return ArmRouting("static")
    return ArmRouting("ema", int(found["seats"] or EMA_PANEL))


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
        routing: Who of the panel is asked.
    """

    panel: Panel
    rule: str
    routing: ArmRouting

    @property
    def name(self) -> str:
        """Name in reports and files."""
        routed = "" if self.routing.kind == "static" else f"+{self.routing}".replace("=", "")
        return f"{self.panel.label}/{self.rule}{routed}"

    @property
    def file_name(self) -> str:
        """Its name as a part of file names."""
        return re.sub(r"[^A-Za-z0-9.+-]", "_", self.name)

    @property
    def members(self) -> Mapping[str, str]:
        """Agents with a seat, and the agent that each is: under `every-part` one for each part, in the parts' order."""
        if self.rule != EVERY_PART:
            return self.panel.members
        parts = range(1, len(FIXED_SUB_QUESTIONS) + 1)
        return {f"{name}+part{part}": whose for name, whose in self.panel.members.items() for part in parts}

    def policy(self) -> dict[str, Any]:
        """Give the fields of its policy, without the agents, as a configuration file would give them."""
        members = len(self.members)
        if self.rule == PUBLISHED:
            fields = preset(PUBLISHED, members)
            fields["routing"]["panel_size"] = min(self.routing.seats, members)
            return {"policy_id": "eval", **fields}
        routing: dict[str, Any] = {
            "rule": "static",
            "panel_size": members,
            "exploration": {"kind": "none", "warm_up": 0},
        }
        if self.routing.kind == "ema":
            routing = {"panel_size": min(self.routing.seats, members)}
        if self.rule.endswith(("-parts", EVERY_PART)):
            return {
                "policy_id": "eval",
                "routing": routing,
                "merge": {"rule": "weighted"},
                "decomposition": "dispatcher" if self.rule == "dispatched-parts" else "fixed",
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


def arms_of(panels: Sequence[Panel], rules: Sequence[str], routings: Sequence[ArmRouting]) -> list[Arm]:
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
        if not (rule == "vote" and routing.kind == "static")
        # EMA routing that seats the whole panel chooses nothing.
        and not (routing.kind == "ema" and len(panel.members) <= routing.seats and rule not in ("cascade",))
        # These choose whom to ask by themselves; the preset seats as many as it is told to.
        and not (routing.kind == "ema" and rule in ("odds-cascade", EVERY_PART))
        and not (routing == ArmRouting("ema") and rule == PUBLISHED)
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
