"""Lists inside the cells of a table."""

import json
from typing import Any


def json_list(cell: str) -> list[Any] | None:
    """Read a cell that holds a JSON array; None if it holds none."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        found = json.loads(cell, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None
