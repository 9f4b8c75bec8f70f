"""
Processors: pure folds from events to events.

They see no clock, no topic offset and no partition; the host does.
"""

from streams.processors.fold import Processor
from streams.processors.learn import LEARN
from streams.processors.merge import MERGE, merge_with
from streams.processors.own_rules import Rules
from streams.processors.rank import RANK
from streams.processors.route import ROUTE
from streams.processors.tune import TUNE

PROCESSORS = (ROUTE, MERGE, LEARN, RANK, TUNE)


def processors_with(rules: Rules) -> tuple[Processor, ...]:
    """Give the processors with installed merge rules of other distributions."""
    return (
        tuple(merge_with(rules) if processor is MERGE else processor for processor in PROCESSORS)
        if rules
        else PROCESSORS
    )


__all__ = ["LEARN", "MERGE", "PROCESSORS", "RANK", "ROUTE", "TUNE", "processors_with"]
