"""Worth of a merge rule that nobody gave feedback."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.decisions import DecisionMade, DecisionMadeV2
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from streams.log import Record, read_event
from streams.processors.ballot import RULES
from streams.topology import FEEDBACK

# Figures of decision 76: all recorded questions in file order, all models in a panel of all but where stages choose.
_MMLU = "Measured without feedback on 2,000 recorded MMLU-Pro questions and eight models"
_BESIDE = "a plain vote of all eight 69.2 %, the best model alone 66.0 %"
_TAUGHT = "odds with feedback 71.3 % for 2.9 calls a question"
_UNTAUGHT = (
    f"{_MMLU}: the cascade of the preset 63.5 % right for 3.1 calls a question, {_BESIDE}, {_TAUGHT}; on 600 of GSM8K"
    " and four models 61.2 %, 67.5 %, 64.3 %, 68.2 %. So without feedback a vote of all agents is"
    " worth more than these stages."
)
_VOTED = f"{_MMLU}: {_BESIDE}, {_TAUGHT}; on 600 of GSM8K and four models 67.5 %, 64.3 %, 68.2 %."
_WEIGHED = f"Without averages of quality all agents weigh the same, so this is a plain vote. {_VOTED}"
_AGREED = (
    f"{_MMLU}: 70.9 % with all eight in the panel, {_BESIDE}, {_TAUGHT}; among models of middling skill it wins"
    " nothing. What it learns is no probability, so none is shown."
)
_EARLIER = "Its weights are those that earlier feedback taught; they cannot notice an agent that has changed since."

_NOT_GIVEN = "nobody gave feedback on these questions, so no agent's quality and no weight is learned from them"
_TEACH_FILE = "Better: the file has right answers, which were only counted; `--feedback gold` teaches them."
_TEACH = "Better: `orch feedback` with right answers or verdicts, of a part of the questions too."
_AGREEMENT = (
    'Without any: all agents in the panel, and either the plain vote, or `learn_from = "agreement"` under [odds], which'
    " leaves numbers to that vote."
)


@dataclass(slots=True)
class RuleUse:
    """
    Which rules decided a set of questions, and what teaches them.

    Attributes:
        decided: Decided questions by the published name of the rule that gave the answer.
        untaught: Those that another rule decided because `odds` had no lesson.
        agreed: Those whose agents' agreement teaches `odds`.
        with_feedback: Questions with feedback that was not retracted.
    """

    decided: dict[str, int] = field(default_factory=dict)
    untaught: int = 0
    agreed: int = 0
    with_feedback: int = 0

    def add(self, decision: DecisionMade, records: Iterable[Record]) -> None:
        """Add a question, given its decision and its records."""
        self.with_feedback += _has_feedback(records)
        if decision.status != "decided":
            return
        self.decided[decision.rule] = self.decided.get(decision.rule, 0) + 1
        odds = decision.odds if isinstance(decision, DecisionMadeV2) else None
        if odds is not None:
            self.agreed += odds.learn_from == "agreement"
            self.untaught += odds.learn_from == "feedback" and decision.rule != RULES["odds"]

    def notes(self, *, graded: bool) -> tuple[str, ...]:
        """
        Say what the rules are worth where nobody gave feedback, and what would make them worth more.

        Args:
            graded: Whether the right answers are known, and so could teach.

        Returns:
            Sentences; none where a question has feedback, or nothing was decided.
        """
        if self.with_feedback or not self.decided:
            return ()
        better = (
            (_TEACH_FILE if graded else _TEACH,) if self.agreed else (_TEACH_FILE if graded else _TEACH, _AGREEMENT)
        )
        return (self._what(), *self._worth(), " ".join(better))

    def _what(self) -> str:
        if self.agreed:
            by_vote = self.decided.get(RULES["vote"], 0)
            numbers = f"; {by_vote:,} for numbers were decided by plain vote and teach nothing" if by_vote else ""
            return f"Nobody gave feedback on these questions: odds learned from the agents' agreement alone{numbers}."
        if self.untaught:
            return f"Rule odds has no lesson yet, so its fixed stages decided as a cascade: {_NOT_GIVEN}."
        return f"{_NOT_GIVEN[0].upper()}{_NOT_GIVEN[1:]}."

    def _worth(self) -> tuple[str, ...]:
        if self.agreed:
            return (_AGREED,)
        if self.untaught or RULES["cascade"] in self.decided:
            return (_UNTAUGHT,)
        known = {RULES["odds"]: _EARLIER, RULES["vote"]: _VOTED, RULES["weighted"]: _WEIGHED}
        return tuple(known[rule] for rule in self.decided if rule in known)[:1]


def _has_feedback(records: Iterable[Record]) -> bool:
    """Whether a question has feedback that stands."""
    given: dict[str, None] = {}
    for record in records:
        if record.topic == FEEDBACK:
            event = read_event(record)
            if isinstance(event, FeedbackGiven):
                given[event.event_id] = None
            elif isinstance(event, FeedbackRetracted):
                given.pop(event.feedback_id, None)
    return bool(given)
