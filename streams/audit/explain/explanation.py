"""
JSON shape of an explanation.

`orch explain --format json` prints it: plain JSON values under fixed keys, in the units of the events, with whole ids.
A key that does not apply holds null or an empty list, and is never left out.
"""

from typing import Any, Literal, TypedDict

from streams.audit.explain.counterfactual.would_change import WouldChange

State = Literal["unassigned", "waiting", "decided", "undecided"]


class OptionText(TypedDict):
    """One answer to choose from."""

    letter: str
    text: str


class QuestionSeen(TypedDict):
    """The question that counts: the first of its id."""

    event_id: str
    asked_at: str
    text: str
    options: list[OptionText]
    answer_type: str
    subject: str | None


class PolicyUsed(TypedDict):
    """The policy that the panel names among its causes."""

    event_id: str
    policy_id: str
    adopted_at: str
    agents: list[str]
    routing: str
    panel_size: int
    merge: str
    decomposition: str
    exploration: str


class AveragesSeen(TypedDict):
    """The four averages of one agent."""

    quality_ppb: int
    latency_ns: int
    cost_pusd: int
    stability_ppb: int


class EntrySeen(TypedDict):
    """What the router knew of one agent in one scope."""

    scope: str
    event_id: str | None
    """None: nothing was observed yet, and the cold start was used."""
    sequence: int
    averages: AveragesSeen | None
    """None if there is no entry, or if compaction has removed it."""
    observations: dict[str, int] | None


class ScoreTerms(TypedDict):
    """The parts of a `weighted` score, in parts per billion; they add up to it."""

    quality: int
    stability: int
    latency: int
    cost: int
    bonus: int


class CandidateSeen(TypedDict):
    """One agent as the router scored it."""

    agent: str
    rank: int
    seat: Literal["panel", "explored", "reserve"] | None
    score_ppb: int | None
    terms: ScoreTerms | None
    averages: AveragesSeen
    """The averages that were scored, after shrinkage."""
    entries: list[EntrySeen]


class MemberSeen(TypedDict):
    """One agent as the merge rule `odds` knew it, for the kind of the question; in units of 1/65,536."""

    agent: str
    skill: int
    """How often it was right when asked."""
    mean: int
    """Mean weight of its answers, in nats."""
    weights: dict[str, int]
    """Its own weights that were learned, in nats."""


class OddsSeen(TypedDict):
    """What the merge rule `odds` knew of the panel, and how it asks."""

    scope: str
    """Whose weights: a policy's name."""
    mode: str
    entry_id: str | None
    """The entry of the table of weights; None without one."""
    sequence: int
    lessons: int
    kind: str
    negated: bool
    learn_from: str
    members: list[MemberSeen]
    shared: dict[str, int]
    """Learned weights that belong to no agent, in units of 1/65,536 nat."""


class CountingBy(TypedDict):
    """How ballots were to be counted, as the panel carries it."""

    rule: str
    """That decides this question: under `odds` without any lesson it is `cascade`."""
    quorum: int
    accept_ppb: int | None
    """Posterior from which a cascade decides; None under a rule without one."""
    window_ppb: int | None
    """Posterior from which a cascade asks further agents; None under a rule without one."""
    choices: int
    """Answers that a posterior is spread over."""


class RoutedBy(TypedDict):
    """How the panel was chosen."""

    event_id: str
    assigned_at: str
    scopes: list[str]
    shrinkage: int | None
    warm_up: bool | None
    """
    Whether all agents were asked because one had too few questions; None if the policy or an entry is no longer in the
    log.
    """
    explored: str | None
    planned: list[int]
    """How many analysts each stage of the panel asks, as far as the question needs them."""
    merger: str | None
    reserve: list[str]
    priority: list[str]
    candidates: list[CandidateSeen]
    counting: CountingBy
    odds: OddsSeen | None
    """None under any other merge rule."""


class ProviderAsked(TypedDict):
    """Request to a provider, and what the provider reported of itself."""

    model: str
    request_hash: str
    reported_model: str | None
    fingerprint: str | None
    finish_reason: str | None
    cached: bool
    """Whether the reply came from the cache, without a call."""


class AttemptMade(TypedDict):
    """One call of an agent."""

    outcome: str
    error: str | None
    latency_ms: int
    cost_nusd: int | None
    """None: the price or the usage is unknown."""
    input_tokens: int | None
    output_tokens: int | None
    provider: ProviderAsked | None
    """None if no provider was called."""


class SeatTaken(TypedDict):
    """One agent's seat in a stage, and its outcome."""

    agent: str
    sub_question: str | None
    status: Literal["counted", "excluded", "heard", "observed", "waiting", "no_reply"]
    """
    `observed`: a shadow seat of a decided question, which counts for the router alone.
    `heard`: the agent answered without a ballot: the question is not decided yet, or the agent was dispatcher or
    merger.
    """
    reason: str | None
    """Why the seat was excluded, or that its calls failed."""
    analysis_id: str | None
    published_at: str | None
    text: str | None
    answer: str | None
    read_as: str | None
    quality_ppb: int | None
    """The agent's quality as the router used it; the ballot's weight follows from it."""
    weight: int | None
    latency_ms: int | None
    cost_nusd: int
    unpriced_calls: int
    attempts: list[AttemptMade]
    late: bool
    """Whether the analysis came too late for the decision."""


class StageSeen(TypedDict):
    """Agents asked at the same time."""

    number: int
    role: str
    event_id: str
    opened_at: str
    reason: str
    """`assigned` for the first, `shadow` for the seats beside the panel; else the reason of `stage.opened.v1`."""
    material: list[str]
    seats: list[SeatTaken]


class TermSeen(TypedDict):
    """One weight in the score of an answer, in units of 1/65,536 nat."""

    name: str
    weight: int
    times: int


class AnswerScored(TypedDict):
    """The score of one answer under the merge rule `odds`."""

    answer: str
    score_unats: int
    posterior_ppb: int | None
    """None where the weights were learned from the agents' agreement, which makes them too sure."""
    terms: list[TermSeen]
    """The largest first."""


class EvidenceSeen(TypedDict):
    """What one counted answer rests on in its own text."""

    agent: str
    grounds: str
    uses: bool | None
    repeats: int | None


class DecidedByOdds(TypedDict):
    """Scores of the best answers, and what the ballots rest on."""

    lines: list[AnswerScored]
    evidence: list[EvidenceSeen]
    """For each counted ballot, in the same order."""


class Decided(TypedDict):
    """The decision, with the values of its event."""

    event_id: str
    decided_at: str
    status: str
    answer: str | None
    answer_text: str | None
    """Text of the option chosen."""
    reason: str
    rule: str
    extractor: str
    tally: dict[str, int]
    agreement: dict[str, int]
    tie_break: dict[str, Any] | None
    verdict_id: str | None
    trace: list[dict[str, Any]]
    odds: DecidedByOdds | None
    """None under any other merge rule."""
    own_rule: dict[str, Any] | None
    """What identifies the merge rule, if it is of another distribution; else None."""
    calls: int
    cost_nusd: int
    unpriced_calls: int
    deadline_id: str | None
    """The deadline that forced the decision; None without one."""
    causes: list[str]


class EntryChange(TypedDict):
    """What one observation changed in one line of the router table."""

    agent: str
    scope: str
    observation_id: str
    event_id: str
    sequence: int
    observed: dict[str, int]
    """The quantities observed."""
    weight_ppb: int
    corrects: str | None
    before: AveragesSeen | None
    """None for the first entry of the line, or if compaction has removed the previous one."""
    after: AveragesSeen


class WeightMoved(TypedDict):
    """One weight before and after a lesson, in units of 1/65,536 nat."""

    name: str
    before: int | None
    """None if compaction has removed the entry before."""
    after: int


class WeightsChange(TypedDict):
    """What one lesson changed in the weights of the merge rule `odds`."""

    scope: str
    """Whose weights: a policy's name."""
    lesson_id: str
    event_id: str
    sequence: int
    right: str | None
    wrong: str | None
    corrects: str | None
    weight_ppb: int
    moved: list[WeightMoved]
    """Only those that moved, the largest step first; if the entry before is not there, all that the lesson touched."""


class LessonSeen(TypedDict):
    """The decision's calls, a feedback or a retraction, and what it taught the router and the merge rule `odds`."""

    cause: Literal["decision", "feedback", "retraction"]
    event_id: str
    at: str
    source: str
    author: str | None
    answer: str | None
    verdict: str | None
    retracts: str | None
    set_aside: str | None
    """Reason of its dead letter; None if it has none."""
    changes: list[EntryChange]
    weights: list[WeightsChange]


class SetAside(TypedDict):
    """A record about the question that did not count, and why."""

    event_id: str
    source_topic: str
    reason: str
    detail: str


class WaitingFor(TypedDict):
    """What an open question waits for."""

    on: Literal["policy", "fold", "seats"]
    """
    `policy`: the log holds none. `fold`: all inputs are there, and the next run goes on. `seats`: agents have not
    answered.
    """
    seats: list[str]
    stage: int | None
    deadline_at: str | None
    """Time at which the question is decided with the analyses so far, if its panel was seen at once."""


class Explanation(TypedDict):
    """Everything the log says about one question."""

    question_id: str
    state: State
    question: QuestionSeen
    policy: PolicyUsed | None
    routing: RoutedBy | None
    stages: list[StageSeen]
    decision: Decided | None
    would_change: WouldChange | None
    """What would have changed the decision; None without one."""
    waiting: WaitingFor | None
    lessons: list[LessonSeen]
    set_aside: list[SetAside]
