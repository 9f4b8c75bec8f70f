"""First entries of lines that an earlier log began."""

from collections.abc import Iterable
from typing import Any, overload

from schemas.canonical import canonical_json, content_id
from schemas.event import latest
from schemas.origins import CarriedTable, RouterCarried, WeightsCarried
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry


@overload
def first_entry(carried: RouterCarried) -> RouterEntry: ...
@overload
def first_entry(carried: WeightsCarried) -> WeightsEntry: ...


def first_entry(carried: RouterCarried | WeightsCarried) -> RouterEntry | WeightsEntry:
    """
    Decide the first entry of a line in this log: what was carried, as the next place of its chain.

    Values, question and sequence numbers go on, so what counts askings and lessons goes on too. `previous` is the entry
    of the earlier log; the one cause is the event that carried it.
    """
    old = carried.carried
    kept: dict[str, Any] = {
        name: getattr(old, name)
        for name in type(old).model_fields
        if name not in ("kind", "event_id", "causes", "occurred_at", "sequence", "previous")
    }
    return type(old)(
        causes=(carried.event_id,),
        occurred_at=latest(carried.occurred_at, old.occurred_at),
        sequence=old.sequence + 1,
        previous=old.event_id,
        **kept,
    )


def table_of(entry_ids: Iterable[str]) -> CarriedTable:
    """Name a table by the ids of its entries."""
    ids = sorted(entry_ids)
    return CarriedTable(entries=len(ids), ids_hash=content_id(canonical_json(ids)))
