"""The disks that a worker finds when it starts."""

import random
from collections import Counter
from typing import Literal

Disk = Literal["same", "empty", "former", "none"]

NOWHERE = "-"
"""Value of `--state` for no local copies."""

FIRST = "state"
"""The disk that workers share until a fault hits them, as several on one machine do."""

_SHARES: tuple[tuple[Disk, int], ...] = (("same", 4), ("empty", 4), ("former", 1), ("none", 1))


class Disks:
    """
    Which disk a worker keeps its copies on.

    Args:
        name: The worker's.
        keeps: Whether it has one at all.
        first: The one it begins with.
    """

    def __init__(self, name: str, *, keeps: bool, first: str = FIRST) -> None:
        self.folder = NOWHERE
        """Value of `--state` at the newest start: a folder beside the others, or `-` for none."""
        self.starts: Counter[str] = Counter()
        """Starts by the kind of disk found; the very first finds an empty one."""
        self._name = name
        self._had = [first] if keeps else []
        self._now = 0
        self._next: Disk = "empty" if keeps else "none"

    def turn_to(self, disk: Disk) -> None:
        """
        Choose the disk for the next start; a worker without one stays so.

        A replaced machine has an empty disk. A former disk has copies that are far behind; without a former disk it
        is the same one again.
        """
        if not self._had:
            return
        if disk == "empty":
            self._had.append(f"{FIRST}-{self._name}-{len(self._had)}")
            self._now = len(self._had) - 1
        elif disk == "former":
            self._now = (self._now or len(self._had)) - 1
        self._next = "same" if disk == "former" and len(self._had) == 1 else disk

    def start(self) -> str:
        """Count a start, and give the folder for its local copies."""
        self.starts[self._next] += 1
        self.folder = NOWHERE if self._next == "none" else self._had[self._now]
        self._next = "same" if self._had else "none"
        return self.folder


def drawn(draw: random.Random) -> Disk:
    """Draw the kind of disk that a worker finds when it comes back."""
    kinds, weights = zip(*_SHARES, strict=True)
    return draw.choices(kinds, weights)[0]  # type: ignore[no-any-return]  # one of these
