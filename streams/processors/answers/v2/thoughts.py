"""Removal of a model's thoughts, which do not vote."""


def spoken(text: str) -> str:
    """Give what a model said after its thoughts."""
    return text
