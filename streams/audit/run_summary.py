"""
Summary of questions, read from the log alone.

It counts the decided and the correct ones, their calls and their cost.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas.analyses import AnalysisPublished
from schemas.decisions import Ballot, DecisionMade, DecisionMadeV2, Shadow
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.panels import SHADOW_STAGE, PanelAssigned
from schemas.policies import PolicyAdopted
from streams.audit.agent_stats import AgentStats
from streams.audit.policy_names import PolicyNames
from streams.audit.rule_worth import RuleUse
from streams.log import LogReader, Record, read_event
from streams.processors.lesson import lesson_of
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, FEEDBACK, POLICIES, QUESTIONS

MOST_IDS = 1_000
"""Ids of undecided questions that a summary names."""


@dataclass(slots=True)
class PolicyPart:
    """Counts over the questions of a summary that one policy decided."""

    decided: int = 0
    undecided: int = 0
    graded: int = 0
    correct: int = 0

    def as_json(self) -> dict[str, Any]:
        """Give the policy's part of the contract of `orch run --format json`."""
        counts = {"decided": self.decided, "undecided": self.undecided, "graded": self.graded, "correct": self.correct}
        return {**counts, "accuracy": _share(self.correct, self.graded)}


@dataclass(slots=True)
class SubjectPart:
    """Counts over the graded questions of one subject."""

    graded: int = 0
    correct: int = 0


@dataclass(slots=True)
class RunSummary:
    """Counts over a set of questions."""

    questions: int = 0
    decided: int = 0
    undecided: int = 0
    graded: int = 0
    """Questions with a decision or an explicit `undecided`, whose right answer is known."""
    correct: int = 0
    vote_correct: int = 0
    """Questions that a plain vote of the same ballots would have decided rightly."""
    calls: int = 0
    cost_nusd: int = 0
    unpriced_calls: int = 0
    shadow_calls: int = 0
    """Calls of shadow seats, beside the panels; in no other sum."""
    shadow_cost_nusd: int = 0
    """Known part of their cost."""
    agents: dict[str, AgentStats] = field(default_factory=dict)
    policies: dict[str, PolicyPart] = field(default_factory=dict)
    """By the name of the policy in the log."""
    subjects: dict[str, SubjectPart] = field(default_factory=dict)
    """Graded questions that name a subject, by subject."""
    use: RuleUse = field(default_factory=RuleUse)
    """Rules that decided, and whether anything teaches them."""
    undecided_ids: list[str] = field(default_factory=list)
    """The first undecided questions, `MOST_IDS` at most."""

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
        """Give the contract of `orch run --format json`, without the fields that only the run itself knows."""
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
            "shadow_calls": self.shadow_calls,
            "shadow_cost_usd": float(Decimal(self.shadow_cost_nusd) / 10**9),
            "undecided_ids": self.undecided_ids,
            "rules": self.use.decided,
            "with_feedback": self.use.with_feedback,
            "notes": list(self.use.notes(graded=self.graded > 0)),
            "policies": {name: part.as_json() for name, part in self.policies.items()},
            "agents": {name: agent.as_json() for name, agent in sorted(self.agents.items())},
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def known_answers(reader: LogReader) -> dict[str, str | None]:
    """List every question of a log, with its right answer if gold feedback gives it and was not retracted."""
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
    return {key: given[key].answer if key in given else None for key in golds}


def summarise(reader: LogReader, golds: Mapping[str, str | None]) -> RunSummary:
    """
    Sum up the decisions on a set of questions.

    Args:
        reader: The log.
        golds: The questions, each with its right answer; None if that is not known.
    """
    summary = RunSummary(questions=len(golds))
    priorities = _priorities(reader)
    names = PolicyNames.of(reader)
    for question_id, records in reader.by_correlation((ASSIGNMENTS, ANALYSES, DECISIONS, FEEDBACK)):
        decision = _decision(records) if question_id in golds else None
        if decision is None:
            continue
        gold = _right_answer(decision, golds[question_id])
        decided = decision.status == "decided"
        summary.use.add(decision, records)
        summary.decided += decided
        summary.undecided += not decided
        summary.calls += decision.calls
        summary.cost_nusd += decision.cost_nusd
        summary.unpriced_calls += decision.unpriced_calls
        beside = [shadow.conduct for shadow in shadows_of(decision)]
        summary.shadow_calls += sum(conduct.attempts for conduct in beside)
        summary.shadow_cost_nusd += sum(conduct.cost_nusd for conduct in beside)
        part = summary.policies.setdefault(_policy_name(records, names, decision), PolicyPart())
        part.decided += decided
        part.undecided += not decided
        if not decided and len(summary.undecided_ids) < MOST_IDS:
            summary.undecided_ids.append(question_id)
        if gold is not None:
            summary.graded += 1
            summary.correct += decision.answer == gold
            part.graded += 1
            part.correct += decision.answer == gold
            for subject in decision.scopes[1:]:
                of_subject = summary.subjects.setdefault(subject, SubjectPart())
                of_subject.graded += 1
                of_subject.correct += decision.answer == gold
            summary.vote_correct += plain_vote(decision.counted, _priority(records, priorities)) == gold
        _add_answers(summary.agents, decision, gold)
        _add_calls(summary.agents, decision, records)
    return summary


def shadows_of(decision: DecisionMade) -> tuple[Shadow, ...]:
    """Give the seats beside the panel of a decision."""
    return (decision.shadows or ()) if isinstance(decision, DecisionMadeV2) else ()


def _policy_name(records: Sequence[Record], names: PolicyNames, decision: DecisionMade) -> str:
    """Name the policy of a decision; a panel is read only where the log has several policies."""
    given = set(names.by_event.values())
    return given.pop() if len(given) == 1 else names.of_question(records) or decision.policy_id


def _right_answer(decision: DecisionMade, gold: str | None) -> str | None:
    """Write a right answer as the decision and its ballots do; None if it is unknown, or no possible answer."""
    return None if gold is None else lesson_of(decision).right_answer(gold)


def _decision(records: Sequence[Record]) -> DecisionMade | None:
    """Find a question's first decision, the one that counts."""
    for record in records:
        if record.topic == DECISIONS:
            event = read_event(record)
            return event if isinstance(event, DecisionMade) else None
    return None


def _add_answers(agents: dict[str, AgentStats], decision: DecisionMade, gold: str | None) -> None:
    """Add each analyst's answer, shadow seats included; an excluded analyst has none."""
    answers: dict[str, str | None] = {seat.agent: None for seat in decision.excluded}
    answers.update({ballot.agent: ballot.answer for ballot in decision.counted})
    answers.update({shadow.agent: shadow.answer for shadow in shadows_of(decision)})
    for name, given in answers.items():
        agent = agents.setdefault(name, AgentStats())
        agent.asked += 1
        agent.graded += gold is not None
        agent.right += gold is not None and given == gold


def _add_calls(agents: dict[str, AgentStats], decision: DecisionMade, records: Sequence[Record]) -> None:
    """
    Add the calls that the decision rests on, in any role. Later calls are left out, as in the decision's own sums.
    """
    causes = set(decision.causes)
    for record in records:
        if record.topic == ANALYSES:
            event = read_event(record)
            if isinstance(event, AnalysisPublished) and event.event_id in causes:
                # The log may hold the same record twice.
                causes.remove(event.event_id)
                stats = agents.setdefault(event.agent, AgentStats())
                if event.stage == SHADOW_STAGE:
                    stats.add_shadow(event)
                else:
                    stats.add(event)


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


def _priorities(reader: LogReader) -> dict[str, tuple[str, ...]]:
    """List the fixed priority list of each policy, by the id of its event."""
    events = map(read_event, reader.records((POLICIES,)))
    return {event.event_id: event.priority for event in events if isinstance(event, PolicyAdopted)}


def _priority(records: Sequence[Record], priorities: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Give the priority list of the policy under which a question was assigned."""
    if len(set(priorities.values())) == 1:
        return next(iter(priorities.values()))
    for record in records:
        if record.topic == ASSIGNMENTS:
            panel = read_event(record)
            if isinstance(panel, PanelAssigned):
                # A panel names the question and the policy before anything else.
                return priorities.get(panel.causes[1], ())
    return ()
