"""
Honest logs of many kinds, each from a seed.

The real writer and the real session write them, with crashes, batches of any size and changes of the policy.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.agents import SimulatedAgent
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.odds import Odds
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.quantities import PPB
from schemas.questions import LETTERS, QuestionAsked
from schemas.rules import NEWEST_ODDS_RULES
from streams.agents.agent import Agent, AgentError, Reply
from streams.agents.factory import make_agents
from streams.app.setup import Setup, answer
from streams.presets import preset
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.settings import RunSettings

from ...worlds import gold, moment, newest, overdue, question, retraction, verdict
from ..agents.scripted_agent import ASKED, MOST_NUSD, Called

NAMES = ("ada", "bo", "cy", "di", "eve")
SUBJECTS = (None, "law", "art/old")
HEADERS = (("traceparent", b"00-1-2-01"), ("from", b"\xffanyone"))
DEFAULT, REFERENCE, LEXICOGRAPHIC, STAGED, LIVE = "default", "reference", "reference-lexicographic", "staged", "live"


class KilledError(Exception):
    """The process of the story dies here."""


class HastyWriter(EmbeddedWriter):
    """A writer that does not wait for the disk: these crashes are of the process, not of the machine."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connection.execute("PRAGMA synchronous = OFF")


class Story:
    """
    One log and what happens to it.

    Args:
        path: Where the log is made.
        seed: Decides everything.
    """

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.draw = random.Random(seed)
        self.kinds: set[str] = set()
        """What the story holds."""
        self._now_ms = 1_000_000
        self._asked = 0
        self._adopted = 0
        self._given: list[FeedbackGiven] = []
        self._setup = self._new_setup()

    def tell(self) -> None:
        """Write the log."""
        draw = self.draw
        if draw.random() < 0.4:
            self.kinds.add("produced before any policy")
            self._append([*self._questions(4), *self._said(1)])
        for _ in range(draw.randint(1, 3)):
            if draw.random() < 0.4:
                self._setup = self._new_setup()
            if draw.random() < 0.2:
                self.kinds.add("adopted")
                self._append([self._setup.policy])
            if draw.random() < 0.3:
                self.kinds.add("produced")
                self._append([*self._questions(3), *self._said(1)])
            self._session(killed=draw.random() < 0.4)
            if draw.random() < 0.7:
                self._append(self._said(4), fold=draw.random() < 0.8)
        self._session(killed=False)

    def _clock(self) -> int:
        """Go forward, because a reservation is known by its time."""
        self._now_ms += self.draw.choice((1, 3))
        return self._now_ms

    def _shaky_clock(self) -> int:
        """Go back too, as a clock that is set; the times of records never do."""
        return self._now_ms - self.draw.choice((0, 5, 5_000))

    def _questions(self, most: int) -> Iterator[QuestionAsked]:
        for _ in range(self.draw.randint(1, most)):
            self._asked += 1
            options = self.draw.choice((0, 2, 4))
            subject = self.draw.choice(SUBJECTS)
            yield question(f"q{self._asked}", at=self._asked, options=options, subject=subject)

    def _said(self, most: int) -> list[Event]:
        """Make feedback of any kind, on any question, known or not; also deadlines, and questions asked again."""
        draw, made = self.draw, list[Event]()
        for _ in range(draw.randint(0, most)):
            question_id = f"q{draw.randint(1, self._asked + 1)}"
            source = draw.choice(("gold", "human", "downstream", "judge", "agreement"))
            fields: dict[str, Any] = {"source": source, "at": draw.randint(100, 3_000)}
            fields["author"] = draw.choice((None, "ann", "zed"))
            match draw.randrange(6):
                case 0 | 1:
                    made.append(gold(draw.choice("ABCDZ7"), question_id, **fields))
                case 2:
                    made.append(verdict(draw.choice(("right", "wrong")), question_id, **fields))
                case 3 if self._given:
                    made.append(retraction(draw.choice(self._given), at=draw.randint(100, 4_000)))
                case 4:
                    made.append(overdue(question_id, at=draw.randint(100, 3_000)))
                case _:
                    made.append(question(question_id, text=draw.choice(("Another?", f"What is {question_id}?"))))
        self._given += [event for event in made if isinstance(event, FeedbackGiven)]
        self.kinds |= {event.source for event in made if isinstance(event, FeedbackGiven)}
        return made

    def _append(self, events: Iterable[Event], *, fold: bool = False) -> None:
        """Append events, and fold them in batches; the process may die before a commit."""
        draw = self.draw
        with HastyWriter(self.path, PROCESSORS if fold else (), clock=self._shaky_clock) as log:
            for event in events:
                headers = HEADERS[: draw.randint(0, 2)]
                log.append(event, headers=headers, again=draw.random() < 0.2)
                if fold and draw.random() < 0.5:
                    log.fold(draw.randint(1, 5))
                if draw.random() < 0.15:
                    log.commit()
            if draw.random() < 0.9:
                log.commit()
            else:
                self.kinds.add("killed")

    def _session(self, *, killed: bool) -> None:
        """Let the program ask and decide; a killed one dies at some event."""
        draw = self.draw
        left = draw.randint(3, 40) if killed else -1
        self.kinds.add("killed" if killed else "decided")

        def listen(event: Event) -> list[Event]:
            nonlocal left
            left -= 1
            if left == 0:
                raise KilledError
            if isinstance(event, DecisionMade) and draw.random() < 0.5:
                given = gold(draw.choice(LETTERS[:4]), event.question_id, at=draw.randint(100, 3_000))
                self._given.append(given)
                return [given]
            return []

        run = RunSettings(window=draw.randint(1, 6), live_window=draw.randint(1, 6), calls_in_flight=draw.randint(1, 8))
        log = HastyWriter(self.path, PROCESSORS, clock=self._clock, cached_states=draw.choice((1, 4_096)))
        setup = self._setup
        if log.policy is not None and draw.random() < 0.3 and not setup.policy.budget.limited:
            setup = setup._replace(policy=log.policy, agents=agents_of(log.policy))
        try:
            with log:
                answer(log, setup, self._questions(5), run=run, listener=listen, clock=self._clock)
        except (KilledError, ExceptionGroup):
            pass

    def _new_setup(self) -> Setup:
        self._adopted += 1
        kind = self.draw.choice((DEFAULT, REFERENCE, LEXICOGRAPHIC, STAGED, STAGED, LIVE, LIVE))
        self.kinds.add(kind)
        policy = made_policy(self.draw, kind, self._adopted)
        self.kinds.add(policy.kind)
        return Setup(policy, agents_of(policy), ())


def made_policy(draw: random.Random, kind: str, number: int) -> PolicyAdopted:
    """Draw a policy of a kind."""
    names = NAMES[: draw.randint(2, len(NAMES))]
    fields: dict[str, Any] = {"occurred_at": moment(number), "policy_id": draw.choice(("p", f"p{number}"))}
    if kind in (DEFAULT, REFERENCE, LEXICOGRAPHIC):
        fields |= preset(kind, len(names), "v1")
        if "stages" in fields["merge"]:
            fields["merge"] = {**fields["merge"], "stages": tuple(fields["merge"]["stages"])}
    else:
        size = draw.randint(1, len(names))
        reserve = draw.randint(0, len(names) - size)
        first = draw.randint(1, size)
        fields["routing"] = {
            "rule": draw.choice(("weighted", "lexicographic", "static")),
            "panel_size": size,
            "by_subject": draw.random() < 0.7,
            "shrinkage": draw.randint(0, 3),
            "exploration": {"kind": draw.choice(("none", "ucb", "nth")), "warm_up": draw.randint(0, 2), "every": 2},
        }
        fields["merge"] = {
            "rule": draw.choice(("vote", "weighted", "agent", "cascade")),
            "quorum": draw.randint(1, size + reserve),
            "reserve": reserve,
            "stages": (first,) + (1,) * (size - first),
            "accept_ppb": draw.choice((PPB // 2, PPB)),
            "merge_agent": draw.random() < 0.5,
        }
        fields["decomposition"] = draw.choice(("none", "fixed", "dispatcher"))
        fields["learning"] = {"source_weights": {"agreement": draw.choice((0, PPB // 2))}}
    if kind == LIVE:
        fields["agents"] = tuple(Called(name=name).spec for name in names)
        limit = draw.choice((None, MOST_NUSD, 3 * MOST_NUSD))
        fields["budget"] = {"question_nusd": limit, "run_nusd": draw.choice((None, 10 * MOST_NUSD))}
    else:
        fields["agents"] = tuple(simulated(draw, name) for name in names)
    policy = PolicyAdopted(**fields)
    if draw.random() >= 0.6:
        return policy
    return learning_odds(draw, newest(policy)) if kind == DEFAULT else newest(policy)


def learning_odds(draw: random.Random, policy: PolicyAdoptedV2) -> PolicyAdoptedV2:
    """Give the policy of v2 that the preset `default` stands for, with a short warm-up."""
    given = {name: getattr(policy, name) for name in PolicyAdoptedV2.model_fields if name not in ("kind", "event_id")}
    given["merge"] = policy.merge.model_copy(update={"rule": preset(DEFAULT, len(policy.agents))["merge"]["rule"]})
    given["odds"] = Odds(warm_up_lessons=draw.randint(0, 2), audit_every=draw.choice((0, 2)))
    return PolicyAdoptedV2(**{**given, "rules": NEWEST_ODDS_RULES})


def simulated(draw: random.Random, name: str) -> SimulatedAgent:
    """Draw an agent that may fail, be slow, or write nonsense."""
    faults = {fault: draw.choice((0, PPB // 5)) for fault in ("failure_ppb", "hang_ppb", "malformed_ppb")}
    fields: dict[str, Any] = {} if draw.random() < 0.7 else {"price": None}
    return SimulatedAgent(name=name, seed=draw.randrange(9), **faults, **fields)


def agents_of(policy: PolicyAdopted) -> Mapping[str, Agent]:
    """Make the agents of a policy; live ones play a script."""
    if isinstance(policy.agents[0], SimulatedAgent):
        return make_agents(policy, None)
    spent = Reply("", input_tokens=3, output_tokens=4, provider=ASKED)
    script = (
        Reply("The answer is (A).", None, (), None, 10, 20, provider=ASKED),
        AgentError("rate_limited", retriable=True, free=True),
        Reply("The answer is (B).", None, (), None, 11, None, provider=ASKED),
        AgentError("server_error", retriable=True),
        AgentError("empty_reply", retriable=False, spent=spent),
        Reply("The answer is (A).\nThe answer is (A).", None, ("Why?", "How?"), None, 0, 0, 0, provider=ASKED),
        Reply("The answer is (C).", None, (), None, 10, 20, provider=ASKED),
    )
    return {spec.name: Scripted(spec, place, script) for place, spec in enumerate(policy.agents)}


class Scripted(Called):
    """A live agent that plays a script again and again, from some place on."""

    def __init__(self, spec: Any, place: int, script: tuple[Reply | AgentError, ...]) -> None:
        super().__init__(*script, name=spec.name)
        self.spec = spec
        self.calls = place

    async def reply(self, task: Any) -> Reply:
        """Play the next act."""
        await asyncio.sleep(0)
        self.calls += 1
        act = self.script[self.calls % len(self.script)]
        if isinstance(act, AgentError):
            raise act
        assert isinstance(act, Reply), "the script holds no functions"
        return act
