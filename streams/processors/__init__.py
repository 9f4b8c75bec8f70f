"""
Processors: four pure folds from events to events.

They see no clock, no topic offset and no partition; the host does.
"""

from streams.processors.learn import LEARN
from streams.processors.merge import MERGE
from streams.processors.rank import RANK
from streams.processors.route import ROUTE

PROCESSORS = (ROUTE, MERGE, LEARN, RANK)

__all__ = ["LEARN", "MERGE", "PROCESSORS", "RANK", "ROUTE"]
