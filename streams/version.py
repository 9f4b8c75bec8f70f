"""The version of the installed program."""

from functools import cache

DISTRIBUTION = "orch-streams"
"""Name of the package that pip installs."""


@cache
def installed_version() -> str | None:
    """Give the installed version; None if the program runs from its source and is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None
