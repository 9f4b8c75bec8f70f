"""The state of a log, whatever the order."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.event import Event
from streams.audit.log_status import StatusTally
from streams.log import Record

from ...record_builders import decision, panel
from ...worlds import policy, question

RECENT_MS = 60_000
NOW_MS = 1_000_000
POLICY = policy("a")


def record(event: Event, timestamp_ms: int) -> Record:
    """Put an event into a log."""
    return Record(event.topic, 0, 0, timestamp_ms, event.key, event.encode())


def records(given: dict[str, tuple[int, int | None]]) -> list[Record]:
    """Give the records of questions: each asked at one time, and perhaps decided at another."""
    made = []
    for name, (asked_ms, decided_ms) in given.items():
        asked = question(name)
        made.append(record(asked, asked_ms))
        if decided_ms is not None:
            made.append(record(decision(panel(asked, POLICY)), decided_ms))
    return made


TIMES = st.integers(0, NOW_MS)
WORLDS = st.dictionaries(st.sampled_from([f"q{n}" for n in range(6)]), st.tuples(TIMES, st.none() | TIMES))


@given(WORLDS, st.data())
def test_neither_order_nor_repeats_nor_portions_matter(world: dict[str, Any], data: st.DataObject) -> None:
    """Kafka gives topics in no common order and may repeat a record; the state is the same, and right."""
    in_log = records(world)
    some = st.sampled_from(in_log) if in_log else st.nothing()
    given = data.draw(st.permutations([*in_log, *(data.draw(st.lists(some, max_size=3)) if in_log else [])]))
    cut = data.draw(st.integers(0, len(given)))
    tally = StatusTally(RECENT_MS)
    tally.add(given[:cut], NOW_MS)
    tally.at(NOW_MS)
    tally.add(given[cut:], NOW_MS)
    seen = tally.at(NOW_MS)
    open_since = {name: asked for name, (asked, decided) in world.items() if decided is None}
    assert (seen.asked, seen.open, seen.undecided) == (len(world), len(open_since), len(world) - len(open_since))
    assert (seen.oldest.waited_ms if seen.oldest else None) == (
        NOW_MS - min(open_since.values()) if open_since else None
    )
    recently = sum(decided is not None and decided >= NOW_MS - RECENT_MS for _, decided in world.values())
    assert seen.recently_decided == recently


def test_what_is_no_event_does_not_count() -> None:
    """A stranger's record that cannot be decoded is a dead letter, once a stage has made it one."""
    tally = StatusTally(RECENT_MS)
    tally.add([Record("orch.questions", 0, 0, 5, "q", b"{}")], NOW_MS)
    assert tally.at(NOW_MS).asked == 0


def test_time_passes() -> None:
    """What was recent is not recent for good, and who waits waits longer."""
    tally = StatusTally(RECENT_MS)
    tally.add(records({"q0": (NOW_MS, NOW_MS), "q1": (NOW_MS, None)}), NOW_MS)
    later = tally.at(NOW_MS + RECENT_MS + 1)
    assert (later.recently_decided, later.undecided) == (0, 1)
    assert later.oldest is not None
    assert later.oldest.waited_ms == RECENT_MS + 1
