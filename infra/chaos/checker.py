"""
The independent check of a log against the questions asked.

It knows the published formats and nothing else: these modules (`reading`, `check_decisions`, `check_learning`,
`check_weights`) import the standard library alone, so a bug of the program cannot hide in the code that looks for it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from infra.chaos.check_decisions import DecisionCheck
from infra.chaos.check_learning import LearningCheck
from infra.chaos.check_weights import WeightsCheck
from infra.chaos.reading import (
    DEAD_LETTERS,
    DECISIONS,
    LESSONS,
    OBSERVATIONS,
    PANELS,
    ROUTER,
    TABLES,
    TOPICS,
    WEIGHTS,
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
    reader, verdicts, learning = LogCheckReader(findings), DecisionCheck(findings), LearningCheck(findings)
    weights = WeightsCheck(findings)
    letters = 0
    for found in records:
        read = reader.read(found)
        if read is None:
            continue
        if found.topic == OBSERVATIONS:
            learning.take_observation(read)
        elif found.topic == ROUTER:
            learning.take_entry(read)
        elif found.topic == LESSONS:
            weights.take_lesson(read)
        elif found.topic == WEIGHTS:
            weights.take_table(read)
        elif found.topic == DEAD_LETTERS:
            letters += 1
            if letters > refused:
                findings.add("refused", f"{found.place}: {read.fields['reason']}: {read.fields['detail']}")
        else:
            verdicts.take(read)
            if read.fields["kind"] in PANELS:
                learning.take_panel(read)
                weights.take_panel(read)
            elif found.topic == DECISIONS:
                weights.take_decision(read)
    observed, taught = verdicts.finish(asked)
    learning.finish(observed, reader.gaps[ROUTER])
    weights.finish(taught, reader.gaps[WEIGHTS])
    unknown = reader.unknown_causes()
    # The next entry, and panels that saw it, may name an entry that compaction removed.
    if len(unknown) > sum(reader.gaps[topic] for topic in TABLES):
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
        "observations": learning.observations,
        "router_entries": learning.entries,
        "lessons": weights.lessons,
        "weights_entries": weights.tables,
        "scores_added_up": weights.summed,
        "compacted": sum(reader.gaps[topic] for topic in TABLES),
        "dead_letters": letters,
        "moved": reader.moved,
        "records": {topic: reader.records[topic] for topic in TOPICS if reader.records[topic]},
        "repeats": {topic: reader.repeats[topic] for topic in TOPICS if reader.repeats[topic]},
    }
    return Report(figures, dict(findings.counts), dict(findings.examples))
