"""First entries of lines that an earlier log began."""

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from schemas.canonical import MAX_INTEGER
from schemas.origins import RouterCarried, WeightsCarried
from schemas.router import RouterEntry, router_key
from streams.processors import RANK, TUNE
from streams.processors.origin import first_entry, table_of

from ..v2_strategies import EVENTS
from ..worlds import Folder


def last(entry: RouterEntry) -> str:
    """Write an entry behind which there is no place."""
    kept = {name: getattr(entry, name) for name in type(entry).model_fields if name not in ("event_id", "sequence")}
    return type(entry)(**kept, sequence=MAX_INTEGER).encode().decode()


BESIDE = {"event_id", "causes", "occurred_at", "sequence", "previous"}


@settings(max_examples=20)
@given(EVENTS["router.carried.v1"])
def test_router_line_goes_on(event: RouterCarried) -> None:
    """Whatever entry is carried, the first one has its values, the next place of its chain, and the latest time."""
    made, old = first_entry(event), event.carried
    assert type(made) is type(old)
    assert made.model_dump(exclude=BESIDE) == old.model_dump(exclude=BESIDE)
    assert (made.causes, made.previous, made.sequence) == ((event.event_id,), old.event_id, old.sequence + 1)
    assert made.occurred_at == max(event.occurred_at, old.occurred_at)


@settings(max_examples=20)
@given(EVENTS["weights.carried.v1"])
def test_table_of_weights_goes_on(event: WeightsCarried) -> None:
    """The same of a table of weights, which `tune` takes once, also after its state was stored."""
    folder = Folder(TUNE, reload=True)
    (step,), again = folder.put(event), folder.put(event)
    (made,) = step.events
    assert made.model_dump(exclude=BESIDE) == event.carried.model_dump(exclude=BESIDE)
    assert [(one.events, one.rejection) for one in again] == [((), None)]


@settings(max_examples=20)
@given(EVENTS["router.carried.v1"], EVENTS["router.carried.v1"])
def test_only_an_empty_line_is_begun(event: RouterCarried, other: RouterCarried) -> None:
    """A second carried entry of a line is set aside; the first one is recognised, also after a restart."""
    folder = Folder(RANK, reload=True)
    assert len(folder.put_all([event, event])) == 1
    entry = event.carried
    kept = {name: getattr(entry, name) for name in type(entry).model_fields if name not in ("event_id", "sequence")}
    later = type(entry)(**kept, sequence=max(entry.sequence - 1, 1))
    # Another entry than the first, though it may be the same but for its place.
    later = first_entry(event) if later == entry else later
    second = RouterCarried(
        causes=other.causes,
        occurred_at=other.occurred_at,
        scope=event.scope,
        agent=event.agent,
        entry=later.encode().decode(),
    )
    (step,) = folder.put(second)
    assert step.events == ()
    assert step.rejection is not None
    assert step.rejection.reason == "conflict"
    assert folder.states[router_key(event.scope, event.agent)].entry == first_entry(event)


@settings(max_examples=20)
@given(EVENTS["router.carried.v1"])
def test_carried_entry_is_canonical_and_of_its_line(event: RouterCarried) -> None:
    """An entry in another spelling, of another agent or of another content than its id cannot be carried."""
    fields = {"causes": event.causes, "occurred_at": event.occurred_at, "scope": event.scope, "agent": event.agent}
    for wrong in (
        {**fields, "entry": " " + event.entry},
        {**fields, "entry": event.entry, "agent": event.agent[:100] + "-other"},
        {**fields, "entry": event.entry.replace(event.carried.event_id, "0" * 64)},
        {**fields, "entry": "{}"},
        {**fields, "entry": last(event.carried)},
    ):
        with pytest.raises(ValidationError):
            RouterCarried(**wrong)


def test_table_is_named_by_its_entries() -> None:
    """The order in which entries are found does not matter, and one entry more or less does."""
    ids = ["b" * 64, "a" * 64]
    assert table_of(ids) == table_of(reversed(ids))
    assert table_of(ids).entries == 2
    assert len({table_of(some).ids_hash for some in (ids, ids[:1], [])}) == 3
