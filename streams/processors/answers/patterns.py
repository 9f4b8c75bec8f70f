"""Patterns of the readers, compiled when they are first used."""

import re
from typing import Any, cast


class _Deferred:
    """A pattern that compiles itself at the first use of one of its methods."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self._text, re.ASCII)
        # From now on the methods of the compiled pattern are found without this one.
        self.__dict__.update({method: getattr(compiled, method) for method in _METHODS})
        return getattr(compiled, name)


_METHODS = ("finditer", "fullmatch", "groupindex", "match", "pattern", "search", "split", "sub")


def compile_ascii(pattern: str) -> re.Pattern[str]:
    """
    Compile a pattern whose letters and spaces are those of ASCII, at its first use.

    The patterns of all versions take a sixth of a second, and most processes read no answer.
    """
    # Python versions differ in which other characters are letters, and a replay must read as the first run did.
    return cast(re.Pattern[str], _Deferred(pattern))
