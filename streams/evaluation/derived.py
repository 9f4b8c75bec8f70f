"""Arms that are counted from the log of everybody."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streams.evaluation.arms import Panel
from streams.evaluation.ordering import permuted
from streams.evaluation.outcomes import Answers, ArmOutcome, Given, GradedQuestion, of_members, together


class ArmSeries(NamedTuple):
    """
    Outcomes of an arm.

    Attributes:
        panel: Label of the panel.
        name: Of the arm within the panel.
        kind: What it is.
        orders: Outcomes for each order; one where the order changes nothing.
        asked: Agents of the panel that the arm may ask.
    """

    panel: str
    name: str
    kind: str
    orders: Sequence[Sequence[ArmOutcome]]
    asked: tuple[str, ...] = ()


def plurality(answers: Mapping[str, str | None], priority: Sequence[str]) -> str | None:
    """
    Decide by one vote for each agent; a tie goes to the answer whose supporter is listed first.

    It is the rule `vote` of a static panel (a test compares them on logs), for panels that no log was made of.
    """
    votes = [(name, answers[name]) for name in priority if answers.get(name) is not None]
    counted = Counter(answer for _, answer in votes)
    most = max(counted.values(), default=0)
    return next((answer for _, answer in votes if counted[answer] == most), None)


def singles(panel: Panel, questions: Sequence[GradedQuestion], answers: Answers) -> list[ArmSeries]:
    """Give each agent of a panel on its own."""
    found = []
    for agent, original in panel.members.items():
        rows = [
            _alone(place, question, answers[question.question_id].get(original))
            for place, question in enumerate(questions)
        ]
        found.append(ArmSeries(panel.label, agent, "single", [rows], (agent,)))
    return found


def _alone(place: int, question: GradedQuestion, given: Given | None) -> ArmOutcome:
    return together(
        place, question.question_id, given and given.answer, question.gold, [] if given is None else [given]
    )


def best_first(panel: Panel, questions: Sequence[GradedQuestion], answers: Answers) -> list[str]:
    """List a panel's agents by the number of right answers on these questions, in hindsight; ties as listed."""
    right = {
        agent: sum(
            (given := answers[question.question_id].get(original)) is not None and given.answer == question.gold
            for question in questions
        )
        for agent, original in panel.members.items()
    }
    return sorted(panel.agents, key=lambda agent: -right[agent])


def vote_of(
    panel: Panel,
    agents: Sequence[str],
    questions: Sequence[GradedQuestion],
    answers: Answers,
    name: str,
) -> ArmSeries:
    """Give the plain vote of some agents of a panel, ties to the one listed first."""
    members = {agent: panel.members[agent] for agent in agents}
    rows = []
    for place, question in enumerate(questions):
        given = of_members(answers[question.question_id], members)
        answer = plurality({agent: one.answer for agent, one in given.items()}, agents)
        rows.append(together(place, question.question_id, answer, question.gold, list(given.values())))
    return ArmSeries(panel.label, name, "vote", [rows], tuple(agents))


def oracle(panel: Panel, questions: Sequence[GradedQuestion], answers: Answers) -> ArmSeries:
    """Give what a choice that is always right would reach: right where any agent is."""
    rows = []
    for place, question in enumerate(questions):
        given = of_members(answers[question.question_id], panel.members)
        found = question.gold if any(one.answer == question.gold for one in given.values()) else None
        rows.append(together(place, question.question_id, found, question.gold, list(given.values())))
    return ArmSeries(panel.label, "oracle", "oracle", [rows], panel.agents)


def chosen_online(
    panel: Panel, questions: Sequence[GradedQuestion], answers: Answers, *, seed: int, orders: int
) -> ArmSeries:
    """
    Give the single agent that was right most often so far, question by question.

    This is what a user without hindsight can have, and it is a generous baseline: it knows what every agent would have
    answered to every earlier question, while a router knows that only of those it asked. Ties go to the agent listed
    first. It pays one call a question; the calls it would take to know the others are not counted.
    """
    keys = [question.question_id for question in questions]
    found = []
    for order in range(1, orders + 1):
        right = dict.fromkeys(panel.agents, 0)
        rows = []
        for place, question in enumerate(permuted(questions, keys, seed=seed, order=order)):
            given = of_members(answers[question.question_id], panel.members)
            chosen = max(panel.agents, key=lambda agent: right[agent])
            rows.append(_alone(place, question, given.get(chosen)))
            for agent, one in given.items():
                right[agent] += one.answer == question.gold
        found.append(rows)
    return ArmSeries(panel.label, "best single chosen on line", "choice", found, panel.agents)
