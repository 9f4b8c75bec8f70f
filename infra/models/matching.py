"""
The search for the question that a prompt asks.

It goes by the question's own words, whatever stands around them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from infra.models.library import LibraryQuestion
from infra.models.prompt import Prompt
from streams.agents.prompts import shown_option, visible

_ANCHOR_CHARS = 12
"""Questions are looked up by their first characters. Shorter ones, rare in practice, cost one more pass over the
prompt for each of their lengths."""


class _Wording(NamedTuple):
    """One way in which a prompt may write a question."""

    text: str
    options: tuple[str, ...]
    question: LibraryQuestion


def _wordings(question: LibraryQuestion) -> Iterator[_Wording]:
    """Give a question verbatim, and with invisible characters written out as the program does, if that differs."""
    options = tuple(question.options)
    yield _Wording(question.text, options, question)
    text, written = visible(question.text), tuple(map(shown_option, options))
    if (text, written) != (question.text, options):
        yield _Wording(text, written, question)


class QuestionIndex:
    """Finds questions in prompts; a prompt of 4,000 characters takes well below a millisecond."""

    def __init__(self, questions: Iterable[LibraryQuestion]) -> None:
        self._anchors: dict[int, dict[str, list[_Wording]]] = {}
        for question in questions:
            for wording in _wordings(question):
                anchor = wording.text[:_ANCHOR_CHARS]
                self._anchors.setdefault(len(anchor), {}).setdefault(anchor, []).append(wording)

    def find(self, prompt: Prompt) -> LibraryQuestion | None:
        """
        Find the question whose text and options the prompt holds, all of them verbatim.

        The question's block is looked at first, since analyses may quote other questions. Of several that fit, the
        one with the longest text counts, then one with its options in order, then the one with the longest options.
        """
        if "question" in prompt.blocks:
            options = "\n".join(prompt.blocks.get("options", ())) or prompt.text
            found = self._best("\n".join(prompt.blocks["question"]), options)
            if found is not None:
                return found
        return self._best(prompt.text, prompt.text)

    def _best(self, text: str, options: str) -> LibraryQuestion | None:
        fitting = (one for one in self._contained(text) if all(option in options for option in one.options))
        best = max(
            fitting,
            key=lambda one: (len(one.text), _in_order(one.options, options), sum(map(len, one.options))),
            default=None,
        )
        return None if best is None else best.question

    def _contained(self, text: str) -> Iterator[_Wording]:
        for length, anchors in self._anchors.items():
            for start in range(len(text) - length + 1):
                # A hit looks the slice up twice; at most positions there is no hit.
                if text[start : start + length] in anchors:
                    yield from (
                        one for one in anchors[text[start : start + length]] if text.startswith(one.text, start)
                    )


def _in_order(options: Sequence[str], text: str) -> bool:
    position = 0
    for option in options:
        position = text.find(option, position)
        if position < 0:
            return False
        position += len(option)
    return True
