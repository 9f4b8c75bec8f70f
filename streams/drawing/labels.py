"""Room that labels take in a picture."""

from collections.abc import Sequence

WIDTH = 720
"""Units of a picture's width; it is drawn as wide as there is room."""
LETTER = 7.3
"""Width of a letter of 12 units, on the safe side."""


def fitted(label: str, room: float) -> str:
    """Cut a label so that it fits into so many units; an ellipsis stands for the rest."""
    most = max(int(room / LETTER), 1)
    return label if len(label) <= most else label[: max(most - 1, 1)] + "…"


def margin(labels: Sequence[str], most: float, width: int = WIDTH) -> float:
    """Give the room left of rows with these labels: at most *most* of the picture's width."""
    return min(14 + LETTER * max((len(label) for label in labels), default=0), width * most)
