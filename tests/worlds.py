"""An in-memory host of the processors, and event builders."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import orjson

from schemas.agents import OpenAIAgent, OpenAIAgentV2, SimulatedAgent
from schemas.analyses import AnalysisPublished, Attempt
from schemas.decisions import DeadlinePassed, DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.odds import Odds
from schemas.origins import LogStarted
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import MergeV2, PolicyAdopted, PolicyAdoptedV2, RoutingV2
from schemas.quantities import later
from schemas.questions import QuestionAsked
from schemas.router import AgentObserved, ObservationCounts, RouterEntry
from schemas.rules import NEWEST_ODDS_RULES, NEWEST_RULES
from schemas.weights import WeightsEntry
from streams.processors import PROCESSORS
from streams.processors.fold import Processor, Rejection, Step, Tables
from streams.processors.tune import TUNE

E = TypeVar("E", bound=Event)
Opener = PanelAssigned | StageOpened
Script = Callable[[Opener, str], AnalysisPublished | None]
"""An agent's reply for its seat; None if it never answers."""

EPOCH = "2026-01-01T00:00:00.000Z"
FAILED, UNREADABLE, OUTSIDE, SILENT = "<failed>", "<unreadable>", "<outside>", "<silent>"
"""Replies without an answer, for `said`."""


def moment(seconds: int) -> str:
    """Give the instant so many seconds into the world."""
    return later(EPOCH, seconds * 1_000)


def policy(*names: str, at: int = 0, routing: Mapping[str, Any] | None = None, **fields: Any) -> PolicyAdopted:
    """Build a policy over the named agents that seats all of them (at most three) and never explores."""
    quiet = {"panel_size": min(3, len(names)), "exploration": {"warm_up": 0, "kind": "none"}}
    return PolicyAdopted(
        occurred_at=moment(at),
        policy_id=fields.pop("policy_id", "p"),
        agents=tuple(SimulatedAgent(name=name) for name in names),
        routing={**quiet, **(routing or {})},
        **fields,
    )


def newest(given: PolicyAdopted) -> PolicyAdoptedV2:
    """Give a policy of v2 with the newest rules."""
    fields = {name: getattr(given, name) for name in PolicyAdopted.model_fields if name not in ("kind", "event_id")}
    fields["agents"] = tuple(
        OpenAIAgentV2(**agent.__dict__) if isinstance(agent, OpenAIAgent) else agent for agent in given.agents
    )
    fields["routing"] = RoutingV2(**given.routing.__dict__)
    fields["merge"] = MergeV2(**given.merge.__dict__)
    return PolicyAdoptedV2(**fields, rules=NEWEST_RULES)


def shadowed(given: PolicyAdopted) -> PolicyAdoptedV2:
    """Give a policy of v2 that asks all agents without a seat in shadow seats."""
    fields = {name: getattr(newest(given), name) for name in PolicyAdoptedV2.model_fields if name != "event_id"}
    return PolicyAdoptedV2(**{**fields, "routing": {**given.routing.__dict__, "shadow": "all"}})


def by_odds(*names: str, at: int = 0, merge: Mapping[str, Any] | None = None, **fields: Any) -> PolicyAdoptedV2:
    """Build a policy of v2 with the merge rule `odds`, whose panel is all of the named agents, asked in one stage."""
    panel = {"panel_size": len(names), "exploration": {"warm_up": 0, "kind": "none"}}
    return PolicyAdoptedV2(
        occurred_at=moment(at),
        policy_id=fields.pop("policy_id", "p"),
        agents=tuple(SimulatedAgent(name=name) for name in names),
        routing={**panel, **fields.pop("routing", {})},
        merge={"rule": "odds", "stages": (len(names),), **(merge or {})},
        odds=Odds(**fields.pop("odds", {})),
        rules=NEWEST_ODDS_RULES,
        **fields,
    )


def merging(rule: str, *names: str, **merge: Any) -> PolicyAdopted:
    """Build a policy whose panel and reserve are all of the named agents."""
    reserve = merge.get("reserve", 0)
    return policy(*names, routing={"panel_size": len(names) - reserve}, merge={"rule": rule, **merge})


def question(question_id: str = "q", *, at: int = 10, options: int = 4, **fields: Any) -> QuestionAsked:
    """Build a question with so many options; one whose answer is a number if it has none."""
    return QuestionAsked(
        occurred_at=moment(at),
        question_id=question_id,
        text=fields.pop("text", f"What is {question_id}?"),
        options=tuple(f"option {number}" for number in range(options)),
        answer_type="choice" if options else "number",
        **fields,
    )


def analysis(opener: Opener, agent: str, reply: str = "A", **fields: Any) -> AnalysisPublished:
    """Build an agent's analysis for its seat: an answer, or one of the replies without one."""
    failed = reply == FAILED
    seated = [stage for stage in opener.stages if any(seat.agent == agent for seat in stage.seats)]
    stage = seated[0] if seated else opener.stage
    answer = {FAILED: None, UNREADABLE: None, OUTSIDE: "Z"}.get(reply, reply)
    latency_ms = fields.pop("latency_ms", 1_000)
    attempt = Attempt(outcome="error" if failed else "ok", latency_ms=latency_ms, cost_nusd=None if failed else 5_000)
    return AnalysisPublished(
        causes=fields.pop("causes", (opener.event_id,)),
        occurred_at=later(opener.occurred_at, latency_ms),
        question_id=opener.question_id,
        agent=agent,
        stage=fields.pop("stage", stage.number),
        role=fields.pop("role", stage.role),
        status="failed" if failed else "ok",
        text=fields.pop("text", "" if failed else "Thus spoke the agent."),
        answer=answer,
        attempts=fields.pop("attempts", (attempt,)),
        latency_ms=latency_ms,
        **fields,
    )


def said(**replies: str) -> Script:
    """Script one reply for each agent, whatever the question and the role; the others are silent."""

    def script(opener: Opener, agent: str) -> AnalysisPublished | None:
        reply = replies.get(agent, SILENT)
        return None if reply == SILENT else analysis(opener, agent, reply)

    return script


def merged(verdict: str, **replies: str) -> Script:
    """Script analysts as `said` does, and one reply for any merge agent."""
    analysts = said(**replies)

    def script(opener: Opener, agent: str) -> AnalysisPublished | None:
        if opener.stage.role != "merger":
            return analysts(opener, agent)
        return None if verdict == SILENT else analysis(opener, agent, verdict)

    return script


def overdue(question_id: str = "q", *, at: int = 1_000) -> DeadlinePassed:
    """Build the deadline of a question."""
    return DeadlinePassed(occurred_at=moment(at), question_id=question_id)


def gold(answer: str, question_id: str = "q", *, at: int = 2_000, **fields: Any) -> FeedbackGiven:
    """Build feedback that names the right answer."""
    source = fields.pop("source", "gold")
    return FeedbackGiven(occurred_at=moment(at), question_id=question_id, source=source, answer=answer, **fields)


def verdict(given: str, question_id: str = "q", *, at: int = 2_000, **fields: Any) -> FeedbackGiven:
    """Build feedback that says whether the decision was right."""
    source = fields.pop("source", "human")
    return FeedbackGiven(occurred_at=moment(at), question_id=question_id, source=source, verdict=given, **fields)


def retraction(feedback: FeedbackGiven, *, at: int = 3_000) -> FeedbackRetracted:
    """Build the retraction of a feedback."""
    return FeedbackRetracted(occurred_at=moment(at), question_id=feedback.question_id, feedback_id=feedback.event_id)


def entry(agent: str, scope: str = "*", *, seen: int = 100, **fields: Any) -> RouterEntry:
    """Build a router entry with so many observations of each measure; other values are those of a cold start."""
    averages = {
        "quality_ppb": 500_000_000,
        "latency_ns": 2_000_000_000,
        "cost_pusd": 0,
        "stability_ppb": 900_000_000,
        "observations": ObservationCounts(quality=seen, latency=seen, cost=seen, stability=seen),
    }
    return RouterEntry(
        occurred_at=fields.pop("occurred_at", EPOCH),
        scope=scope,
        agent=agent,
        question_id="earlier",
        sequence=fields.pop("sequence", 1),
        previous=None,
        **(averages | fields),
    )


def table(*entries: RouterEntry) -> dict[tuple[str, str], RouterEntry]:
    """Lay out router entries as a host keeps them."""
    return {(line.scope, line.agent): line for line in entries}


class Folder:
    """
    One processor with its states.

    Args:
        reload: Whether each state goes through its JSON form between two events, as after a host's restart.
    """

    def __init__(self, processor: Processor, tables: Tables | None = None, *, reload: bool = False) -> None:
        self.processor = processor
        self.tables = tables or Tables(None, {})
        self.reload = reload
        self.states: dict[str, Any] = {}

    def put(self, event: Event) -> tuple[Step[Any], ...]:
        """Fold one event into each of its keys."""
        return tuple(self._fold(event, key) for key in self.processor.keys(event))

    def put_all(self, events: Iterable[Event]) -> list[Event]:
        """Fold events in order, and give all new ones that follow."""
        return [output for event in events for step in self.put(event) for output in step.events]

    def _fold(self, event: Event, key: str) -> Step[Any]:
        step = self.processor.fold(self.states.get(key), event, key, self.tables)
        state = step.state
        if self.reload and state is not None:
            state = self.processor.load(orjson.loads(orjson.dumps(self.processor.dump(state))))
        self.states[key] = state
        return step


class World:
    """
    The processors over a log in a list: each event is folded at once, and so are the events that follow.

    Args:
        first: The first policy, or the origin of a log that goes on from an earlier one.
        reload: As for `Folder`.
        frozen_table: Whether `route` sees empty tables, whatever `rank` and `tune` write.
    """

    def __init__(self, first: PolicyAdopted | LogStarted, *, reload: bool = False, frozen_table: bool = False) -> None:
        self.log: list[Event] = []
        self.ids: set[str] = set()
        self.letters: list[tuple[Event, Rejection]] = []
        self.entries: dict[tuple[str, str], RouterEntry] = {}
        self.weights: dict[str, WeightsEntry] = {}
        self.tables = Tables(None, {} if frozen_table else self.entries, {} if frozen_table else self.weights)
        processors = dict.fromkeys((*PROCESSORS, TUNE))
        self.folders = [Folder(processor, self.tables, reload=reload) for processor in processors]
        self.put(first)

    def put(self, *events: Event) -> None:
        """Fold each event, and all that follow from it, before the next."""
        for given in events:
            pending = deque([given])
            while pending:
                pending.extend(self._take(pending.popleft()))

    def play(self, script: Script) -> None:
        """Let the agents answer, in seat order, until no seated agent has a reply left."""
        while answers := [answer for seat in self.waiting() if (answer := script(*seat))]:
            for answer in answers:
                self.put(answer)

    def waiting(self, question_id: str | None = None) -> Iterator[tuple[Opener, str]]:
        """Iterate the seats of undecided questions that have no analysis yet, each with the event that opened it."""
        decided = {decision.question_id for decision in self.of(DecisionMade)}
        heard = {(analysis.causes, analysis.agent) for analysis in self.of(AnalysisPublished)}
        for opener in [*self.of(PanelAssigned, question_id), *self.of(StageOpened, question_id)]:
            if opener.question_id not in decided:
                for seat in (seat for stage in opener.stages for seat in stage.seats):
                    if ((opener.event_id,), seat.agent) not in heard:
                        yield opener, seat.agent

    def of(self, model: type[E], question_id: str | None = None) -> list[E]:
        """List the events of one kind, of one question or all, in log order."""
        return [
            event
            for event in self.log
            if isinstance(event, model) and question_id in (None, getattr(event, "question_id", None))
        ]

    def assignment(self, question_id: str = "q") -> PanelAssigned:
        """Give the one assignment of a question."""
        (assignment,) = self.of(PanelAssigned, question_id)
        return assignment

    def stage(self, number: int, question_id: str = "q") -> StageOpened:
        """Give the one later stage of a question that has this number."""
        (opened,) = (stage for stage in self.of(StageOpened, question_id) if stage.stage.number == number)
        return opened

    def decision(self, question_id: str = "q") -> DecisionMade:
        """Give the one decision of a question."""
        (decision,) = self.of(DecisionMade, question_id)
        return decision

    def learned(self, *events: Event) -> list[AgentObserved]:
        """Take events, and list the observations that follow from them."""
        known = len(self.of(AgentObserved))
        self.put(*events)
        return self.of(AgentObserved)[known:]

    def summary(self) -> tuple[str, str | None, str, str]:
        """Give status, answer, reason and rule of the one decision."""
        decision = self.decision()
        return decision.status, decision.answer, decision.reason, decision.rule

    def outcomes(self) -> list[tuple[int, str]]:
        """List what the trace of the one decision says: stage and outcome."""
        return [(step.stage, step.outcome) for step in self.decision().trace]

    def openings(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """List the later stages: reason, role and agents."""
        return [
            (opened.reason, opened.stage.role, tuple(seat.agent for seat in opened.stage.seats))
            for opened in self.of(StageOpened)
        ]

    def entry(self, agent: str, scope: str = "*") -> RouterEntry:
        """Give the newest router entry of an agent."""
        return self.entries[(scope, agent)]

    def _keep(self, line: RouterEntry) -> None:
        """Keep a router entry, unless the table has a newer one."""
        known = self.entries.get((line.scope, line.agent))
        if known is None or known.sequence < line.sequence:
            self.entries[(line.scope, line.agent)] = line

    def _take(self, event: Event) -> list[Event]:
        if event.event_id not in self.ids:
            self.ids.add(event.event_id)
            self.log.append(event)
        if isinstance(event, PolicyAdopted):
            self.tables.policy = event
        if isinstance(event, RouterEntry):
            self._keep(event)
        if isinstance(event, WeightsEntry):
            self.weights[event.scope] = event
        follows: list[Event] = []
        for folder in self.folders:
            if event.topic in folder.processor.reads:
                for step in folder.put(event):
                    follows.extend(step.events)
                    if step.rejection is not None:
                        self.letters.append((event, step.rejection))
        return follows


def decide(
    given: PolicyAdopted, script: Script, asked: QuestionAsked | None = None, known: Iterable[RouterEntry] = ()
) -> World:
    """Run one question through a new world with some router entries, to the end of the script."""
    world = World(given)
    world.put(*known, asked or question())
    world.play(script)
    return world


def voted(
    rule: str = "vote", *, asked: QuestionAsked | None = None, learning: Mapping[str, Any] | None = None, **replies: str
) -> World:
    """Decide a question by the replies of all agents; the deadline passes for silent ones."""
    given = policy(*replies, routing={"panel_size": len(replies)}, merge={"rule": rule}, learning=learning or {})
    world = decide(given, said(**replies), asked)
    world.put(overdue())
    return world
