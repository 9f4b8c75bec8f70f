"""
JSON shape of an explanation.

`orch explain --format json` prints it: plain JSON values under fixed keys, in the units of the events, with whole ids.
A key that does not apply holds null or an empty list, and is never left out.
"""

from typing import Any, Literal, TypedDict

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
    merger: str | None
    reserve: list[str]
    priority: list[str]
    candidates: list[CandidateSeen]


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
    status: Literal["counted", "excluded", "heard", "waiting", "no_reply"]
    """
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
    """`assigned` for the first; else the reason of `stage.opened.v1`."""
    material: list[str]
    seats: list[SeatTaken]


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


class LessonSeen(TypedDict):
    """The decision's calls, a feedback or a retraction, and what it taught the router."""

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
    waiting: WaitingFor | None
    lessons: list[LessonSeen]
    set_aside: list[SetAside]
