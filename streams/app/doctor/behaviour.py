"""Check of `orch doctor` for changed behaviour of agents."""

from collections.abc import Iterator

from streams.app.doctor.check import Check
from streams.audit.behaviour import SETTLED, told, watched
from streams.log import LogReader

_REMEDY = "Ask the provider whether another model answers under this name; `orch router` shows its averages"


def check_behaviour(reader: LogReader) -> Iterator[Check]:
    """Warn of each agent whose texts, latencies or answers changed for good, as after a swap of the model behind it."""
    seen = watched(reader)
    for change in seen.changes:
        yield Check("behaviour", "warn", told(change), _REMEDY)
    if not seen.changes and seen.questions > SETTLED:
        yield Check("behaviour", "ok", f"no agent changed its behaviour on the last {seen.questions:,} questions")
