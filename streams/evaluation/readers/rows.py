"""Rows of a file: JSON Lines, JSON, tables and Parquet."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streams.errors import OperatorError, UsageError
from streams.jsonlines import LineProblem, read_objects

MAX_JSON_BYTES = 2**31
"""Largest JSON file that is loaded as a whole; a larger one is to be split, or written as JSON Lines."""
_PARQUET = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    with open(path, "rb") as stream:
        return stream.read(4) == _PARQUET


def rows(path: Path, problems: list[LineProblem]) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    Read the rows of a file, each with its line, or its place in a Parquet file.

    Raises:
        UsageError: The file has no form that is read.
        OperatorError: The system failed to read it.
    """
    if is_parquet(path):
        return parquet_rows(path)
    return read_objects(path, problems, numbers_as_text=True)


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    Read a Parquet file by DuckDB, without its extensions and without the network.

    Raises:
        UsageError: The file is damaged, or no Parquet file.
    """
    # Loading it takes 0.1 s, and few data sets are Parquet.
    import duckdb

    settings: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    try:
        with duckdb.connect(":memory:", config=settings) as connection:
            # As a parameter, for a name may hold quotes; a glob in it stands for itself.
            result = connection.execute("SELECT * FROM read_parquet(?)", [[_literal(path)]])
            names = [column[0] for column in result.description]
            number = 0
            while batch := result.fetchmany(1_000):
                for values in batch:
                    number += 1
                    yield number, dict(zip(names, values, strict=True))
    except duckdb.Error as error:
        raise UsageError(
            f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}", remedy="Fetch it again", file=str(path)
        ) from error


def _literal(path: Path) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))


def json_object(path: Path) -> dict[str, Any] | None:
    """
    Load a file that is one JSON object.

    Returns:
        None if its content is something else.

    Raises:
        UsageError: It begins like one, and is damaged, or too large.
        OperatorError: The system failed to read it.
    """
    try:
        with open(path, "rb") as stream:
            if stream.read(4_096).lstrip()[:1] != b"{":
                return None
            size = stream.seek(0, 2)
            if size > MAX_JSON_BYTES:
                raise UsageError(
                    f"{path} has {size:,} bytes; one JSON object is read up to {MAX_JSON_BYTES:,}",
                    remedy="Split it, or write its records as JSON Lines",
                    file=str(path),
                )
            stream.seek(0)
            loaded = json.load(stream)
    except (ValueError, RecursionError) as error:
        if path.suffix == ".json":
            raise UsageError(f"{path} is not JSON: {error}", remedy="Fetch it again", file=str(path)) from error
        return None
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}", remedy="Check the disk", file=str(path)) from error
    return loaded if isinstance(loaded, dict) else None
