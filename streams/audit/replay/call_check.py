"""
Checks of what calls cost, and of their reservations.

The calls of one question are compared with the prices and budgets of the policies.
"""

from collections.abc import Iterator
from functools import cached_property

from schemas.agents import AgentSpec, LiteLLMAgent, OpenAIAgent
from schemas.analyses import AnalysisPublished, Attempt
from schemas.event import Event
from schemas.panels import PanelAssigned, Stage, StageOpened
from schemas.policies import PolicyAdopted
from schemas.registry import decode_canonical
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled
from streams.audit.replay.difference import Findings, at
from streams.log import LogReader, Record
from streams.processors.pricing import cost_nusd
from streams.topology import POLICIES

_BUDGETS = {"question_budget": "question", "run_budget": "run"}
"""Errors of calls that a budget refused, with the limit each names."""


class AdoptedPolicies:
    """
    The policies of a log, read when the first one is asked for.

    Args:
        reader: The log.
        ordered: Whether the log tells which policies came before a record; if not, all may have.
    """

    def __init__(self, reader: LogReader, *, ordered: bool) -> None:
        self._reader = reader
        self._ordered = ordered

    @cached_property
    def _all(self) -> list[tuple[int, PolicyAdopted]]:
        found = []
        for record in self._reader.records((POLICIES,)):
            try:
                event = decode_canonical(POLICIES, record.value)
            except ValueError:
                # The pass over panels reports it.
                continue
            if isinstance(event, PolicyAdopted):
                found.append((record.seq, event))
        return found

    def before(self, record: Record) -> list[PolicyAdopted]:
        """List the policies that a worker may have known when it wrote a record."""
        return [policy for seq, policy in self._all if not self._ordered or seq < record.seq]

    def answerable(self, panel: PanelAssigned, record: Record) -> list[PolicyAdopted]:
        """
        List the policies whose budget a call may be under: that of its panel, or in a file, whose sessions take up what
        earlier ones left open, one adopted since.
        """
        known = self.before(record)
        named = next((place for place, policy in enumerate(known) if policy.event_id == panel.causes[1]), None)
        if named is None:
            return []
        return known[named:] if self._ordered else [known[named]]


class CallCheck:
    """
    The calls of one question, with what was reserved and settled for them.

    Args:
        findings: Where differences go.
        policies: The policies of the log.
    """

    def __init__(self, findings: Findings, policies: AdoptedPolicies) -> None:
        self._findings = findings
        self._policies = policies
        self._panel: PanelAssigned | None = None
        self._openers: dict[str, PanelAssigned | StageOpened] = {}
        self._reserved: dict[str, BudgetReserved] = {}
        self._settled: dict[str, list[int | None]] = {}
        self._refused: dict[str, str] = {}
        self._analysed: set[str] = set()

    def opened(self, event: Event) -> None:
        """Take the panel or a later stage."""
        if isinstance(event, PanelAssigned) and self._panel is None:
            self._panel = event
        if isinstance(event, PanelAssigned | StageOpened):
            self._openers[event.event_id] = event

    def spent(self, record: Record, event: Event) -> None:
        """Take a budget record; check a reservation against the stage and the policy it is for."""
        cause = event.causes[0] if event.causes else ""
        if isinstance(event, BudgetSettled):
            self._settled.setdefault(cause, []).append(event.cost_nusd)
        elif isinstance(event, BudgetRefused):
            self._refused[cause] = event.limit
        elif isinstance(event, BudgetReserved):
            self._reserved[event.event_id] = event
            self._check_reservation(record, event, cause)

    def _check_reservation(self, record: Record, event: BudgetReserved, cause: str) -> None:
        opener, panel = self._openers.get(cause), self._panel
        if panel is None:
            # Without a panel nothing is known of the question's stages; other checks report that.
            return
        if opener is None:
            self._findings.note(at(record, "causes.0", "an event that opened a stage of the question", cause))
            return
        stage = _stage_of(opener, event.agent)
        policies = self._policies.answerable(panel, record)
        if not policies:
            return
        policy = next((one for one in policies if one.event_id == event.policy_event_id), None)
        expected = {
            "agent": event.agent if any(seat.agent == event.agent for seat in stage.seats) else "an agent of the stage",
            "stage": stage.number,
            "role": stage.role,
            "policy_event_id": policies[0].event_id if policy is None else policy.event_id,
        }
        if policy is not None:
            budget = policy.budget
            expected |= {"question_limit_nusd": budget.question_nusd, "run_limit_nusd": budget.run_nusd}
        for field, value in expected.items():
            if getattr(event, field) != value:
                self._findings.note(at(record, field, value, getattr(event, field)))

    def analysed(self, record: Record, event: AnalysisPublished) -> None:
        """Check price and reservation of each attempt of a seated agent; of others the merge takes no analysis."""
        opener = self._openers.get(event.causes[0] if event.causes else "")
        if opener is None or event.event_id in self._analysed:
            return
        if not any(seat.agent == event.agent for seat in _stage_of(opener, event.agent).seats):
            return
        self._analysed.add(event.event_id)
        for place, attempt in enumerate(event.attempts):
            counted = attempt.input_tokens is not None and attempt.output_tokens is not None
            if counted or attempt.provider is not None:
                self._check_cost(record, event.agent, place, attempt)
            if attempt.provider is not None and attempt.outcome != "refused":
                self._check_budget(record, event, place)
            if attempt.outcome == "refused" and attempt.error in _BUDGETS:
                self._check_refusal(record, event, place)

    def _check_cost(self, record: Record, agent: str, place: int, attempt: Attempt) -> None:
        """Compare a cost with the tokens times the prices of a policy that the worker may have known."""
        known = self._policies.before(record)
        specs = {policy.event_id: spec for policy in known if (spec := _spec(policy, agent)) is not None}
        if not specs or any(_is_cost(spec, attempt) for spec in specs.values()):
            return
        named = "" if self._panel is None else self._panel.causes[1]
        spec = specs.get(named, next(reversed(specs.values())))
        expected = cost_nusd(spec.price, attempt.input_tokens, attempt.output_tokens)
        self._findings.note(at(record, f"attempts.{place}.cost_nusd", expected, attempt.cost_nusd))

    def _check_budget(self, record: Record, event: AnalysisPublished, place: int) -> None:
        """Check that a call under a budget was reserved, and settled with its cost."""
        if self._panel is None:
            return
        policies = self._policies.answerable(self._panel, record)
        if not policies or not all(_is_limited(policy, event.agent) for policy in policies):
            return
        allowed = {policy.event_id for policy in policies}
        reserved = [one for one in self._of(event, place) if one.policy_event_id in allowed]
        settled = [cost for one in reserved for cost in self._settled.get(one.event_id, ())]
        field, cost = f"attempts.{place}", event.attempts[place].cost_nusd
        if not reserved:
            self._findings.note(at(record, field, "a reservation of the call in orch.spending", None))
        elif not settled:
            self._findings.note(at(record, field, "a settlement of the call in orch.spending", None))
        elif cost not in settled:
            self._findings.note(at(record, f"{field}.cost_nusd", settled[-1], cost))

    def _check_refusal(self, record: Record, event: AnalysisPublished, place: int) -> None:
        """Check that a call which a budget refused has its refusal, by the same limit."""
        error = event.attempts[place].error or ""
        limits = [self._refused[one.event_id] for one in self._of(event, place) if one.event_id in self._refused]
        if _BUDGETS[error] not in limits:
            expected = f"{limits[-1]}_budget" if limits else "a refusal of the call in orch.spending"
            self._findings.note(at(record, f"attempts.{place}.error", expected, error))

    def _of(self, event: AnalysisPublished, place: int) -> Iterator[BudgetReserved]:
        """Iterate the reservations of one attempt; after a crash a call is made again, under another reservation."""
        wanted = (event.causes[0], event.agent, place + 1)
        return (one for one in self._reserved.values() if (one.causes[0], one.agent, one.attempt) == wanted)


def _stage_of(opener: PanelAssigned | StageOpened, agent: str) -> Stage:
    """Give the stage of an opener that seats an agent; the panel's where none does."""
    seating = (stage for stage in opener.stages if any(seat.agent == agent for seat in stage.seats))
    return next(seating, opener.stage)


def _spec(policy: PolicyAdopted, agent: str) -> AgentSpec | None:
    return next((spec for spec in policy.agents if spec.name == agent), None)


def _is_limited(policy: PolicyAdopted, agent: str) -> bool:
    """Say whether calls of an agent are under a budget: those of live agents of a policy with one."""
    spec = _spec(policy, agent)
    return policy.budget.limited and isinstance(spec, LiteLLMAgent | OpenAIAgent) and spec.price is not None


def _is_cost(spec: AgentSpec, attempt: Attempt) -> bool:
    """
    Say whether an attempt may have its cost under one agent's prices.

    Without tokens or price the cost is what the agent reports: nobody reports one for a provider's call, except 0 where
    certainly no model ran.
    """
    priced = cost_nusd(spec.price, attempt.input_tokens, attempt.output_tokens)
    if priced is not None:
        return attempt.cost_nusd == priced
    return attempt.provider is None or attempt.cost_nusd in (None, 0)
