"""Decomposition of a question into one part per seat."""

FIXED_SUB_QUESTIONS = (
    "Concept: which principle, definition or method decides this question, and what does it say here?",
    "Elimination: which answers can be ruled out, and by what? What remains?",
    "Consistency: work the question out on your own, then check the result against every detail given.",
)
"""The parts of `fixed` decomposition: concept, elimination, consistency (arXiv 2602.01797); the words are ours."""


def fixed_sub_questions(seats: int, first: int = 0) -> tuple[str, ...]:
    """
    Give each seat one of the fixed parts, in order, starting over if there are more seats than parts.

    Args:
        seats: Number of seats in the stage.
        first: Number of seats in the stages before.
    """
    return tuple(FIXED_SUB_QUESTIONS[seat % len(FIXED_SUB_QUESTIONS)] for seat in range(first, first + seats))


def dispatched_sub_questions(
    written: tuple[str, ...], seats: int, first: int = 0, *, wanted: int | None = None
) -> tuple[str, ...]:
    """
    Give each seat the part that a dispatcher wrote for it.

    If the dispatcher failed, or wrote fewer parts than were wanted, all seats get fixed parts: a dispatcher's parts
    cover the question only together. Seats beyond the wanted parts, those of the reserve, get fixed parts too.

    Args:
        written: What the dispatcher wrote.
        seats: Number of seats in the stage.
        first: Number of seats in the stages before.
        wanted: Number of parts that the dispatcher was asked for; None: one for each seat of the stage.
    """
    wanted = seats if wanted is None else wanted
    usable = tuple(part.strip() for part in written if part.strip())
    if len(usable) < wanted or first + seats > wanted:
        return fixed_sub_questions(seats, first)
    return usable[first : first + seats]
