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


def dispatched_sub_questions(written: tuple[str, ...], seats: int) -> tuple[str, ...]:
    """
    Give each seat the part that a dispatcher wrote for it.

    If the dispatcher failed, or wrote fewer parts than there are seats, all seats get fixed parts: a dispatcher's parts
    cover the question only together.
    """
    usable = tuple(part.strip() for part in written if part.strip())
    return usable[:seats] if len(usable) >= seats else fixed_sub_questions(seats)
