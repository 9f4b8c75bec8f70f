"""Scores of the answers to one question, and their explanation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from schemas.odds import ONE, DecisionOdds, Evidence, Gain, OddsLine, PanelOdds, Term
from schemas.quantities import PPB
from streams.processors.fixed import MICRO, half_even
from streams.processors.odds.evidence import evidence_of
from streams.processors.odds.gain import expected_gain
from streams.processors.odds.posterior import Scored, score
from streams.processors.odds.switches import (
    SHARED,
    Ballots,
    Row,
    Switch,
    Voice,
    name_of,
    rows_of,
    start_of,
    switched_on,
)

MOST_TERMS = 400
"""Terms that one decision explains; of 64 agents with answers of their own the last lines are left out."""
_MOST_LINES = 16


@dataclass(frozen=True, slots=True)
class OddsVerdict:
    """Scores of the answers that were given, under the weights that the panel carries."""

    odds: PanelOdds
    ballots: Ballots
    rows: Mapping[str, Row]
    scored: Scored
    weight: Callable[[Switch], int]
    """Gives a weight that the panel carries, or its start where it was not learned."""

    def tally(self) -> dict[str, int]:
        """Give the score of each given answer, in micro-nats."""
        return {voice.answer: _unats(self.scored.scores[voice.answer]) for voice in self.ballots.voices}

    def ballot_weights(self) -> tuple[int, ...]:
        """Give what each answer adds by itself, in micro-nats, without what its supporters or its shape add."""
        return tuple(
            _unats(sum(self.weight(switch) for switch in switched_on(voice, self.ballots)))
            for voice in self.ballots.voices
        )

    def posterior_ppb(self, answer: str) -> int | None:
        """Give the posterior of an answer; None where agreement teaches, for it is no probability then."""
        if self.odds.settings.learn_from == "agreement":
            return None
        return half_even(self.scored.of(answer) * PPB, ONE)

    def gain(self, leader: str, later: Sequence[str]) -> Gain | None:
        """Weigh asking the agents of the panel that are left; None without any."""
        left = [member for member in self.odds.members if member.agent in later]
        if not left:
            return None
        given = [voice.answer for voice in self.ballots.voices]
        return expected_gain(self.scored, leader, given, left, self.ballots.nominal_choices, self.odds.settings)

    def lines(self) -> tuple[OddsLine, ...]:
        """Explain the score of each given answer, best first, term by term."""
        order = sorted(self.tally().items(), key=lambda item: (-item[1], item[0]))
        lines: list[OddsLine] = []
        room = MOST_TERMS
        for answer, total in order[:_MOST_LINES]:
            terms = self._terms(answer)
            room -= len(terms)
            if room < 0:
                break
            posterior = self.posterior_ppb(answer)
            lines.append(OddsLine(answer=answer, score_unats=total, posterior_ppb=posterior, terms=terms))
        return tuple(lines)

    def _terms(self, answer: str) -> tuple[Term, ...]:
        weighed = [(self.weight(switch), name_of(switch), times) for switch, times in self.rows[answer].items()]
        weighed.sort(key=lambda term: (-abs(term[0] * term[2]), term[1]))
        return tuple(Term(name=name, weight=weight, times=times) for weight, name, times in weighed)


def verdict_of(odds: PanelOdds, choices: int, evidence: Sequence[Evidence], answers: Sequence[str]) -> OddsVerdict:
    """
    Score the answers to one question.

    Args:
        odds: What the panel carries.
        choices: Number of options; 0 where the answer is a number.
        evidence: What each answer rests on.
        answers: The answers, in the same order.
    """
    voices = tuple(
        Voice(found.agent, answer, found.grounds, found.uses, found.repeats)
        for found, answer in zip(evidence, answers, strict=True)
    )
    by_agreement = odds.settings.learn_from == "agreement"
    ballots = Ballots(voices, choices, odds.facts.negated, odds.facts.shapes, by_agreement)
    rows, weight = rows_of(ballots), _weight_of(odds)
    return OddsVerdict(odds, ballots, rows, score(rows, ballots.nominal_choices, weight), weight)


def _weight_of(odds: PanelOdds) -> Callable[[Switch], int]:
    """Look weights up where the panel has them, for most of them are of agents who were not asked."""
    owned = {member.agent: member.weights for member in odds.members}
    owned[SHARED] = odds.shared

    def weight(switch: Switch) -> int:
        known = owned.get(switch[0])
        found = None if known is None else known.get(switch[1])
        return start_of(switch) if found is None else found

    return weight


def decision_odds(odds: PanelOdds, evidence: tuple[Evidence, ...], verdict: OddsVerdict | None) -> DecisionOdds:
    """Give what a decision carries: the evidence for learning, and the verdict's lines, if it decided."""
    facts = odds.facts
    return DecisionOdds(
        scope=odds.scope,
        learn_from=odds.settings.learn_from,
        kind=facts.kind,
        negated=facts.negated,
        shapes=facts.shapes,
        first=odds.members[0].agent,
        evidence=evidence,
        lines=() if verdict is None else verdict.lines(),
    )


def read_evidence(odds: PanelOdds, votes: Sequence[tuple[str, str, str]]) -> tuple[Evidence, ...]:
    """Read what each counted answer rests on; of each vote are given agent, answer and text."""
    return tuple(evidence_of(agent, answer, text, odds.facts) for agent, answer, text in votes)


def _unats(weight: int) -> int:
    return half_even(weight * MICRO, ONE)
