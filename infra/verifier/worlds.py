"""Small sealed logs of every merge rule, from a seed."""

from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from schemas.agents import SimulatedAgent
from schemas.analyses import AnalysisPublished, Attempt
from schemas.decisions import DeadlinePassed, DeadlinePassedV2, DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.odds import Odds
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.quantities import instant_of_ms, later
from schemas.questions import LETTERS, QuestionAsked
from schemas.rules import NEWEST_ODDS_RULES, NEWEST_RULES
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter

Opener = PanelAssigned | StageOpened

START_MS = 1_767_225_600_000
"""2026-01-01, when every world begins."""

_COMMITTED = 500
"""Questions of one transaction."""

_WORKINGS = ("12 + 30 = 42.", "12 * 4 = 41, or 1.5.", "It is 42 m; so 42 / 1.5 = 28, and 7, 8, 9, 10.", "No numbers.")
"""Workings before an answer: true and false equations, values near the end and far from it."""

_SHARES = {"ok": 80, "unreadable": 6, "outside": 4, "failed": 6, "refused": 4}
"""Replies out of a hundred."""


def write_world(path: Path, random: Random, questions: int, *, odds: bool = False) -> list[str]:
    """
    Write a log: a policy drawn at random, questions, scripted replies, deadlines and feedback.

    Args:
        odds: Whether the merge rule is `odds`, with settings drawn at random and numbers in the texts; else it is
            another one.

    Returns:
        Ids of the questions, all of them decided or undecided.
    """
    ticks = count(START_MS)
    with EmbeddedWriter(path, PROCESSORS, clock=lambda: next(ticks)) as log:
        policy = _policy(random, odds=odds)
        _put(log, policy)
        ids = [f"q{number}" for number in range(questions)]
        for place, question_id in enumerate(ids):
            question = _question(random, question_id, place)
            _ask(log, random, _numeric(random, question) if odds else question, isinstance(policy, PolicyAdoptedV2))
            if place % _COMMITTED == 0:
                log.commit()
        log.commit()
    return ids


def _policy(random: Random, *, odds: bool) -> PolicyAdopted:
    names = [f"agent-{letter}" for letter in "abcdef"[: random.randint(2, 6)]]
    rule = random.choice(["vote", "weighted", "agent", "cascade", "cascade"])
    reserve = random.randint(0, min(2, len(names) - 1))
    panel = random.randint(1, len(names) - reserve)
    first = random.randint(1, panel)
    stages = tuple(size for size in (first, *([1] * (panel - first))) if size)
    fields: dict[str, Any] = {
        "occurred_at": instant_of_ms(START_MS),
        "policy_id": f"policy-{random.randrange(1_000)}",
        "agents": tuple(SimulatedAgent(name=name) for name in names),
        "routing": {
            "panel_size": panel,
            "by_subject": random.random() < 0.5,
            "exploration": {"warm_up": random.choice([0, 0, 2]), "kind": random.choice(["none", "ucb", "nth"])},
            "merger": random.choice(["first", "second", names[-1]]),
        },
        "decomposition": random.choice(["none", "none", "fixed", "dispatcher"]),
        "merge": {
            "rule": rule,
            "quorum": random.randint(1, panel + reserve),
            "reserve": reserve,
            "ties": random.choice(["rank", "priority"]),
            "stages": stages,
            "accept_ppb": random.choice([500_000_000, 800_000_000, 950_000_000]),
            "window_ppb": random.choice([0, 300_000_000]),
            "merge_agent": random.random() < 0.4,
        },
        "deadline_ms": 60_000,
    }
    if odds:
        return _under_odds(random, fields)
    return PolicyAdoptedV2(**fields, rules=NEWEST_RULES) if random.random() < 0.7 else PolicyAdopted(**fields)


def _under_odds(random: Random, fields: dict[str, Any]) -> PolicyAdoptedV2:
    """Give the policy the rule `odds`, in one of four cases with its default settings."""
    settings = Odds(
        learn_from=random.choice(["feedback", "feedback", "feedback", "agreement"]),
        cascade=random.random() < 0.8,
        gain_per_call_ppb=random.choice([0, 2_000_000, 6_000_000, 60_000_000]),
        warm_up_lessons=random.choice([0, 1, 2, 50]),
        warm_up_panels=random.choice([1, 3, 100]),
        audit_every=random.choice([0, 4, 25]),
        option_shapes=random.random() < 0.5,
    )
    merge = {**fields["merge"], "rule": "odds", "merge_agent": False}
    odds = None if settings.asks_in_stages and random.random() < 0.25 else settings
    return PolicyAdoptedV2(**{**fields, "merge": merge}, rules=NEWEST_ODDS_RULES, odds=odds)


def _numeric(random: Random, question: QuestionAsked) -> QuestionAsked:
    """Give a question what the rule `odds` looks for: numbers, options with values, a negation."""
    if random.random() < 0.2:
        return question
    text = f"Which is {random.choice(['', 'not '])}the length of 12 + {random.randint(1, 40)} rods of 1.5 m?"
    values = tuple(f"about {random.choice([41, 42, 1.5, number])} m" for number, _ in enumerate(question.options))
    options = random.choice([values, question.options])
    # Two options must not have the same words.
    options = options if len(dict.fromkeys(options)) == len(options) else question.options
    kept = {name: getattr(question, name) for name in ("occurred_at", "question_id", "answer_type", "subject")}
    return QuestionAsked(**kept, text=text, options=options)


def _question(random: Random, question_id: str, place: int) -> QuestionAsked:
    options = random.choice([0, 2, 3, 4, 4])
    return QuestionAsked(
        occurred_at=instant_of_ms(START_MS + 1_000 * (place + 1)),
        question_id=question_id,
        text=f"What is meant by {question_id}? \u00e9\u4e16\u754c \U0001f9ee\n\tSecond line.",
        options=tuple(f"option {number}" for number in range(options)),
        answer_type="choice" if options else "number",
        subject=random.choice([None, "physics", "law"]),
    )


def _put(log: EmbeddedWriter, event: Event) -> list[Event]:
    log.append(event)
    made: list[Event] = []
    while log.ready:
        made += [stored.event for stored in log.fold()]
    return made


def _ask(log: EmbeddedWriter, random: Random, question: QuestionAsked, is_v2: bool) -> None:
    """Ask a question and let the agents reply until it is decided; some are late, so that a deadline passes."""
    open_seats: list[tuple[Opener, str]] = []
    late = random.random() < 0.15
    panel: PanelAssigned | None = None
    decided = False
    waiting = _put(log, question)
    while not decided:
        for event in waiting:
            if isinstance(event, PanelAssigned | StageOpened):
                open_seats += [(event, seat.agent) for seat in event.stage.seats]
            panel = event if isinstance(event, PanelAssigned) else panel
            decided = decided or isinstance(event, DecisionMade)
        if decided:
            break
        assert panel is not None, "a question under a policy has a panel"
        if open_seats and not (late and random.random() < 0.4):
            opener, agent = open_seats.pop(random.randrange(len(open_seats)))
            waiting = _put(log, _analysis(random, question, opener, agent))
        else:
            at = later(panel.occurred_at, panel.deadline_ms)
            named: dict[str, Any] = {"occurred_at": at, "question_id": question.question_id}
            passed = DeadlinePassedV2(**named, causes=(panel.event_id,)) if is_v2 else DeadlinePassed(**named)
            waiting, late = _put(log, passed), False
    if random.random() < 0.7:
        answer = random.choice(LETTERS[: len(question.options)]) if question.options else "42"
        given = FeedbackGiven(
            occurred_at=later(question.occurred_at, 500), question_id=question.question_id, source="gold", answer=answer
        )
        _put(log, given)


def _analysis(random: Random, question: QuestionAsked, opener: Opener, agent: str) -> AnalysisPublished:
    reply = random.choices(list(_SHARES), list(_SHARES.values()))[0]
    letters = LETTERS[: len(question.options)]
    answer = random.choice(letters[:2]) if letters else random.choice(["42", "41", "1.5"])
    texts = {
        "ok": f"I thought about it.\nThe answer is {answer}.",
        "unreadable": "Hard to say.",
        "outside": "Answer: (Z)",
    }
    if " rods " in question.text:
        texts["ok"] = f"{random.choice(_WORKINGS)}\n{texts['ok']}"
    latency = random.randint(1, 3_000)
    priced = random.choice([None, random.randint(0, 10**6)])
    attempts = [Attempt(outcome="timeout", latency_ms=1, cost_nusd=priced)] if random.random() < 0.1 else []
    if reply == "refused":
        attempts = [Attempt(outcome="refused", error="budget", latency_ms=0)]
    else:
        attempts.append(Attempt(outcome="error" if reply == "failed" else "ok", latency_ms=latency, cost_nusd=priced))
    failed = reply in ("failed", "refused")
    wrote = opener.stage.role == "dispatcher" and not failed and random.random() < 0.6
    return AnalysisPublished(
        causes=(opener.event_id,),
        occurred_at=later(opener.occurred_at, latency),
        question_id=question.question_id,
        agent=agent,
        stage=opener.stage.number,
        role=opener.stage.role,
        status="failed" if failed else "ok",
        text="" if failed else texts[reply],
        answer=answer if reply == "ok" and random.random() < 0.3 else None,
        sub_questions=tuple(f"Part {number}?" for number in range(8)) if wrote else (),
        attempts=tuple(attempts),
        latency_ms=latency,
    )
