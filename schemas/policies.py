"""Policies: the whole configuration as an event, minus secrets."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.agents import AgentSpec, AgentSpecV2, LiteLLMAgent, OpenAIAgent
from schemas.event import ADDED, Event, Fact
from schemas.odds import Odds
from schemas.own_rules import OwnRule
from schemas.prompts import Prompts
from schemas.quantities import PPB, AgentName, CallNusd, Count, GivenInstant, Ms, Name, Nusd, Ppb
from schemas.rules import FIRST_RULES, RuleVersions

FeedbackSource = Literal["gold", "human", "downstream", "judge", "agreement"]
MergeRule = Literal["vote", "weighted", "agent", "cascade"]
MergeRuleV2 = MergeRule | Literal["odds", "own"]
"""`own`: a rule of another distribution, which the policy names in `own_rule`."""


class ColdStart(Fact):
    """Averages of an agent before any observation. Defaults: the reference's `weighted` rule."""

    quality_ppb: Ppb = 500_000_000
    latency_ms: Ms = 2_000
    cost_nusd: CallNusd = 0
    stability_ppb: Ppb = 900_000_000


class ScoreWeights(Fact):
    """
    Terms of the `weighted` score: q + w_s s - w_l min(latency / latency_scale, cap) - w_c min(cost / cost_scale, cap).

    Source: the reference script of arXiv 2602.01797, which has 0.1, 0.3, 0.1, 5,000 ms, $0.002 and a cap of 3.
    """

    stability_ppb: Ppb = 100_000_000
    latency_ppb: Ppb = 300_000_000
    cost_ppb: Ppb = 100_000_000
    latency_scale_ms: Annotated[int, Field(ge=1, le=10**9)] = 5_000
    cost_scale_nusd: Annotated[int, Field(ge=1, le=10**12)] = 2_000_000
    cap: Annotated[int, Field(ge=1, le=1_000)] = 3


class Exploration(Fact):
    """How the router observes agents that it would not choose; it uses no random numbers."""

    warm_up: Annotated[int, Field(ge=0, le=1_000_000)] = 32
    """All agents are asked, in one stage, while any was asked fewer questions than this."""
    kind: Literal["none", "ucb", "nth"] = "ucb"
    bonus_ppb: Ppb = 100_000_000
    """`ucb`: the score gains bonus x sqrt(ln N / n), with the agent observed on n questions, all agents on N."""
    every: Annotated[int, Field(ge=2, le=1_000_000)] = 10
    """`nth`: one question in so many, chosen by its id, seats the agent observed least in the last seat."""


class Routing(Fact):
    """How the panel is chosen from the agents."""

    rule: Literal["weighted", "lexicographic", "static"] = "weighted"
    panel_size: Annotated[int, Field(ge=1, le=64)] = 3
    """Agents that may be asked, in all stages together; the reserve comes on top."""
    by_subject: bool = True
    """Whether each subject has EMAs of its own, beside those over all subjects."""
    shrinkage: Count = 50
    """Pull k of the global EMA on a subject's, in observations: (n x subject + k x global) / (n + k)."""
    weights: ScoreWeights = ScoreWeights()
    exploration: Exploration = Exploration()
    priority: tuple[AgentName, ...] = ()
    """Order that settles ties; empty: the order of the agents in the policy."""
    merger: Literal["first", "second"] | AgentName = "first"
    """The merge agent, where the rule needs one: rank 1, rank 2, or a named agent."""


class RoutingV2(Routing):
    """The same in a policy of v2, which may have agents asked beside the panel."""

    shadow: Annotated[Literal["all"] | None, ADDED] = None
    """
    `all`: every agent without a seat in the panel is asked beside it. Its analysis is observed and never counted, and
    the decision waits for it. Then the calls of dispatcher and merge agent move no averages: each agent is observed
    once a question. Unset: the panel alone is asked.
    """


class SourceWeights(Fact):
    """Share of a full step that feedback of each source is worth; 0: it moves nothing."""

    gold: Ppb = PPB
    human: Ppb = PPB
    downstream: Ppb = 500_000_000
    judge: Ppb = 250_000_000
    agreement: Ppb = 0
    """A router that learns from its own consensus collapses, so agreement counts only if a policy says so."""


class Averaging(Fact):
    """How one observation moves an EMA. The first one sets the value; then new = old + step x (observed - old)."""

    step: Literal["fixed", "harmonic"] = "harmonic"
    """`fixed`: alpha. `harmonic`: max(alpha, 1 / (n + 2)), with n earlier observations."""
    alpha_ppb: Annotated[int, Field(ge=1, le=PPB)] = 5_000_000
    cold_start: ColdStart = ColdStart()


class Learning(Fact):
    """Rules of learning. They travel with the question, so that a new policy does not rewrite its past."""

    averaging: Averaging = Averaging()
    source_weights: SourceWeights = SourceWeights()


class Merge(Fact):
    """How ballots become a decision."""

    rule: MergeRule = "weighted"
    quorum: Annotated[int, Field(ge=1, le=64)] = 1
    """Ballots needed for a decision; with fewer, it is `undecided`."""
    reserve: Annotated[int, Field(ge=0, le=64)] = 0
    """Agents beyond the panel to ask, one at a time in rank order, while there are fewer ballots than the quorum."""
    ties: Literal["rank", "priority"] = "rank"
    """What settles ties: the router's order for this question, or the fixed priority list."""
    number_choices: Annotated[int, Field(ge=2, le=1_000_000)] = 10
    """The K of the log-odds where the answer is a number and no options say how many there are."""
    stages: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (1, 1, 1)
    """`cascade`: agents asked in each stage, in rank order; they add up to the panel size."""
    accept_ppb: Ppb = 800_000_000
    """`cascade`: posterior of the leading option at which asking stops."""
    window_ppb: Ppb = 0
    """`cascade`: below this posterior further analysts are not worth asking; the merge agent decides."""
    merge_agent: bool = False
    """`cascade`: whether a merge agent decides what the analysts left below `accept_ppb`."""


class MergeV2(Merge):
    """
    The same in a policy of v2, where `odds` is a rule too: learned weights of agents and of evidence in their texts;
    and `own`, a rule of another distribution.

    Until its first lesson `odds` decides as `cascade` does, by `stages` and thresholds.
    """

    rule: MergeRuleV2 = "weighted"  # type: ignore[assignment]


class Budget(Fact):
    """
    Limits on the cost of calls. Before each call its worker reserves the most it can cost; without room for that the
    call is not made.

    None: no limit. A call whose outcome is not known, and one whose worker died, counts with its whole reservation.
    """

    question_nusd: Nusd | None = None
    """All calls about one question."""
    run_nusd: Nusd | None = None
    """All calls under this policy from its adoption on; a new adoption starts at zero."""

    @property
    def limited(self) -> bool:
        """Whether anything is limited."""
        return self.question_nusd is not None or self.run_nusd is not None


class PolicyAdopted(Event):
    """The configuration from this event on; a question that has its panel keeps the policy of that panel."""

    topic: ClassVar[str] = "orch.policies"

    kind: Literal["policy.adopted.v1"] = "policy.adopted.v1"
    occurred_at: GivenInstant
    policy_id: Name
    agents: Annotated[tuple[AgentSpec, ...], Field(min_length=1, max_length=64)]
    routing: Routing = Routing()
    decomposition: Literal["none", "fixed", "dispatcher"] = "none"
    merge: Merge = Merge()
    learning: Learning = Learning()
    deadline_ms: Annotated[int, Field(ge=1, le=7 * 24 * 3_600_000)] = 300_000
    """How long after its assignment a question may stay open."""
    prompts: Prompts = Prompts()
    """Instructions for live agents; recorded and simulated agents see none of it."""
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _names_agree(self) -> "PolicyAdopted":
        names = [agent.name for agent in self.agents]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"agents: {name!r} is there twice; give each agent a name of its own")
        for name in self.routing.priority:
            if name not in names:
                raise ValueError(f"routing.priority: no agent is called {name!r}; there are {', '.join(names)}")
        merger = self.routing.merger
        if merger not in ("first", "second") and merger not in names:
            raise ValueError(f"routing.merger: no agent is called {merger!r}; there are {', '.join(names)}")
        if self.routing.panel_size + self.merge.reserve > len(names):
            raise ValueError(
                f"routing.panel_size {self.routing.panel_size} and merge.reserve {self.merge.reserve}"
                f" need more than the {len(names)} agents there are"
            )
        if self.merge.quorum > self.routing.panel_size + self.merge.reserve:
            raise ValueError(f"merge.quorum {self.merge.quorum} is more than all who can be asked")
        if self.in_stages and sum(self.merge.stages) != self.routing.panel_size:
            raise ValueError(
                f"merge.stages add up to {sum(self.merge.stages)}, routing.panel_size is {self.routing.panel_size}"
            )
        return self

    @model_validator(mode="after")
    def _budget_can_be_kept(self) -> "PolicyAdopted":
        for agent in self.agents:
            if self.budget.limited and isinstance(agent, LiteLLMAgent | OpenAIAgent) and agent.price is None:
                raise ValueError(f"budget: agent {agent.name!r} has no price, so nothing can be reserved for its calls")
        return self

    @property
    def key(self) -> str:
        return self.policy_id

    @property
    def rule_versions(self) -> RuleVersions:
        """Versions of the rules under which questions of this policy are decided."""
        return FIRST_RULES

    @property
    def in_stages(self) -> bool:
        """Whether the panel may be split by `merge.stages`."""
        return self.merge.rule == "cascade"

    @property
    def priority(self) -> tuple[str, ...]:
        """All agents in the order that settles ties: those with a fixed priority, then the others as configured."""
        fixed = self.routing.priority
        return fixed + tuple(agent.name for agent in self.agents if agent.name not in fixed)


class PolicyAdoptedV2(PolicyAdopted):
    """A policy that names the versions of its rules; panels and decisions under it are of v2 too."""

    adds_inside: ClassVar[bool] = True

    kind: Literal["policy.adopted.v2"] = "policy.adopted.v2"  # type: ignore[assignment]
    agents: Annotated[tuple[AgentSpecV2, ...], Field(min_length=1, max_length=64)]
    routing: RoutingV2 = RoutingV2()
    merge: MergeV2 = MergeV2()
    rules: RuleVersions
    odds: Annotated[Odds | None, ADDED] = None
    """Settings of the merge rule `odds`; unset: the defaults."""
    own_rule: Annotated[OwnRule | None, ADDED] = None
    """The merge rule, where it is `own`."""

    @model_validator(mode="after")
    def _own_rule_is_named(self) -> "PolicyAdoptedV2":
        if (self.merge.rule == "own") != (self.own_rule is not None):
            raise ValueError("own_rule: it goes with merge.rule `own` alone")
        return self

    @model_validator(mode="after")
    def _no_agent_is_called_like_a_rank(self) -> "PolicyAdoptedV2":
        for agent in self.agents:
            if agent.name in ("first", "second"):
                raise ValueError(f"agents: {agent.name!r} is a rank in routing.merger; give the agent another name")
        return self

    @model_validator(mode="after")
    def _shadows_stand_beside_all_who_are_asked(self) -> "PolicyAdoptedV2":
        if self.routing.shadow is not None and (self.in_stages or self.merge.reserve):
            raise ValueError(
                "routing.shadow has every agent observed on each question, so the whole panel is asked at once:"
                " no merge.reserve, no cascade, and odds with odds.cascade = false"
            )
        return self

    @property
    def rule_versions(self) -> RuleVersions:
        return self.rules

    @property
    def in_stages(self) -> bool:
        """Whether the panel may be split by `merge.stages`: under `odds` until the first lesson."""
        untaught = self.merge.rule == "odds" and (self.odds or Odds()).asks_in_stages
        return untaught or super().in_stages
