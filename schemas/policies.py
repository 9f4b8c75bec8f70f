"""The whole configuration as an event, minus secrets: who may be asked, how they are chosen, merged and taught."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.event import Event, Fact
from schemas.quantities import PPB, AgentName, CallNusd, Count, GivenInstant, Ms, Name, Nusd, Ppb

FeedbackSource = Literal["gold", "human", "downstream", "judge", "agreement"]
MergeRule = Literal["vote", "weighted", "agent", "cascade"]


class Price(Fact):
    """What an agent's tokens cost. Nano-dollars per 1,000 tokens: $1 per million tokens is 1,000,000."""

    input_nusd_per_ktoken: Nusd
    output_nusd_per_ktoken: Nusd


class CallLimits(Fact):
    """How long and how often an agent is tried for one seat."""

    timeout_ms: Annotated[int, Field(ge=1, le=3_600_000)] = 60_000
    """Time limit of one attempt."""
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    backoff_ms: Ms = 500
    """Wait before the second attempt; doubled before each one after it."""


class RecordedAgent(Fact):
    """An agent that plays back outputs from a file, matched by question id."""

    kind: Literal["recorded"] = "recorded"
    name: AgentName
    model: str
    """Name of the model in the outputs file."""
    price: Price | None = None
    limits: CallLimits = CallLimits()


class SimulatedAgent(Fact):
    """An agent with a known skill, for demonstrations, tests and measurements; seeded by its name and question id."""

    kind: Literal["simulated"] = "simulated"
    name: AgentName
    seed: Count = 0
    """Agents of one world share it: it also fixes which option is the right one."""
    skill_ppb: Ppb = 700_000_000
    """Probability of the right answer where `skills_ppb` names no other."""
    skills_ppb: dict[Name, Ppb] = {}
    """Probability of the right answer by subject."""
    latency_ms: Ms = 800
    """Median time of a call; single calls vary between half and double of it."""
    waits: bool = False
    """Whether a call really takes its time, or only says so."""
    failure_ppb: Ppb = 0
    """Probability that an attempt fails with an error."""
    hang_ppb: Ppb = 0
    """Probability that an attempt never answers and runs into its time limit."""
    malformed_ppb: Ppb = 0
    """Probability of an answer that cannot be read."""
    price: Price | None = Price(input_nusd_per_ktoken=500_000, output_nusd_per_ktoken=1_500_000)
    limits: CallLimits = CallLimits()


AgentSpec = Annotated[RecordedAgent | SimulatedAgent, Field(discriminator="kind")]


class ColdStart(Fact):
    """What the router believes of an agent nobody has observed yet. Defaults: the reference's `weighted` rule."""

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
    """How the router comes to know agents it would not choose; no random numbers."""

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
    """Who merges, where the rule needs a merge agent: rank 1, rank 2, or a named agent."""


class SourceWeights(Fact):
    """Share of a full step that feedback of each source is worth; 0: it moves nothing."""

    gold: Ppb = PPB
    human: Ppb = PPB
    downstream: Ppb = 500_000_000
    judge: Ppb = 250_000_000
    agreement: Ppb = 0
    """A router fed on its own consensus collapses, so agreement counts only where a policy insists."""


class Averaging(Fact):
    """How one observation moves an EMA. The first one sets the value; then new = old + step x (observed - old)."""

    step: Literal["fixed", "harmonic"] = "harmonic"
    """`fixed`: alpha. `harmonic`: max(alpha, 1 / (n + 2)), with n earlier observations."""
    alpha_ppb: Annotated[int, Field(ge=1, le=PPB)] = 5_000_000
    cold_start: ColdStart = ColdStart()


class Learning(Fact):
    """What feedback teaches; it travels with the question, so that a new policy does not rewrite its past."""

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


class PolicyAdopted(Event):
    """The configuration from here on; questions already assigned keep the one they were assigned under."""

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
        if self.merge.rule == "cascade" and sum(self.merge.stages) != self.routing.panel_size:
            raise ValueError(
                f"merge.stages add up to {sum(self.merge.stages)}, routing.panel_size is {self.routing.panel_size}"
            )
        return self

    @property
    def key(self) -> str:
        return self.policy_id

    @property
    def priority(self) -> tuple[str, ...]:
        """All agents in the order that settles ties: those with a fixed priority, then the others as configured."""
        fixed = self.routing.priority
        return fixed + tuple(agent.name for agent in self.agents if agent.name not in fixed)
