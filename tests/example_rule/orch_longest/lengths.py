"""Length of an analysis, which the rule imports."""

MOST = 2_000
"""Characters of one analysis that count."""


def length(text: str) -> int:
    """Count the characters that count."""
    return min(len(text), MOST)
