"""
The independent check of a log against the questions asked.

It knows the published formats and nothing else: these modules (`reading`, `check_decisions`, `check_learning`) import
the standard library alone, so a bug of the program cannot hide in the code that looks for it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from infra.chaos.check_decisions import DecisionCheck
from infra.chaos.check_learning import LearningCheck
from infra.chaos.reading import (
    DEAD_LETTERS,
    OBSERVATIONS,
    PANELS,
    ROUTER,
    TOPICS,
    CheckFindings,
    FoundRecord,
    LogCheckReader,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What the check found."""

    figures: dict[str, Any]
    wrong: dict[str, int]
    """How often something is wrong, by kind; empty for a log that is right."""
    examples: dict[str, list[str]]

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


def check(records: Iterable[FoundRecord], asked: Collection[str], *, refused: int = 0) -> Report:
    """
    Check a log at rest.

    Args:
        records: Of all topics, in the order of `TOPICS`, those of a partition in their own order.
        asked: Ids of the questions a broker has acknowledged.
        refused: Number of dead letters that are expected.
    """
    findings = CheckFindings()
    reader, verdicts, lessons = LogCheckReader(findings), DecisionCheck(findings), LearningCheck(findings)
    letters = 0
    for found in records:
        read = reader.read(found)
        if read is None:
            continue
        if found.topic == OBSERVATIONS:
            lessons.take_observation(read)
        elif found.topic == ROUTER:
            lessons.take_entry(read)
        elif found.topic == DEAD_LETTERS:
            letters += 1
            if letters > refused:
                findings.add("refused", f"{found.place}: {read.fields['reason']}: {read.fields['detail']}")
        else:
            verdicts.take(read)
            if read.fields["kind"] in PANELS:
                lessons.take_panel(read)
    lessons.finish(verdicts.finish(asked), reader.gaps[ROUTER])
    unknown = reader.unknown_causes()
    # The next entry, and panels that saw it, may name an entry that compaction removed.
    if len(unknown) > reader.gaps[ROUTER]:
        for event_id, place in unknown:
            findings.add("unknown cause", f"{event_id}, named at {place}")
    figures = {
        "asked": len(asked),
        "decided": sum(verdicts.reasons.values()),
        "reasons": dict(sorted(verdicts.reasons.items())),
        "asked_again": verdicts.asked_again,
        "late_feedback": verdicts.late_feedback,
        "later_stages": verdicts.later_stages,
        "second_calls": verdicts.second_calls,
        "observations": lessons.observations,
        "router_entries": lessons.entries,
        "compacted": reader.gaps[ROUTER],
        "dead_letters": letters,
        "moved": reader.moved,
        "records": {topic: reader.records[topic] for topic in TOPICS if reader.records[topic]},
        "repeats": {topic: reader.repeats[topic] for topic in TOPICS if reader.repeats[topic]},
    }
    return Report(figures, dict(findings.counts), dict(findings.examples))
