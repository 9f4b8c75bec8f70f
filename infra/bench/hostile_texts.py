"""Texts made to stall a reader of answers."""

from typing import NamedTuple

CHARACTERS = 200_000
"""Of each text: as many as a reader of answers looks at."""

REPEATED: dict[str, str] = {
    "braces": "{",
    "boxes in boxes": "\\boxed{",
    "boxes": "\\boxed{A} ",
    "open fractions": "\\frac{1}{",
    "fractions": "$\\frac{1}{2}$ ",
    "LaTeX brackets": "\\left(\\text{",
    "powers of ten": "3 \\times 10^{4} ",
    "digits": "7",
    "short numbers": "1 ",
    "groups of thousands": "1,000,",
    "commas": ",",
    "dots and digits": "1.",
    "signs": "-",
    "a sum": "1+",
    "equations": "12 * 3 = 36, ",
    "false equations of long numbers": "123456789012 * 987654321098 = 7; ",
    "a long left side": "2*3+4-5/6*",
    "answers": "The answer is (A). ",
    "answers that are doubted": "The answer is (A)? ",
    "answers taken back": "The incorrect answer is (A). ",
    "answers without end": "the answer is ",
    "numeric answers": "The answer is 12. ",
    "hash lines": "#### 12\n",
    "options by turns": "A, B and C or (D) ",
    "labels": "A. Paris\n",
    "letters in brackets": "(A) ",
    "letters on lines": "A)\n",
    "letters before colons": "A: ",
    "Chinese choices": "\u7b54\u6848\u9009",
    "objects without end": '{"answer":',
    "an answer under conditions": "if the answer is A, ",
    "what the answer is of": "answer to a a a a a a a a a a a a ",
    "what is correct": "option A is correct? ",
    "words of options": "Paris Rome Lyon ",
    "numbers in words": "one hundred and twenty-two ",
    "units": "5 km/h ",
    "ratios": "1/2/3:4 ",
    "percentages": "12.5% ",
    "combining marks": "a\u0301\u0327",
    "marks of direction": "\u202e\u2066A",
    "spaces without width": "\u200b\u200d",
    "full-width digits": "\uff11\uff12\uff0c",
    "Arabic digits": "\u0661\u0662\u066b",
    "Chinese answers": "\u7b54\u6848\u9009C",
    "ligatures": "\ufdfa\ufb01",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "thoughts": "<think>",
    "thoughts by turns": "<think>a</think>\n",
    "channels": "<|channel|>analysis<|message|>",
    "open objects": '{"answer": ',
    "objects": '{"answer": "A"} ',
    "lists": "[",
    "quotes": '"',
    "escapes": "\\",
    "fences": "```\n",
    "stars": "**A** ",
    "spaces": " ",
    "lines": "\n",
    "tabs and returns": "\t\r\n",
}
"""Name and piece; each text repeats one piece."""

FRAMES: dict[str, tuple[str, str]] = {
    "alone": ("", ""),
    "before an answer": ("", "\nThe answer is (B)."),
    "before a number": ("", "\nThe answer is 12."),
    "behind an answer": ("The answer is ", ""),
    "in a thought": ("<think>", "</think>\nB"),
}
"""What stands before and behind the repetitions."""


class HostileText(NamedTuple):
    """
    What one analysis holds.

    Attributes:
        text: Its text.
        answer: The answer that it gives apart from the text; None if it gives none.
    """

    text: str
    answer: str | None = None


def hostile_texts(variant: int) -> dict[str, HostileText]:
    """
    Write the texts, by name.

    Args:
        variant: Texts of different variants differ, so that nothing remembered from one helps another.
    """
    mark = f"Case {variant}. "
    texts: dict[str, HostileText] = {}
    for name, piece in REPEATED.items():
        for frame, (before, after) in FRAMES.items():
            room = CHARACTERS - len(mark) - len(before) - len(after)
            texts[f"{name}, {frame}"] = HostileText(f"{mark}{before}{(piece * (room // len(piece) + 1))[:room]}{after}")
        texts[f"{name}, apart from the text"] = HostileText(mark, texts[f"{name}, alone"].text)
    return texts
