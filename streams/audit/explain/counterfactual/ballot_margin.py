"""Smallest change of ballots that gives another answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

from schemas.decisions import DecisionMade
from schemas.questions import LETTERS
from streams.audit.explain.counterfactual.rederivation import AskedOf, Changes, DecidedQuestion, WhatFollows
from streams.processors.ballot import deciding_rule, log_odds

MOST_TRIED, MOST_TRIED_ODDS = 2_000, 500
"""
Derivations of one search, at 0.15 to 0.7 ms, and under `odds` at 0.5 to 2.5 ms: about a second of a slow core. A panel
of five takes a few hundred.
"""

STANDS_FOR_OTHERS = tuple(str(number) for number in range(9_999_000_001, 9_999_000_257))
"""Numbers that stand for all that nobody gave: as many as a question has analyses, and in hardly anybody's text."""


@dataclass(frozen=True, slots=True)
class ChangeTried:
    """A change, and what follows from it."""

    changes: Changes
    outcome: WhatFollows


@dataclass(slots=True)
class BallotMargin:
    """
    Result of a search.

    The number of ballots that must change is known as the margin of victory (Cary 2011, "Estimating the margin of
    victory for instant-runoff voting").
    """

    smallest: ChangeTried | None = None
    """A change of fewest ballots from which another answer follows; None: the search found none."""
    nothing_below: int = 1
    """No change of fewer ballots gives another answer: all of them were tried, or follow from those that were."""
    opens: ChangeTried | None = None
    """A smaller change after which further agents would have been asked, whose answers the log does not hold."""
    most: int = MOST_TRIED
    """Derivations after which the search stops."""
    tried: int = 0
    _answer: str | None = field(default=None, repr=False)

    def look(self, record: DecidedQuestion, changes: Changes) -> bool:
        """Derive with one change; say whether another answer follows."""
        self.tried += 1
        outcome = record.outcome(changes)
        if outcome.state == "open" and self.opens is None:
            self.opens = ChangeTried(changes, outcome)
        if outcome.state != "decided" or outcome.answer == self._answer:
            return False
        self.smallest = ChangeTried(changes, outcome)
        return True


def ballot_margin(
    record: DecidedQuestion, decision: DecisionMade, voices: Sequence[AskedOf], most: int | None = None
) -> BallotMargin:
    """
    Search the smallest number of ballots that must change for another answer.

    Changes of one ballot are tried first, then of two, and so on. Changes to one and the same answer come first.
    Where more support never hurts an answer, no others are needed: under `vote`, and under `weighted` while no ballot
    weighs less than nothing.

    Args:
        record: What was said.
        decision: Its tally orders the answers that are tried.
        voices: Whose ballots may change, in seat order.
        most: Derivations after which the search stops; None: as many as take about a second.

    Returns:
        Where the search stopped a bound, and a change that may not be the smallest.
    """
    if most is None:
        most = MOST_TRIED_ODDS if deciding_rule(record.panel) == "odds" else MOST_TRIED
    margin = BallotMargin(most=most, _answer=decision.answer)
    given = {voice: _said(decision, voice) for voice in voices}
    grows = more_never_hurts(record, voices)
    for size in range(1, len(voices) + 1):
        targets = answers_tried(record, decision, size)
        ways = _alike(record, given, targets, size) if grows else _to_one(given, targets, size)
        whole = _search(margin, record, ways)
        if margin.smallest is None and not grows:
            whole = _search(margin, record, _mixed(given, targets, size)) and whole
        if margin.smallest is not None:
            break
        if whole and margin.nothing_below == size:
            margin.nothing_below = size + 1
        if margin.tried >= margin.most:
            _overturn(margin, record, given, targets)
            break
    if margin.opens is not None and margin.smallest is not None:
        smaller = len(margin.opens.changes) < len(margin.smallest.changes)
        margin.opens = margin.opens if smaller else None
    return margin


def answers_tried(record: DecidedQuestion, decision: DecisionMade, most: int) -> list[str]:
    """
    List the answers that ballots are changed to, the best first, then those that nobody gave.

    Under `odds` options differ by themselves, so all of them are listed; else *most* of those that nobody gave stand
    for all of them. Of a number there is no end of them; those listed have no place in anybody's text.
    """
    ranked = sorted(decision.tally, key=lambda answer: (-decision.tally[answer], answer))
    if decision.answer is not None and decision.answer not in ranked:
        ranked.insert(0, decision.answer)
    if not record.panel.option_count:
        return [*ranked, *[number for number in STANDS_FOR_OTHERS if number not in ranked][:most]]
    silent = [letter for letter in LETTERS[: record.panel.option_count] if letter not in ranked]
    return [*ranked, *(silent if deciding_rule(record.panel) == "odds" else silent[:most])]


def more_never_hurts(record: DecidedQuestion, voices: Sequence[AskedOf]) -> bool:
    """
    Whether a changed ballot helps its new answer and no other, so that the best change is to one answer alone.

    So it is where one count of all ballots decides. In stages, one more ballot may end the asking earlier; under
    `odds`, the number of supporters has a weight of its own.
    """
    rule = deciding_rule(record.panel)
    if rule not in ("vote", "weighted") or any(voice.role == "merger" for voice in record.analyses):
        return False
    if rule == "vote":
        return True
    panel = record.panel
    choices = panel.option_count or panel.merge.number_choices
    agents = [voice.agent for voice in voices]
    return all(log_odds(known.quality_ppb, choices) >= 0 for known in panel.candidates if known.agent in agents)


def _said(decision: DecisionMade, voice: AskedOf) -> str | None:
    """Give what a voice said: a ballot's answer, or the merge agent's verdict, which is the decision."""
    if voice.role == "merger":
        return decision.answer if decision.verdict_id is not None else None
    return next((ballot.answer for ballot in decision.counted if ballot.agent == voice.agent), None)


def _search(margin: BallotMargin, record: DecidedQuestion, ways: Iterator[Changes]) -> bool:
    """Try changes until one gives another answer; False if they were too many to try all."""
    for changes in ways:
        if margin.tried >= margin.most:
            return False
        if margin.look(record, changes):
            return True
    return True


def _to_one(given: dict[AskedOf, str | None], targets: Sequence[str], size: int) -> Iterator[Changes]:
    for target in targets:
        movable = [voice for voice, answer in given.items() if answer != target]
        for chosen in combinations(movable, size):
            yield dict.fromkeys(chosen, target)


def _alike(
    record: DecidedQuestion, given: dict[AskedOf, str | None], targets: Sequence[str], size: int
) -> Iterator[Changes]:
    """
    Change ballots to one answer; of those alike in answer and weight, the ones that come first where there is a tie.
    """
    order = {agent: place for place, agent in enumerate(record.panel.priority)}
    quality = {candidate.agent: candidate.quality_ppb for candidate in record.panel.candidates}
    weighs = deciding_rule(record.panel) != "vote"
    for target in targets:
        groups: dict[tuple[str | None, int], list[AskedOf]] = {}
        for voice in sorted(given, key=lambda voice: order[voice.agent]):
            if given[voice] != target:
                alike = (given[voice], quality[voice.agent] if weighs else 1)
                groups.setdefault(alike, []).append(voice)
        for counts in _split(size, [len(group) for group in groups.values()]):
            chosen = [voice for group, number in zip(groups.values(), counts, strict=True) for voice in group[:number]]
            yield dict.fromkeys(chosen, target)


def _split(size: int, room: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Give every way to take *size* things out of groups."""
    if not room:
        if size == 0:
            yield ()
        return
    for number in range(min(size, room[0]), -1, -1):
        for rest in _split(size - number, room[1:]):
            yield (number, *rest)


def _mixed(given: dict[AskedOf, str | None], targets: Sequence[str], size: int) -> Iterator[Changes]:
    """Change ballots to several answers at once."""
    for chosen in combinations(given, size):
        for answers in product(*([target for target in targets if target != given[voice]] for voice in chosen)):
            if len(dict.fromkeys(answers)) > 1:
                yield dict(zip(chosen, answers, strict=True))


def _overturn(
    margin: BallotMargin, record: DecidedQuestion, given: dict[AskedOf, str | None], targets: Sequence[str]
) -> None:
    """Look for some change, where there are too many to try all: ballot by ballot to each answer."""
    for target in targets:
        changes: dict[AskedOf, str | None] = {}
        for voice, answer in sorted(given.items(), key=lambda item: item[1] != margin._answer):
            if answer == target:
                continue
            changes[voice] = target
            best = margin.smallest
            if best is not None and len(changes) >= len(best.changes):
                break
            if margin.look(record, dict(changes)):
                break
