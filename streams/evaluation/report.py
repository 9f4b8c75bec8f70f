"""The report of an evaluation, as data."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

BEST_OF = "vote of the best "
"""Beginning of the name of an arm that is the vote of some of a panel, those most often right; their number follows."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Part):
    """A confidence interval of 95 %, or the least and the greatest of several values."""

    low: float
    high: float


class Calibration(_Part):
    """Posteriors of an arm beside how often it was right."""

    ece: Share
    """Expected calibration error: mean distance of posterior and accuracy over ten bins, weighted by their size."""
    by_chance: Share | None = None
    """
    What the same figure would be on average if every posterior were the true probability: the sample alone gives it.
    Questions are the sample; the orders of one question count as one draw. None in reports of earlier versions.
    """
    most_by_chance: Share | None = None
    """The figure that true posteriors would exceed in one of twenty samples."""
    answers: int
    bins: tuple[tuple[float, float, int], ...]
    """Mean posterior, accuracy and number of answers of each bin that has any."""


class SubjectResult(_Part):
    """Accuracy on one subject."""

    subject: str
    questions: int
    accuracy: Share
    interval: Range


class CallsPoint(_Part):
    """Answers that took so many calls."""

    calls: int
    answers: int
    accuracy: Share


class ArmResult(_Part):
    """Result of one arm over all orders."""

    panel: str
    name: str
    kind: Literal["single", "choice", "vote", "rule", "oracle"]
    """`choice`: the best single agent as chosen on line; `oracle`: what no rule can pass."""
    rule: str | None
    routing: str | None
    agents: tuple[str, ...]
    orders: int
    """Orders it was measured on; 1 where the order changes nothing."""
    questions: int
    accuracy: Share
    """Mean over questions and orders; an undecided question counts as wrong."""
    interval: Range
    """One order: Wilson's of the count. Several: bootstrap by question, a question drawn with all its orders."""
    by_order: Range
    """Least and greatest accuracy of an order."""
    undecided: float
    """Share of the answers."""
    calls: float
    """Calls a question."""
    input_tokens: float | None
    """Known input tokens a question; None where none are known."""
    output_tokens: float | None
    cost_usd: float | None
    """A question; None where the cost of no call is known."""
    unpriced_calls: float
    """Calls a question whose cost is not known."""
    latency_ms: float | None
    """Mean time of a question's calls, those of one stage at the same time; None where it is not known."""
    subjects: tuple[SubjectResult, ...]
    calibration: Calibration | None
    calls_taken: tuple[CallsPoint, ...]
    """Early exit: how many answers took how many calls, and how often they were right."""
    vote_at_equal_calls: float | None
    """
    Accuracy of the plain vote, best agents first, at the same number of calls: between two panel sizes as if the larger
    one were drawn for the fraction of the questions. The sizes and their order are chosen in hindsight.
    """


class Comparison(_Part):
    """The paired difference of two arms."""

    family: str
    """Comparisons of one family are adjusted together."""
    panel: str
    first: str
    second: str
    questions: int
    orders: int
    difference: float
    """Accuracy of the first less that of the second."""
    interval: Range
    """Bootstrap by question; a question is drawn with all its orders."""
    interval_by_subject: Range | None
    """The same with whole subjects drawn; None with fewer than five of them."""
    only_first: int
    """Questions that only the first had right, in the first order."""
    only_second: int
    mcnemar_p: float
    """Exact, of the first order alone."""
    mcnemar_mid_p: float
    p: float
    """The p-value that counts: exact McNemar where neither arm depends on the order, else the bootstrap's."""
    test: Literal["exact McNemar", "bootstrap by question"]
    p_holm: float
    """*p* after Holm within the family."""
    smallest_difference: float | None
    """
    Difference that this many questions would have shown with a power of 80 %, had as many of them been discordant; None
    where so few could have shown none.
    """
    extra_right: float
    """Right answers more, for 1,000 questions."""
    calls_per_extra_right: float | None
    """Extra calls for one extra right answer; None where there is none."""
    usd_per_extra_right: float | None
    flips_to_right: float
    """Share of the answers that the first has right and the second has not."""
    flips_to_wrong: float
    """Share of the answers that the second has right and the first has not: negative flips of a change to the first."""
    sentence: str
    """To be pasted into a paper."""


class ErrorPair(_Part):
    """How two agents' errors go together."""

    panel: str
    first: str
    second: str
    correlation: float | None
    """Phi of the two agents being wrong; None where one is never wrong or always."""
    both_wrong: Share
    same_wrong: float | None
    """Of the questions both have wrong, the share with the same wrong answer; None without any."""


class ConfusionCell(_Part):
    """How often a right answer got an answer; only of questions with options."""

    panel: str
    arm: str
    gold: str
    answer: str | None
    answers: int


class Curve(_Part):
    """Course of one quantity in the first order of an arm."""

    panel: str
    arm: str
    agent: str
    quantity: str
    points: tuple[tuple[int, float], ...]
    """Number of questions, and value."""


class Source(_Part):
    """Where the questions and outputs came from."""

    files: tuple[str, ...]
    forms: dict[str, int]
    sha256: str
    """Of the questions and outputs that were evaluated, in orch's own form."""
    questions: int
    ungraded: int
    """Questions left out because no right answer is known."""
    refused_rows: int
    sampling: str | None


class EvalReport(_Part):
    """Everything an evaluation found; every figure follows from the long form and the seed."""

    version: str
    """Of orch."""
    command: str
    """Makes the report again."""
    seed: int
    orders: int
    window: int
    resamples: int
    source: Source
    panels: dict[str, tuple[str, ...]]
    """Agents of each panel, in the order that settles ties."""
    arms: tuple[ArmResult, ...]
    comparisons: tuple[Comparison, ...]
    errors: tuple[ErrorPair, ...]
    confusion: tuple[ConfusionCell, ...]
    curves: tuple[Curve, ...]
    logs: int
    """Logs that were written, one for each arm and order."""
    replayed: int
    """Logs of which every derived event was derived again."""
    different: int
    """Events that a replay found different."""
    not_run: dict[str, str]
    """What was not measured, and why."""
