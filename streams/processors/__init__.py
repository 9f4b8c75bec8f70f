"""The decisions: four pure folds from events to events, and the rules they apply. Nothing here knows time or place."""

from streams.processors.learn import LEARN
from streams.processors.merge import MERGE
from streams.processors.rank import RANK
from streams.processors.route import ROUTE

PROCESSORS = (ROUTE, MERGE, LEARN, RANK)

__all__ = ["LEARN", "MERGE", "PROCESSORS", "RANK", "ROUTE"]
