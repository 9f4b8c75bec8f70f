"""Recorded requests of live agents, asked again."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.agents import LiteLLMAgent, OpenAIAgent
from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import Budget, PolicyAdopted
from schemas.questions import QuestionAsked
from streams.agents.agent import Agent, Task, dismiss
from streams.agents.calls.budget import BudgetAccount, SharedReservations
from streams.agents.calls.live_attempt import CallTerms
from streams.agents.calls.progress import CallProgress
from streams.agents.calls.retry import take_seat
from streams.agents.calls.seat import Opener, OpenSeat, task_of
from streams.agents.factory import make_agents
from streams.app.policy_history import policy_history
from streams.app.reporter import SILENT, Reporter
from streams.app.workspace import Workspace
from streams.audit.figures import usd
from streams.audit.match_rate import Again, MatchRate, Requery, spread
from streams.errors import DifferenceError, UsageError
from streams.log import LogReader, read_event, wall_clock_ms
from streams.processors.ballot import read
from streams.topology import DECISIONS

Policies = Mapping[str, PolicyAdopted]
Made = Mapping[str, Mapping[str, Agent]]
"""Agents by the id of their policy's event, then by name."""


class RecordedAnswer(NamedTuple):
    """An answer of a live agent that counted in a decision."""

    question_id: str
    agent: str
    analysis_id: str
    answer: str


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request of a live agent, with everything that it is built from."""

    answer: str
    analysis: AnalysisPublished
    panel: PanelAssigned
    opener: Opener
    task: Task
    policy: PolicyAdopted

    @property
    def hash(self) -> str | None:
        """The hash of the recorded request."""
        provider = self.analysis.attempts[-1].provider
        return None if provider is None else provider.request_hash


def requery(
    work: Workspace,
    wanted: int,
    *,
    max_cost_nusd: int | None = None,
    dry_run: bool = False,
    reporter: Reporter = SILENT,
) -> Requery:
    """
    Ask recorded requests of live agents again, and compare the answers.

    Agents are those of the policy under which each question was assigned, with its prompts, limits and prices, and
    keys from the environment; no reply comes from a cache. Nothing is written to the log, so these calls are in no
    budget of it: they have a limit of their own.

    Args:
        wanted: Number of requests; all of them if there are fewer.
        max_cost_nusd: Limit on the cost of all calls; None: that of a run under the policy in force, if it has one.
        dry_run: Whether to say what it would cost, and call nothing.

    Raises:
        UsageError: The log has no answer of a live agent, or there is a limit and an agent without a price.
        OperatorError: A key is missing, or a client library.
    """
    policies = {one.policy.event_id: one.policy for one in policy_history(work)}
    newest = list(policies.values())[-1]
    limit = newest.budget.run_nusd if max_cost_nusd is None else max_cost_nusd
    with work.open_reader() as reader:
        counts = Counter(answer.agent for answer in _answers(reader, policies))
        eligible = counts.total()
        if not eligible:
            raise UsageError(
                f"{work.log_url} holds no counted answer of a live agent",
                remedy="Recorded and simulated agents answer the same for ever; `orch replay` proves their decisions",
            )
        places = spread(eligible, wanted)
        answers = [answer for place, answer in _placed(_answers(reader, policies), counts) if place in places]
        requests = [request for answer in answers if _is_live(request := _request(reader, answer, policies))]
    agents = _agents(requests)
    found = _priced(requests, agents, eligible, limit)
    reporter.say(_told(found))
    if not dry_run:
        account = _account(newest, limit)
        with reporter.progress("asking again", found.chosen) as advance:
            activity = CallProgress()

            async def ask() -> None:
                together = asyncio.Semaphore(work.config.run.calls_in_flight)
                try:
                    async with asyncio.TaskGroup() as group:
                        for request in requests:
                            group.create_task(one(request, together))
                finally:
                    for made in agents.values():
                        await dismiss(made)

            async def one(request: RecordedRequest, together: asyncio.Semaphore) -> None:
                async with together:
                    await _ask(request, agents, CallTerms(account, activity, request.panel.deadline_ms), found)
                advance(1)

            asyncio.run(ask())
        found.changed.sort()
    return found


def _answers(reader: LogReader, policies: Policies) -> Iterator[RecordedAnswer]:
    """Iterate the counted answers of live agents in log order; a repeated decision counts once."""
    live = {
        (policy.policy_id, agent.name)
        for policy in policies.values()
        for agent in policy.agents
        if isinstance(agent, LiteLLMAgent | OpenAIAgent)
    }
    for record in reader.records((DECISIONS,)):
        decision = read_event(record)
        if not isinstance(decision, DecisionMade):
            continue
        for ballot in decision.counted:
            if (decision.policy_id, ballot.agent) in live:
                yield RecordedAnswer(decision.question_id, ballot.agent, ballot.analysis_id, ballot.answer)


def _placed(answers: Iterable[RecordedAnswer], counts: Mapping[str, int]) -> Iterator[tuple[int, RecordedAnswer]]:
    """
    Number answers agent by agent, each in log order.

    So what is spread over the numbers is spread over every agent; in log order each n-th answer of panels of n would be
    the same agent's.
    """
    following: dict[str, int] = {}
    first = 0
    for agent in sorted(counts):
        following[agent], first = first, first + counts[agent]
    for answer in answers:
        yield following[answer.agent], answer
        following[answer.agent] += 1


def _request(reader: LogReader, answer: RecordedAnswer, policies: Policies) -> RecordedRequest:
    """Collect what a recorded request was built from."""
    events: dict[str, Event] = {}
    for record in reader.about(answer.question_id):
        event = read_event(record)
        events.setdefault(event.event_id, event)
    analysis = events[answer.analysis_id]
    panel = next(event for event in events.values() if isinstance(event, PanelAssigned))
    assert isinstance(analysis, AnalysisPublished), "a ballot names its analysis"
    opener, question, policy = (
        events.get(analysis.causes[0]),
        events.get(panel.causes[0]),
        policies.get(panel.causes[1]),
    )
    if not isinstance(opener, PanelAssigned | StageOpened) or not isinstance(question, QuestionAsked) or policy is None:
        raise DifferenceError(
            f"question {answer.question_id!r}: an event that its panel or an analysis names is not in the log",
            remedy="`orch replay` says which",
            key=answer.question_id,
        )
    stage, seat = next((s, seat) for s in opener.stages for seat in s.seats if seat.agent == analysis.agent)
    texts = {event.event_id: event.text for event in events.values() if isinstance(event, AnalysisPublished)}
    return RecordedRequest(
        answer.answer, analysis, panel, opener, task_of(OpenSeat(opener, stage, seat), question, texts), policy
    )


def _is_live(request: RecordedRequest) -> bool:
    """Whether the agent is live under the question's own policy; another one of that name may be."""
    spec = next(agent for agent in request.policy.agents if agent.name == request.analysis.agent)
    return isinstance(spec, LiteLLMAgent | OpenAIAgent)


def _agents(requests: Sequence[RecordedRequest]) -> Made:
    """Make the agents that are asked, each under the policy of its request."""
    names: dict[str, dict[str, None]] = {}
    policies = {request.policy.event_id: request.policy for request in requests}
    for request in requests:
        names.setdefault(request.policy.event_id, {})[request.analysis.agent] = None
    return {event_id: make_agents(policies[event_id], None, only=wanted) for event_id, wanted in names.items()}


def _priced(requests: Sequence[RecordedRequest], agents: Made, eligible: int, limit: int | None) -> Requery:
    """Count what the requests cost when they were recorded, and bound what they can cost now."""
    most: int | None = 0
    for request in requests:
        live = agents[request.policy.event_id][request.analysis.agent].live
        bound = None if live is None else live.most_nusd(request.task)
        if bound is None and limit is not None:
            raise UsageError(
                f"agent {request.analysis.agent!r} has no price, so a limit of {usd(limit)} cannot be kept",
                remedy="Without --max-cost, and without a budget in the policy, its calls are not limited",
            )
        most = None if most is None or bound is None else most + bound
    recorded = sum(request.analysis.cost_nusd for request in requests)
    return Requery(eligible, len(requests), recorded, most, limit)


def _told(found: Requery) -> str:
    most = "an unknown amount, for an agent has no price" if found.most_nusd is None else usd(found.most_nusd)
    limit = "there is no limit" if found.limit_nusd is None else f"the limit is {usd(found.limit_nusd)}"
    return (
        f"{found.chosen:,} of {found.eligible:,} requests: they cost {usd(found.recorded_nusd)} when they were"
        f" recorded, and one call for each costs at most {most}; {limit}."
    )


def _account(policy: PolicyAdopted, limit: int | None) -> BudgetAccount | None:
    """Make the account of these calls, in memory: its reservations go to no log."""
    if limit is None:
        return None

    async def publish(event: Event) -> None:
        reservations.hear(event)

    reservations = SharedReservations(publish)
    return BudgetAccount(reservations, policy.event_id, Budget(run_nusd=limit), wall_clock_ms)


async def _ask(request: RecordedRequest, agents: Made, terms: CallTerms, found: Requery) -> None:
    """Ask one request, and count what became of it."""
    agent = agents[request.policy.event_id][request.analysis.agent]
    rates = (found.total, found.agents.setdefault(request.analysis.agent, MatchRate()))
    if agent.live is not None:
        await agent.live.ready()
        if agent.live.asked(request.task).request_hash != request.hash:
            _count(rates, "other request")
            return
    again = await take_seat(agent, request.task, request.opener, terms=terms)
    answer = read(again, request.panel).answer if again.status == "ok" else None
    for rate in rates:
        rate.calls += again.calls
        rate.cost_nusd += again.cost_nusd
        rate.unpriced_calls += again.unpriced
        if again.status == "failed":
            rate.errors[again.attempts[-1].error or again.attempts[-1].outcome] += 1
        rate.same_text += answer == request.answer and again.text == request.analysis.text
    fate: Again = "equal" if answer == request.answer else "different"
    if again.status == "failed":
        fate = "failed" if again.calls else "refused"
    elif answer is None:
        fate = "unreadable"
    _count(rates, fate)
    if fate in ("different", "unreadable"):
        found.changed.append((request.task.question_id, request.analysis.agent, request.answer, answer))


def _count(rates: Sequence[MatchRate], fate: Again) -> None:
    for rate in rates:
        rate.fates[fate] += 1
