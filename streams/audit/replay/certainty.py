"""Progress of the stages in a log without common order."""

from collections.abc import Mapping

from streams.audit.replay.difference import Difference, Findings
from streams.log import Record, UnorderedReader
from streams.processors import PROCESSORS

STAGE_OF = {topic: processor.name for processor in PROCESSORS for topic in processor.reads}
"""The stage that reads a topic, and writes a dead letter for what it cannot read there."""


class Certainty:
    """
    Committed offsets of the stages when a view was taken.

    Whatever follows from records before those offsets must be in the view.
    """

    def __init__(self, reader: UnorderedReader) -> None:
        self._committed = {processor.name: reader.committed(processor.name) for processor in PROCESSORS}

    def folded(self, stage: str, record: Record) -> bool:
        """Whether a stage has certainly folded a record; if not, it still may have."""
        return record.offset < self._committed[stage].get((record.topic, record.partition), 0)


class SettledFindings(Findings):
    """
    Findings of a view whose partitions end at different moments.

    The last records of a partition may rest on records behind the end of another, so differences there do not count.
    """

    def __init__(self, settled: Mapping[tuple[str, int], int]) -> None:
        super().__init__()
        self._settled = settled

    def note(self, difference: Difference) -> None:
        """Count a difference, unless its place is too new to be judged."""
        if difference.offset < self._settled.get((difference.topic, difference.partition), 0):
            super().note(difference)
