"""Thoughts, and what is said apart from them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.processors.answers import Options
from streams.processors.answers.v2.choices import read_choice
from streams.processors.answers.v2.structured import Said, structured_values, taken_apart
from streams.processors.answers.v2.thoughts import spoken

CITIES = Options.of(("Paris", "Rome", "Lyon", "Bern"))
FINAL = "<|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>Is it (A)?</think>\n\nThe answer is (B).", "The answer is (B)."),
        ("<thinking>Is it (A)?</thinking>B", "B"),
        ("<thought>\nIs it (A)?\n</thought>\nB", "B"),
        ("<Think>Is it (A)?</Think> B", "B"),
        ("[THINK]Is it (A)?[/THINK]B", "B"),
        ("\u25c1think\u25b7Is it (A)?\u25c1/think\u25b7B", "B"),
        ("<|channel|>analysis<|message|>Is it (A)?<|end|>B", "B"),
        (f"<|channel|>analysis<|message|>Is it (A)?<|end|>{FINAL}B", "B"),
        (f"<|channel|>commentary<|message|>It is (A).{FINAL}B", "B"),
        ("<|channel|>final<|message|>B", "B"),
        ("analysisIs it (A)?assistantfinalB", "B"),
        ("Is it (A)?\n</think>\nThe answer is (B).", "The answer is (B)."),
        ("\n<think>\n</think>\n\nHm.", "Hm."),
        ("<think>a</think>b</think>The answer is (B).", "The answer is (B)."),
        ("<think>a<think>b</think>c</think>d", "d"),
        ("One. <think>a</think>Two.", "One. \nTwo."),
        ("The tag <think> begins a thought.", "The tag <think> begins a thought."),
        ("If x <think of a number> then", "If x <think of a number> then"),
    ],
)
def test_thought_is_not_said(text: str, said: str) -> None:
    """Whatever marks it, a thought is left out, and the rest is said."""
    assert spoken(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "<think>The answer is (A).</think>",
        "<think>The answer is A, or",
        "<think>Perhaps the answer is A.",
        "<think>I think the answer is (A).",
        "<think>The answer is (A). Hmm, let me check.",
        "<think>The answer is A. But what about B.",
        "<think>If it floats, the answer is (A).",
        "<think>The answer is not (A).",
        "<think>It could be (A)",
        "<|channel|>analysis<|message|>The answer is (A). Wait",
        "[THINK]So (A)",
        "<think>A</think><think>It is (A)?",
    ],
)
def test_what_is_only_thought_does_not_count(text: str) -> None:
    """A thought that is cut off, or is not done, says nothing."""
    assert spoken(text).strip() == ""
    assert read_choice(text, CITIES).answer is None


@pytest.mark.parametrize(
    "ending",
    [
        "**Final answer:** C",
        "**Final Answer**\n\n**C. Lyon**",
        "Final answer: Lyon",
        "It floats. So the answer is (C).",
        "The answer is (C).<|im_end|>",
        "So \\boxed{C}.",
        "Réponse : C",
        '{"answer": "C"}',
        "<answer>C</answer>",
    ],
)
@pytest.mark.parametrize("start", ["<think>", "<thinking>\n", "[THINK]", "<|channel|>analysis<|message|>"])
def test_a_thought_that_is_never_closed_may_end_with_the_answer(start: str, ending: str) -> None:
    """Only an explicit final answer at its very end counts."""
    assert read_choice(f"{start}Perhaps the answer is (A).\n\n{ending}", CITIES).answer == "C"
    assert read_choice(f"{start}{ending}\n\nHm, no, that is not it.", CITIES).answer is None


def test_what_was_said_before_an_open_thought_stands() -> None:
    """Its last words do not replace what was said."""
    assert read_choice("The answer is (C).\n<think>So the answer is (A).", CITIES).answer == "C"


# --- taking apart --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer", "said"),
    [
        ("The answer is (B).", None, Said("The answer is (B).", None)),
        ("Hm.", "B", Said("Hm.", "B")),
        ('{"analysis": "Hm.", "answer": "B"}', None, Said("Hm.", "B")),
        ('{"analysis": "Hm.", "answer": "B"}', "C", Said("Hm.", "C")),
        ('<think>{"answer": "A"}</think>{"analysis": "Hm.", "answer": 18}', None, Said("Hm.", "18")),
        ('{"analysis": "<think>A?</think>Hm.", "answer": null}', None, Said("\nHm.", None)),
        ('{"analysis": " ", "answer": "B"}', None, Said('{"analysis": " ", "answer": "B"}', "B")),
        ('{"analysis": "Hm.", "answer": ["B", "C"]}', None, Said("Hm.", "B, C")),
        ('{"analysis": "Hm.", "answer": {"A": 1}}', None, Said("Hm.", None)),
        ('{"x": {"answer": "B"}}', None, Said('{"x": {"answer": "B"}}', None)),
    ],
)
def test_reply_is_taken_apart(text: str, answer: str | None, said: Said) -> None:
    """Into its text and its answer; an answer that was given beside it takes precedence."""
    assert taken_apart(text, answer) == said


@pytest.mark.parametrize(
    ("text", "structured", "values"),
    [
        ("Hm.", '{"answer": 5}', ["5"]),
        ('I say {"answer": "C"}.', None, ["C"]),
        ('I say {"answer": "C"}.', "B", ["B", "C"]),
        ('It says {"answer": "C"}. The answer is (D).', None, []),
        ('{"answer": "C"} is wrong.', None, []),
        ('{"answer": ' * 100, None, []),
    ],
)
def test_values_outside_prose(text: str, structured: str | None, values: list[str]) -> None:
    """The structured one first; a quoted one only where nothing is stated after it."""
    assert structured_values(text, structured) == values


pieces = st.sampled_from(
    (
        *("<think>", "</think>", "[THINK]", "\n", "The answer is (C).", "<|end|>", FINAL),
        *("<|channel|>analysis<|message|>", '{"analysis": "', '", "answer": "B"}', "\\n", "\uff1cthink\uff1e", "hm "),
        *("analysis", "assistantfinal", "\\boxed{C}"),
    )
)


@given(st.lists(pieces | st.text(max_size=3), max_size=9).map("".join) | st.text())
@example("</think>analysisassistantfinal")
def test_taken_apart_is_taken_apart(text: str) -> None:
    """Doing it twice changes nothing more, whatever the text."""
    said = taken_apart(text)
    assert spoken(spoken(text)) == spoken(text)
    assert taken_apart(said.text, said.answer) == said
