"""Versions of the rules behind readings and folds."""

from typing import Literal

from schemas.event import Fact

ExtractorName = Literal["answers.v1", "answers.v2"]


class RuleVersions(Fact):
    """
    The version of the extractor, and of the rules of each fold.

    A version that a log was written with never changes what it gives. A policy of v1 names none and stands for the
    first version of each.
    """

    extractor: ExtractorName
    """How answers are read from texts."""
    route: Literal["route.v1"]
    merge: Literal["merge.v1"]
    learn: Literal["learn.v1", "learn.v2"]
    """v2 reads the right answer that feedback gives as the extractor reads answers, with the question's options."""
    rank: Literal["rank.v1"]


FIRST_RULES = RuleVersions(extractor="answers.v1", route="route.v1", merge="merge.v1", learn="learn.v1", rank="rank.v1")
NEWEST_RULES = RuleVersions(
    extractor="answers.v2", route="route.v1", merge="merge.v1", learn="learn.v2", rank="rank.v1"
)
"""Versions that a new policy names."""
