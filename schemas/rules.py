"""Versions of the rules behind readings and folds."""

from typing import Annotated, Literal

from schemas.event import ADDED, Fact

ExtractorName = Literal["answers.v1", "answers.v2"]
RankRules = Literal["rank.v1", "rank.v2"]
OddsRules = Literal["odds.v1"]
TuneRules = Literal["tune.v1"]


class RuleVersions(Fact):
    """
    The version of the extractor, and of the rules of each fold.

    A version that a log was written with never changes what it gives. A policy of v1 names none and stands for the
    first version of each.
    """

    extractor: ExtractorName
    """How answers are read from texts."""
    route: Literal["route.v1", "route.v2"]
    """
    v2: the explored agent sits in the first stage, dispatcher and merge agent are by rank, and every asking counts for
    warm-up and exploration.
    """
    merge: Literal["merge.v1", "merge.v2"]
    """
    v2: a deadline names its panel; an analysis that contradicts itself is refused; a decision says how the calls of
    dispatcher and merge agent went, when a tie was settled by the number of ballots, and when it fell below the window.
    """
    learn: Literal["learn.v1", "learn.v2"]
    """
    v2: the right answer that feedback gives is read as answers are, with the question's options; a seat without a call
    counts as asked; calls of dispatcher and merge agent count for latency and stability.
    """
    rank: RankRules
    """v2: entries count askings; an undone step of 1 leaves the average as it is where others came before."""
    odds: Annotated[OddsRules | None, ADDED] = None
    """Evidence, scores and stages of the merge rule `odds`; unset under any other rule."""
    tune: Annotated[TuneRules | None, ADDED] = None
    """How lessons move its weights; unset under any other rule."""


FIRST_RULES = RuleVersions(extractor="answers.v1", route="route.v1", merge="merge.v1", learn="learn.v1", rank="rank.v1")
NEWEST_RULES = RuleVersions(
    extractor="answers.v2", route="route.v2", merge="merge.v2", learn="learn.v2", rank="rank.v2"
)
"""Versions that a new policy names."""
NEWEST_ODDS_RULES = NEWEST_RULES.model_copy(update={"odds": "odds.v1", "tune": "tune.v1"})
"""Versions that a new policy names whose merge rule is `odds`."""
