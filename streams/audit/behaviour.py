"""Behaviour of agents behind their names, watched for changes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from schemas.decisions import DecisionMade
from streams.log import LogReader, read_event
from streams.topology import ANALYSES, DECISIONS

SETTLED = 30
"""Questions on one subject after which an agent's mean and deviation there are known well enough to compare with."""
SLACK = 0.25
"""Deviations of a lasting change that are passed over: it watches for changes of half a deviation and more."""
LIMIT = 30.0
"""
Sum of deviations, less the slack, that gives an alarm: by chance once in forty million values on each side. Five agents
and four signals make 80,000 chances of two thousand questions.

Source: Siegmund's approximation of the run length, (exp(2 k b) - 2 k b - 1) / (2 k^2) with b = limit + 1.166 and k the
slack (Sequential Analysis, 1985).
"""
_MOST = 4.0
"""Deviations that one question counts at most: one odd answer is no change."""
_LEAST_DEVIATION = 0.05
"""Deviation of a signal that never moved so far."""
RECENT = 50_000
"""Records at the end of a log that are looked at: some two thousand questions of five agents."""


class Seen(NamedTuple):
    """What one agent did on one question."""

    answer: str | None
    """None: its answer could not be read."""
    characters: int
    latency_ms: int


class BehaviourChange(NamedTuple):
    """A lasting change of one agent's behaviour."""

    agent: str
    signal: str
    rises: bool
    before: float
    """Mean of the signal before it; of `length` and `latency` the binary logarithm of the factor to the others."""
    after: float
    """Mean since then."""
    began: str
    """Question at which it began, as far as the sums tell."""
    noticed: str
    """Question at which it was noticed."""


@dataclass(slots=True)
class _Usual:
    """Mean and squared deviations of one signal on one subject."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Take in one value (Welford 1962)."""
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self.squares += step * (value - self.mean)

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return max(math.sqrt(self.squares / (self.count - 1)), _LEAST_DEVIATION)


@dataclass(slots=True)
class _Side:
    """Sum of deviations to one side; it starts anew where it falls to zero."""

    reached: float = 0.0
    began: str = ""
    count: int = 0
    usual: float = 0.0
    """Sum of what was usual, since it began."""
    total: float = 0.0
    """Sum of the signal since it began."""

    def add(self, deviation: float, value: float, usual: float, question: str) -> bool:
        """Count one question; say whether the limit is passed."""
        if not self.reached:
            self.began, self.count, self.usual, self.total = question, 0, 0.0, 0.0
        self.reached = max(0.0, self.reached + deviation - SLACK)
        self.count += 1
        self.usual += usual
        self.total += value
        return self.reached > LIMIT


@dataclass(slots=True)
class _SignalCourse:
    """
    Course of one signal of one agent.

    Each value is compared with the mean and the deviation of all before it on the same subject; small changes add up.

    Source: self-starting cumulative sum (Hawkins, Self-Starting Cusum Charts for Location and Scale, 1987).
    """

    usual: dict[str, _Usual] = field(default_factory=dict)
    """By subject."""
    up: _Side = field(default_factory=_Side)
    down: _Side = field(default_factory=_Side)

    def add(self, value: float, subject: str, question: str) -> tuple[bool, _Side] | None:
        """Take in one value; give the side whose limit it passes, if it does."""
        passed = None
        usual = self.usual.setdefault(subject, _Usual())
        if usual.count >= SETTLED:
            away = min(max((value - usual.mean) / usual.deviation, -_MOST), _MOST)
            for rises, side in ((True, self.up), (False, self.down)):
                if side.add(away if rises else -away, value, usual.mean, question):
                    passed = (rises, side)
        usual.add(value)
        return passed


Panel = Mapping[str, Seen]
"""What each agent did on one question."""
Measure = Callable[[Panel], dict[str, float]]
"""Gives each agent's value of one signal, relative to the others."""


def against_others(amount: Callable[[Seen], float]) -> Measure:
    """Measure an amount of each agent, less the median of the others."""

    def measure(panel: Panel) -> dict[str, float]:
        ranked = sorted((amount(seen), agent) for agent, seen in panel.items())
        others = len(ranked) - 1

        def other(own: int, place: int) -> float:
            """Give the value at a place among those of the others."""
            return ranked[place + (own <= place)][0]

        return {
            agent: value - (other(place, others // 2) + other(place, (others - 1) // 2)) / 2
            for place, (value, agent) in enumerate(ranked)
        }

    return measure


def agreement(panel: Panel) -> dict[str, float]:
    """Give which share of the others said the same, less the share that did among themselves."""
    answers = {agent: seen.answer for agent, seen in panel.items() if seen.answer is not None}
    if len(answers) < 3:
        return {}
    same = {agent: sum(answer == given for given in answers.values()) - 1 for agent, answer in answers.items()}
    pairs, others = sum(same.values()), len(answers) - 1
    return {agent: one / others - (pairs - 2 * one) / (others * (others - 1)) for agent, one in same.items()}


SIGNALS: Mapping[str, Measure] = {
    "length": against_others(lambda seen: math.log2(1 + seen.characters)),
    "latency": against_others(lambda seen: math.log2(1 + seen.latency_ms)),
    "unreadable": against_others(lambda seen: float(seen.answer is None)),
    "agreement": agreement,
}


class BehaviourWatch:
    """
    Watches agents that answer the same questions.

    Every signal compares an agent with the others of its panel on the same question, and with itself on the same
    subject, so hard or long questions, and a stream that turns to another subject, are no change. A change starts its
    signal anew for all agents, because they were compared with the one that changed.
    """

    def __init__(self, signals: Mapping[str, Measure] = SIGNALS) -> None:
        self._signals = signals
        self._courses: dict[tuple[str, str], _SignalCourse] = {}

    def see(self, question: str, subject: str, panel: Panel) -> list[BehaviourChange]:
        """
        Take in one question; give the changes that it shows.

        Args:
            question: Its name, to tell where a change began.
            subject: Its subject; values are compared within one.
            panel: What each agent did; with fewer than two agents there is nothing to compare.
        """
        if len(panel) < 2:
            return []
        found = []
        for signal, measure in self._signals.items():
            passed: list[tuple[float, BehaviourChange]] = []
            for agent, value in measure(panel).items():
                hit = self._courses.setdefault((signal, agent), _SignalCourse()).add(value, subject, question)
                if hit is not None:
                    rises, side = hit
                    before, after = side.usual / side.count, side.total / side.count
                    passed.append(
                        (side.reached, BehaviourChange(agent, signal, rises, before, after, side.began, question))
                    )
            if passed:
                found.append(max(passed)[1])
                for key in [key for key in self._courses if key[0] == signal]:
                    del self._courses[key]
        return found


class Watched(NamedTuple):
    """What the end of a log shows."""

    questions: int
    """Questions on which agents could be compared."""
    changes: list[BehaviourChange]


def watched(reader: LogReader) -> Watched:
    """
    BehaviourWatch the agents over the last `RECENT` records of a log.

    A log without one order (on Kafka) has no records that are the last, so it shows nothing.
    """
    watch, questions, changes = BehaviourWatch(), 0, list[BehaviourChange]()
    if reader.unordered() is not None:
        return Watched(0, [])
    lengths: dict[str, dict[str, int]] = {}
    for record in reader.records((ANALYSES, DECISIONS), after=max(reader.end - RECENT, 0)):
        if record.topic == ANALYSES:
            analysis = orjson.loads(record.value)
            lengths.setdefault(record.key, {})[analysis["agent"]] = len(analysis["text"])
            continue
        decision = read_event(record)
        if isinstance(decision, DecisionMade):
            panel = _seen(decision, lengths.pop(record.key, {}))
            questions += len(panel) > 1
            changes += watch.see(decision.question_id, decision.scopes[-1], panel)
    return Watched(questions, changes)


def _seen(decision: DecisionMade, lengths: Mapping[str, int]) -> dict[str, Seen]:
    """Give what the agents did that answered; one that was not reached did nothing."""
    unread = [seat for seat in decision.excluded if seat.reason in ("unreadable", "outside_options")]
    seats = [(seat.agent, seat.answer, seat.conduct) for seat in decision.counted]
    seats += [(seat.agent, None, seat.conduct) for seat in unread]  # type: ignore[misc]
    return {
        agent: Seen(answer, lengths[agent], conduct.latency_ms or 0)
        for agent, answer, conduct in seats
        if agent in lengths
    }


def told(change: BehaviourChange) -> str:
    """Say what changed, and since when."""
    factor = 2 ** (change.after - change.before)
    points = f"{100 * (change.after - change.before):+.0f} points".replace("-", "−")
    what = {
        "length": f"its texts are {factor:.2f} times as long as before",
        "latency": f"its calls take {factor:.2f} times as long as before",
        "unreadable": f"its answers that cannot be read: {points}",
        "agreement": f"the others that agree with it: {points}",
    }[change.signal]
    return f"{change.agent}: {what}, beside the other agents; since about {change.began}, noticed at {change.noticed}"
