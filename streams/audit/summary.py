"""What came of questions: how many were decided, how many rightly, by whom, at what cost. Read from the log alone."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas.analyses import AnalysisPublished
from schemas.decisions import Ballot, Conduct, DecisionMade
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdopted
from streams.processors.learn import normal_answer
from streams.runtimes.contract import LogReader, read_event
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, FEEDBACK, POLICIES, QUESTIONS


@dataclass(slots=True)
class AgentSummary:
    """One agent over the questions it analysed."""

    asked: int = 0
    graded: int = 0
    """Of these, questions whose right answer is known."""
    right: int = 0
    calls: int = 0
    """Attempts in any role, as far as decisions counted them."""

    @property
    def accuracy(self) -> float | None:
        """Share of the graded questions answered rightly; no analysis is a wrong one."""
        return _share(self.right, self.graded)


@dataclass(slots=True)
class Summary:
    """Questions and what became of them."""

    questions: int = 0
    decided: int = 0
    undecided: int = 0
    graded: int = 0
    """Questions with a decision or an explicit `undecided`, whose right answer is known."""
    correct: int = 0
    vote_correct: int = 0
    """What a plain vote of the same readable analyses would have got right."""
    calls: int = 0
    cost_nusd: int = 0
    unpriced_calls: int = 0
    agents: dict[str, AgentSummary] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """Questions without a decision."""
        return self.questions - self.decided - self.undecided

    @property
    def accuracy(self) -> float | None:
        """Share of the graded questions decided rightly; `undecided` is not right."""
        return _share(self.correct, self.graded)

    @property
    def vote_accuracy(self) -> float | None:
        """The same for the plain vote."""
        return _share(self.vote_correct, self.graded)

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch run --format json`, apart from what only the run itself knows."""
        return {
            "questions": self.questions,
            "decided": self.decided,
            "undecided": self.undecided,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "vote_accuracy": self.vote_accuracy,
            "graded": self.graded,
            "calls": self.calls,
            "cost_usd": float(Decimal(self.cost_nusd) / 10**9),
            "unpriced_calls": self.unpriced_calls,
            "agents": {
                name: {"accuracy": agent.accuracy, "calls": agent.calls, "questions": agent.asked}
                for name, agent in sorted(self.agents.items())
            },
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def known_answers(reader: LogReader) -> dict[str, str | None]:
    """List every question of a log, with its right answer where gold feedback that still stands tells it."""
    golds: dict[str, str | None] = {}
    given: dict[str, FeedbackGiven] = {}
    for record in reader.records((QUESTIONS, FEEDBACK)):
        if record.topic == QUESTIONS:
            golds.setdefault(record.key, None)
            continue
        event = read_event(record)
        if isinstance(event, FeedbackGiven) and event.source == "gold" and event.answer is not None:
            given.setdefault(event.question_id, event)
        elif isinstance(event, FeedbackRetracted):
            stands = given.get(event.question_id)
            if stands is not None and stands.event_id == event.feedback_id:
                del given[event.question_id]
    return {key: normal_answer(given[key].answer or "") if key in given else None for key in golds}


def summarise(reader: LogReader, golds: Mapping[str, str | None]) -> Summary:
    """
    Sum up what became of questions.

    Args:
        reader: The log.
        golds: The questions to look at, with the right answer of each where it is known.
    """
    summary = Summary(questions=len(golds))
    priorities = _Priorities(reader)
    for decision in _decisions(reader, golds):
        gold = golds[decision.question_id]
        decided = decision.status == "decided"
        summary.decided += decided
        summary.undecided += not decided
        summary.calls += decision.calls
        summary.cost_nusd += decision.cost_nusd
        summary.unpriced_calls += decision.unpriced_calls
        if gold is not None:
            summary.graded += 1
            summary.correct += decision.answer == gold
            summary.vote_correct += plain_vote(decision.counted, priorities.of(decision.question_id)) == gold
        _add_agents(summary.agents, decision, gold)
        _add_other_roles(summary.agents, decision, reader)
    return summary


def _decisions(reader: LogReader, wanted: Mapping[str, str | None]) -> Iterator[DecisionMade]:
    for record in reader.records((DECISIONS,)):
        if record.key in wanted:
            event = read_event(record)
            if isinstance(event, DecisionMade):
                yield event


def _add_agents(agents: dict[str, AgentSummary], decision: DecisionMade, gold: str | None) -> None:
    answers: dict[str, str | None] = {seat.agent: None for seat in decision.excluded}
    answers.update({ballot.agent: ballot.answer for ballot in decision.counted})
    for name, given in answers.items():
        agent = agents.setdefault(name, AgentSummary())
        agent.asked += 1
        agent.graded += gold is not None
        agent.right += gold is not None and given == gold
    for name, conduct in _conducts(decision):
        agents[name].calls += conduct.attempts


def _conducts(decision: DecisionMade) -> list[tuple[str, Conduct]]:
    """List the analysts asked, with how their calls went."""
    counted = [(ballot.agent, ballot.conduct) for ballot in decision.counted]
    return counted + [(seat.agent, seat.conduct) for seat in decision.excluded]


def _add_other_roles(agents: dict[str, AgentSummary], decision: DecisionMade, reader: LogReader) -> None:
    """Add the calls of dispatchers and mergers, who have no ballot; most decisions have none."""
    if decision.calls == sum(conduct.attempts for _, conduct in _conducts(decision)):
        return
    for record in reader.about(decision.question_id):
        if record.topic == ANALYSES:
            event = read_event(record)
            if isinstance(event, AnalysisPublished) and event.role != "analyst":
                agents.setdefault(event.agent, AgentSummary()).calls += len(event.attempts)


def plain_vote(ballots: Iterable[Ballot], priority: tuple[str, ...]) -> str | None:
    """
    Decide by plurality, one vote for each agent.

    A tie goes to the answer whose supporter comes first in *priority*; no ballots, no answer.
    """
    votes: dict[str, str] = {}
    for ballot in ballots:
        votes.setdefault(ballot.agent, ballot.answer)
    counted = Counter(votes.values())
    most = max(counted.values(), default=0)
    rank = {agent: place for place, agent in enumerate(priority)}
    standing = [agent for agent, answer in votes.items() if counted[answer] == most]
    first = min(standing, key=lambda agent: rank.get(agent, len(rank)), default=None)
    return None if first is None else votes[first]


class _Priorities:
    """The fixed priority list of the policy under which a question was assigned."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._by_policy: dict[str, tuple[str, ...]] = {}
        for record in reader.records((POLICIES,)):
            policy = read_event(record)
            if isinstance(policy, PolicyAdopted):
                self._by_policy[policy.event_id] = policy.priority
        self._only = next(iter(self._by_policy.values())) if len(set(self._by_policy.values())) == 1 else None

    def of(self, question_id: str) -> tuple[str, ...]:
        if self._only is not None:
            return self._only
        for record in self._reader.about(question_id):
            if record.topic == ASSIGNMENTS:
                panel = read_event(record)
                if isinstance(panel, PanelAssigned):
                    # A panel names the question and the policy before anything else.
                    return self._by_policy.get(panel.causes[1], ())
        return ()
