"""Progress of the stages in a log without common order."""

from collections.abc import Mapping

from streams.audit.replay.difference import Difference, Findings
from streams.log import Record, UnorderedReader
from streams.processors import PROCESSORS

STAGE_OF = {topic: processor.name for processor in PROCESSORS for topic in processor.reads}
"""The stage that reads a topic, and writes a dead letter for what it cannot read there."""


class Certainty:
    """What the stages had folded when a view was taken: what follows from that must be in the view."""

    def __init__(self, reader: UnorderedReader) -> None:
        self._committed = {processor.name: reader.committed(processor.name) for processor in PROCESSORS}

    def folded(self, stage: str, record: Record) -> bool:
        """Say whether a stage has folded a record for certain; if not, it may have."""
        return record.offset < self._committed[stage].get((record.topic, record.partition), 0)


class SettledFindings(Findings):
    """
    Findings of a view whose partitions end at different moments.

    What was written last may rest on records that the view does not hold any more, so differences there do not count.
    """

    def __init__(self, settled: Mapping[tuple[str, int], int]) -> None:
        super().__init__()
        self._settled = settled

    def note(self, difference: Difference) -> None:
        """Count a difference, unless its place is too new to be judged."""
        if difference.offset < self._settled.get((difference.topic, difference.partition), 0):
            super().note(difference)
