"""Deadline of a panel, as watchers declare it."""

from schemas.decisions import DeadlinePassed, DeadlinePassedV2
from schemas.panels import PanelAssigned


def deadline_of(panel: PanelAssigned, occurred_at: str) -> DeadlinePassed:
    """
    Build the deadline of a panel; the same event whoever declares it at the same instant.

    From merge.v2 on it names the panel. Under merge.v1 it does not, because programs of that version refuse kinds of
    v2.
    """
    if panel.rule_versions.merge == "merge.v1":
        return DeadlinePassed(occurred_at=occurred_at, question_id=panel.question_id)
    return DeadlinePassedV2(causes=(panel.event_id,), occurred_at=occurred_at, question_id=panel.question_id)
