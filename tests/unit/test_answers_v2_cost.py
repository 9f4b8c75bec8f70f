"""Cost of reading choices from hostile texts."""

import time

import pytest

from streams.processors.answers import Options
from streams.processors.answers.v2.choices import read_choice

OPTIONS = Options.of(("Paris", "Rome", "Lyon", "Bern", "Oslo is a city", "the house of a", "x", "yy", "I and II"))
MOST_S = 2.0
"""Ten times what each takes at most on an idle machine: a pattern that is not linear takes minutes."""

SHAPES = (
    *(
        "(A) ",
        "A. ",
        "A: ",
        "A)\n",
        "A\n",
        "**A**\n",
        "A and ",
        "A, B, ",
        "(A) or ",
        "B. x\nA. y\n",
        "C because ",
        "I, II and ",
    ),
    *(
        "answer ",
        "answer is ",
        "The answer is (A)? ",
        "The answer is Lyon and ",
        "The incorrect answer is (A). ",
        "the answer, ",
    ),
    *(
        "if the answer is A, ",
        "answer to a a a a a a a a a a a a ",
        "answer is the the the the ",
        "the answer (x",
        "answer of the ",
    ),
    *("The option that would be ", "option A is correct? ", "C is correct. D is correct. ", "it is A ", "I choose A? "),
    *("答案", "答案选", "答案选C", "选C", "C选项", "Ответ: ", "réponse : la ", "（", "Ａ"),
    *("<think>", "a <think> ", "</think>", "<|end|>", "<|channel|>analysis<|message|>", "[THINK]x", "<a>", "&nbsp;"),
    *('{"answer":', '{"answer": "A"} ', '{"answer": "A", ', '{"analysis": "', "```", "{", "[", '"', "'"),
    *("\\boxed{", "\\boxed{A} ", "\\boxed{{", "\\text{", "\\(", "$", "Paris ", "Paris. ", "Lyon\n", "It is Lyon "),
    *(" ", "\n", "*", "(", ") ", "-", "> ", "...", "!? ", "a", "a.b.c.", "is ", "not ", "x" * 49 + " "),
)


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
def test_a_hostile_text_costs_little(shape: str) -> None:
    """Reading is linear in the text, whatever is repeated, and whatever stands around it."""
    text = shape * (200_000 // len(shape))
    for hostile in (text, f"{text}\nThat is all", f"answer is {text}"):
        start = time.process_time()
        read_choice(hostile, OPTIONS, hostile)
        assert time.process_time() - start < MOST_S
