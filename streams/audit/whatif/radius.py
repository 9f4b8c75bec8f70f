"""Decisions that stand on something no longer trusted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.lessons import LessonGiven
from schemas.origins import RouterCarried, WeightsCarried
from schemas.panels import PanelAssigned
from schemas.policies import FeedbackSource, PolicyAdopted
from schemas.router import AgentObserved
from streams.audit.whatif.deciding import Deciding
from streams.audit.whatif.grading import known_of
from streams.audit.whatif.outcome import Answer, Compared
from streams.audit.whatif.recorded import TOPICS, SameCalls, recorded_question
from streams.audit.whatif.schedule import Line, line_carried, lines_seen
from streams.log import LogReader, read_event
from streams.processors.fold import Tables
from streams.processors.merge import Merged
from streams.processors.merge import fold as merge
from streams.topology import ASSIGNMENTS, LESSONS, OBSERVATIONS

_NO_TABLES = Tables(policy=None, entries={})
"""The merge reads none."""


@dataclass(frozen=True, slots=True)
class Distrust:
    """What is no longer trusted."""

    agents: frozenset[str] = frozenset()
    sources: frozenset[FeedbackSource] = frozenset()
    policies: frozenset[str] = frozenset()
    """Ids of the policies' events."""


@dataclass(slots=True)
class Taint:
    """
    Questions whose decision follows from distrusted feedback or policies, by the causes that events name.

    A line of the router's table is a chain, so from the first observation that is tainted on all of it is; a panel
    names how far it read each line.

    Attributes:
        direct: Questions under a distrusted policy. Feedback reaches decisions through the router alone.
        tainted: All of them.
    """

    direct: set[str] = field(default_factory=set)
    tainted: set[str] = field(default_factory=set)
    _counts: dict[Line, int] = field(default_factory=dict)
    _from: dict[Line, int] = field(default_factory=dict)
    """Number of the first tainted observation of a line."""

    @classmethod
    def of(cls, reader: LogReader, distrust: Distrust) -> "Taint":
        """Follow the causes through a log, again where its topics have no order, until nothing is added."""
        found = cls()
        while True:
            before = len(found.tainted), len(found._from)
            found._counts.clear()
            for record in reader.records((ASSIGNMENTS, OBSERVATIONS, LESSONS)):
                found._read(read_event(record), distrust)
            if reader.unordered() is None or (len(found.tainted), len(found._from)) == before:
                return found

    def _read(self, event: Event, distrust: Distrust) -> None:
        if isinstance(event, PanelAssigned):
            if event.causes[1] in distrust.policies:
                self.direct.add(event.question_id)
                self.tainted.add(event.question_id)
            if any(count >= self._from.get(line, count + 1) for line, count in lines_seen(event)):
                self.tainted.add(event.question_id)
        elif isinstance(event, RouterCarried | WeightsCarried):
            # What an earlier log taught is not followed into it.
            began, sequence = line_carried(event)
            self._counts[began] = sequence
        elif isinstance(event, AgentObserved | LessonGiven):
            source = event.source
            bad = event.question_id in self.tainted or (source in distrust.sources and event.weight_ppb > 0)
            lines: Iterable[Line] = (
                [(event.scope, "")]
                if isinstance(event, LessonGiven)
                else [(scope, event.agent) for scope in event.scopes]
            )
            for line in lines:
                self._counts[line] = count = self._counts.get(line, 0) + 1
                if bad:
                    self._from[line] = min(self._from.get(line, count), count)


def without_sources(sources: Iterable[FeedbackSource]) -> dict[str, int]:
    """Give the settings under which feedback of these sources moves nothing."""
    return {f"learning.source_weights.{source}": 0 for source in sorted(sources)}


@dataclass(slots=True)
class Struck:
    """One decision, decided again without the analyses of some agents."""

    row: Compared
    stood: bool
    """Whether it stands on one of them: as a counted ballot, as its dispatcher, or as its merge agent."""


def struck(reader: LogReader, policies: dict[str, PolicyAdopted], agents: frozenset[str]) -> Iterator[Struck]:
    """
    Decide every question again from its own panel, without the analyses of *agents*.

    Panels stay as they were: whom the router would have chosen instead was not asked.
    """
    for question_id, records in reader.by_correlation(TOPICS):
        recorded = recorded_question(records)
        if recorded is None:
            continue
        decision = recorded.decision
        known = known_of(decision, recorded.feedback.values())
        if not _stands_on(decision, recorded.analyses.values(), agents):
            same = Answer.of(decision)
            yield Struck(Compared(question_id, "exact", "", same, same, known), stood=False)
            continue
        policy = policies[recorded.panel.causes[1]]
        host = MergeHost()
        host.put(recorded.panel)
        deciding = Deciding(recorded.panel, recorded, SameCalls(policy, policy), host.put, agents)
        again = Answer.of(deciding.decide())
        row = Compared(question_id, deciding.coverage, deciding.why, Answer.of(decision), again, known)
        yield Struck(row, stood=True)


def _stands_on(decision: DecisionMade, analyses: Iterable[AnalysisPublished], agents: frozenset[str]) -> bool:
    if any(ballot.agent in agents for ballot in decision.counted):
        return True
    causes = set(decision.causes)
    return any(
        analysis.agent in agents
        and analysis.role != "analyst"
        and analysis.status == "ok"
        and analysis.event_id in causes
        for analysis in analyses
    )


class MergeHost:
    """The fold `merge` of one question."""

    def __init__(self) -> None:
        self._state: Merged | None = None

    def put(self, event: Event) -> tuple[Event, ...]:
        """Fold one event, and give what followed."""
        step = merge(self._state, event, "", _NO_TABLES)
        self._state = step.state
        return step.events
