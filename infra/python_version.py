"""Check of the interpreter's version, before anything is installed."""

import sys
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class PythonVersionCheck(MetadataHookInterface):
    """
    Ends an installation whose interpreter is too old or too new, and says so.

    pip compares `requires-python` as well. But if an extra is asked for, pip 23.0, which comes with Debian 12 and its
    Python 3.11.2, tries every version of every dependency first, for more than 24 minutes. So hatchling asks here when
    it is asked for the metadata, which is the first thing that any installer does.

    Args:
        root: Folder of the project.
        config: The hook's table in pyproject.toml.

    Raises:
        SystemExit: The interpreter does not fit.
    """

    def __init__(self, root: str, config: dict[str, Any]) -> None:
        super().__init__(root, config)
        # hatchling calls `update` only where fields are dynamic, but it makes the hook in any case.
        since, before = config["since"], config["before"]
        if not _numbers(since) <= sys.version_info[:3] < _numbers(before):
            raise SystemExit(
                f"orch-streams needs CPython from {since} on and before {before}, and this is {sys.version.split()[0]}."
                " Make the environment with another Python."
            )

    def update(self, metadata: dict[str, Any]) -> None:
        """Leave the metadata as they are."""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
