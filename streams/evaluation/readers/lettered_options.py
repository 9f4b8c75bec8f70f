"""Options that stand in the text of a question."""

import re

from schemas.questions import LETTERS
from streams.evaluation.readers.found import Unusable

_OPTION = re.compile(r"^[ \t]*(?:\(([A-Z])\)|([A-Z])[.):])[ \t]+(\S.*)$", re.MULTILINE)


def lettered_options(text: str) -> tuple[str, list[str]] | None:
    """
    Split a prompt into the question and its options.

    The options are the last run of lines that begin with A, B, C... in order, as `A. text`, `A) text` or `(A) text`.

    Returns:
        The text before the options, and the options; None if there are not at least two.
    """
    marks = list(_OPTION.finditer(text))
    starts = [place for place, mark in enumerate(marks) if _letter(mark) == "A"]
    for start in reversed(starts):
        run = []
        for place, mark in enumerate(marks[start : start + len(LETTERS)]):
            if _letter(mark) != LETTERS[place]:
                break
            run.append(mark)
        if len(run) > 1:
            return text[: run[0].start()].rstrip(), [mark[3].strip() for mark in run]
    return None


def _letter(mark: re.Match[str]) -> str:
    return mark[1] or mark[2]


def as_question(prompt: str, gold: str | None) -> dict[str, object]:
    """
    Make a question of a prompt whose right answer is a letter or a number.

    Args:
        prompt: The prompt, with the options in it where there are any.
        gold: The right answer; None if it is unknown.

    Returns:
        `text`, `options` or `answer_type`, and `gold`.

    Raises:
        Unusable: The right answer is neither the letter of an option in the prompt nor a number.
    """
    split = lettered_options(prompt)
    answer = None if gold is None else gold.strip().strip("()").strip()
    if split is not None and (answer is None or answer.upper() in LETTERS[: len(split[1])]):
        return {"text": split[0], "options": split[1], "gold": answer and answer.upper()}
    if answer is not None and re.fullmatch(r"[-+]?\$?[0-9][0-9,./ ]*%?", answer):
        return {"text": prompt, "answer_type": "number", "gold": answer}
    if answer is None:
        raise Unusable("no right answer, and no options from which the kind of answer could be told")
    raise Unusable(f"the right answer {answer[:40]!r} is neither the letter of an option nor a number")
