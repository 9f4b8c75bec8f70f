"""Rows of a program: dictionaries and data frames."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from os import PathLike, fspath
from typing import Any

from schemas.event import Event
from schemas.quantities import instant_of_ms
from streams.errors import UsageError
from streams.jsonlines import Rows

_CHUNK_ROWS = 10_000
"""Rows of a data frame that are turned into dictionaries at a time."""


def source_of(given: object, name: str) -> str | Rows:
    """
    Give what a program passes as a source that is read as a file is.

    Args:
        given: A path; an iterable of dictionaries or events; or a data frame of pandas, polars or pyarrow, which is
            recognised by its methods: none of them is imported. Missing cells (None, NaN, NaT) count as absent.
        name: Stands for it in messages.

    Raises:
        UsageError: It is none of these, or a cell holds what JSON cannot.
    """
    if isinstance(given, str | PathLike):
        return fspath(given)
    return Rows(_lines(_rows(given, name), name), name)


def _lines(rows: Iterable[object], name: str) -> Iterator[bytes]:
    for number, row in enumerate(rows, 1):
        if isinstance(row, Event):
            yield row.encode()
            continue
        if not isinstance(row, Mapping):
            raise UsageError(f"{name}, row {number}: a {type(row).__name__}, not a dictionary of fields")
        fields = {}
        for field, value in row.items():
            cell = _plain(value)
            if cell is not None:
                fields[field] = cell
        try:
            yield json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"{name}, row {number}: {error}", remedy="Give texts, integers and lists of texts"
            ) from None


def _rows(given: Any, name: str) -> Iterable[object]:
    """Take a data frame apart; anything else must be an iterable."""
    if hasattr(given, "collect") and hasattr(given, "collect_schema"):
        given = given.collect()  # polars.LazyFrame
    if hasattr(given, "iter_rows") and hasattr(given, "to_dicts"):
        rows: Iterable[object] = given.iter_rows(named=True)  # polars.DataFrame
        return rows
    if hasattr(given, "to_pylist") and hasattr(given, "column_names"):
        return (row for at in range(0, len(given), _CHUNK_ROWS) for row in given.slice(at, _CHUNK_ROWS).to_pylist())
    if hasattr(given, "iloc") and hasattr(given, "columns"):
        chunks = (given.iloc[at : at + _CHUNK_ROWS] for at in range(0, len(given), _CHUNK_ROWS))
        return (row for chunk in chunks for row in chunk.to_dict("records"))
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise UsageError(
            f"{name}: a {type(given).__name__}", remedy="Give a path, a list of dictionaries, or a data frame"
        )
    return given


def _plain(value: Any) -> Any:
    """Give a cell as JSON holds it; None if it is missing."""
    if value is None or isinstance(value, str | bool):
        return value
    if hasattr(value, "tolist"):
        # Arrays of numpy, and its numbers, which are no Python numbers.
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        if value != value:
            return None  # pandas.NaT
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return instant_of_ms(round(moment.timestamp() * 1000))
    if isinstance(value, date | Decimal):
        return str(value)
    if isinstance(value, float):
        # A column of integers with a missing one holds floats.
        return None if value != value else int(value) if value.is_integer() else value
    return None if type(value).__name__ == "NAType" else value
