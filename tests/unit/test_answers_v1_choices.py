"""Options read from models' answers."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from streams.processors.answers import Reading
from streams.processors.answers.v1 import read_choice

UNREADABLE = Reading(None, "unreadable")
OUTSIDE = Reading(None, "outside_options")

letters = st.sampled_from("ABCDEFGHIJ")
prose = st.lists(
    st.sampled_from(["I think so", "A cat sat here", "water boils", "it is not cold", "Vitamin C helps", "x = 3", "7"])
).map(". ".join)


@pytest.mark.parametrize(
    "text",
    [
        "The answer is (C).",
        "Answer: C",
        "ANSWER: C",
        "THE ANSWER IS C",
        "**Answer:** C",
        "Final answer\n\n**C) Lyon**",
        "The correct option is C",
        "The option that fits both clues is (C).",
        "The correct answer should be (C).",
        "The answer, therefore, is C.",
        "The answer is I think C",
        "The correct answer is:\n\nC. Lyon",
        "None of them fits, but the closest is (C).",
        "This is closest to option (C), I would say.",
        "I choose (C)",
        "Option C is the correct answer.",
        "So (C) is the best choice.",
        "<answer>C</answer>",
        "The answer is \u201cC\u201d.",
        "The answer is\xa0(C).",
        "The answer is (c).",
        "The answer is C, not D.",
        "The answer is C, D being too heavy.",
        "Answer: C is correct, as it floats.",
    ],
)
def test_statement_is_read(text: str) -> None:
    """An explicit statement of the answer is read, however it is worded or marked up."""
    assert read_choice(text, 10) == Reading("C", "statement")


@pytest.mark.parametrize(
    "text",
    [
        "The final answer: \\boxed{C}",
        "The answer is:\n\\[\n\\boxed{C}\n\\]",
        "The answer is \\( \\mathbf{C} \\).",
        "\\text{The answer is C}",
    ],
)
def test_statement_in_latex_is_read(text: str) -> None:
    """LaTeX around a stated letter does not hide it."""
    assert read_choice(text, 10) == Reading("C", "statement")


@pytest.mark.parametrize(
    "text",
    [
        "答案是C",
        "正确答案是 (C)。",
        "答案：C",
        "La respuesta correcta es la opción C.",
        "Die richtige Antwort lautet C.",
        "La bonne réponse est (C).",
    ],
)
def test_statement_in_another_language_is_read(text: str) -> None:
    """The usual sentence of some other languages is a statement too."""
    assert read_choice(text, 10) == Reading("C", "statement")


@pytest.mark.parametrize(
    "text",
    [
        "I think this is hard to say",
        "A cat sat on the mat.",
        "The answer is a matter of taste",
        "The answer is A matter of taste",
        "The answer is I do not know",
        "The answer is E = mc squared",
        "The answer is H2O",
        "The answer is J. S. Bach",
        "Vitamin C is the best choice",
        "We choose to wait. I select nothing.",
        "They pick B.",
        "The smallest class is O(C).",
        "",
    ],
)
def test_capital_letter_is_no_answer(text: str) -> None:
    """A capital that is a word, a symbol or an initial is not an option."""
    assert read_choice(text, 10) == UNREADABLE


@pytest.mark.parametrize(
    "text",
    [
        "The answer is not (A).",
        "The answer isn't (A).",
        "The answer can't be (A)",
        "The answer should not be (A).",
        "The answer is not \\boxed{A}",
        "I don't think the answer is (A).",
        "If the answer is (A), the mass is wrong.",
        "Is the answer (A)?",
        "The answer: (A) is wrong",
        "(A) is not the correct answer.",
        "So (A) is the wrong choice.",
        "We look at each option:\n\nA. Too small",
        "That leaves out (A).",
    ],
)
def test_denied_statement_is_no_answer(text: str) -> None:
    """What is denied, doubted, or said under a condition is not an answer."""
    assert read_choice(text, 10) == UNREADABLE


@pytest.mark.parametrize(
    "text",
    [
        "The answer is either A or B.",
        "The answer is A and B",
        "The answer is (A), (C) and (D).",
        "The answer is A/B.",
        "The answer is:\nA. Ants\nB. Bees",
        "It must be one of these, (A) or (B).",
        "The answer is none of the above.",
        "The answer is N/A",
    ],
)
def test_several_options_or_none_are_no_answer(text: str) -> None:
    """A statement that names several options, or refuses them all, chooses none."""
    assert read_choice(text, 10) == UNREADABLE


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is (A). Wait, the mass is 3 kg. So the answer is (B).", "B"),
        ("The answer is (A) or (B). As B is heavier, the answer is (B).", "B"),
        ("The answer is (A). Now, is the answer (B)?", "A"),
        ("The answer is (A). On reflection the answer is (A) or (B).", None),
        ("The answer is (A). No: the answer is none of these.", None),
    ],
)
def test_last_statement_wins(text: str, answer: str | None) -> None:
    """A later statement replaces what was said before, even where it gives no single answer."""
    assert read_choice(text, 10).answer == answer


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Thus the mass is \\( \\boxed{C} \\)", "boxed"),
        ("\\boxed{A} looks right, yet after the check \\boxed{\\textbf{C}}", "boxed"),
        ("It floats.\n\n(C)", "ending"),
        ("It floats.\nC.", "ending"),
        ("The mass is 3 kg, or (C).", "ending"),
        ("The mass is 3 kg (C).<end>\n\n", "ending"),
        ("The answer is none of the above (C).", "ending"),
        ("The answer is not A. It is C.", "ending"),
        ("C. Lyon", "label"),
        ("The most likely cause is (C). Rust needs air.", "label"),
    ],
)
def test_option_without_statement_is_read(text: str, source: str) -> None:
    """Without a statement a box counts, then an option that ends the text, then the only one named."""
    assert read_choice(text, 10) == Reading("C", source)


def test_box_yields_to_statement() -> None:
    """A statement counts before a box, wherever the box stands."""
    assert read_choice("The answer is (B). Its mass is \\boxed{C}", 4) == Reading("B", "statement")


def test_review_of_options_is_no_answer() -> None:
    """Where several options are named, none of them is the only one."""
    assert read_choice("A. False, as it sinks.\nB. True, as it floats", 4) == UNREADABLE


@pytest.mark.parametrize(
    "text", ["The answer is (E).", "\\boxed{E}", "(E)", "Answer: Z", "The answer is (A). No, Answer: E"]
)
def test_letter_past_the_options_is_no_answer(text: str) -> None:
    """A letter beyond the options is told apart from an unreadable text, and does not bring an earlier answer back."""
    assert read_choice(text, 4) == OUTSIDE


@pytest.mark.parametrize("structured", ["C", "c", " (C) ", "C. Lyon", "Option C", "The answer is C", '{"answer": "C"}'])
def test_structured_answer_is_read(structured: str) -> None:
    """An answer given apart from the text counts before the text."""
    assert read_choice("The answer is (A).", 4, structured) == Reading("C", "structured")


@pytest.mark.parametrize("structured", ["", "Lyon", "null", "?"])
def test_text_is_read_where_structured_answer_is_no_option(structured: str) -> None:
    """A structured answer that names no option leaves the word to the text."""
    assert read_choice("The answer is (A).", 4, structured) == Reading("A", "statement")


def test_structured_answer_past_the_options_is_no_answer() -> None:
    """A structured letter beyond the options is not replaced from the text."""
    assert read_choice("The answer is (A).", 4, "F") == OUTSIDE


@pytest.mark.parametrize(
    "text",
    [
        '{"answer": "C"}',
        'Here it is:\n```json\n{\n  "why": "It floats, so the answer is (A).",\n  "answer": "(C)"\n}\n```',
        '{"answer": "C"} The answer is (D).',
    ],
)
def test_json_in_the_text_is_read(text: str) -> None:
    """The last "answer" of a JSON object in the text counts before its prose."""
    assert read_choice(text, 4) == Reading("C", "structured")


def test_only_the_end_of_a_long_text_is_read() -> None:
    """A text without end does not hide the answer at its end."""
    assert read_choice("answer is " * 50_000 + "\nThe answer is (B).", 4) == Reading("B", "statement")


@pytest.mark.parametrize("tail", [" ", "\n", ",", ")", " ,"])
def test_a_tail_without_end_is_read(tail: str) -> None:
    """What a model repeats until it is cut off does not hold up the reading."""
    assert read_choice("The answer is (B)" + tail * (199_000 // len(tail)), 4) == Reading("B", "statement")


@given(st.text(), st.integers(0, 26), st.none() | st.text())
@example("The answer is (", 4, "(")
@example("\ud800 The answer is \ud800", 4, "\ud800")
def test_any_text_gives_a_reading(text: str, option_count: int, structured: str | None) -> None:
    """Whatever is written, the reading is one of the options or none."""
    reading = read_choice(text, option_count, structured)
    assert reading.answer is None or reading.answer in tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")[:option_count]
    assert (reading.answer is None) == (reading.source in ("unreadable", "outside_options"))


@given(st.text() | prose, letters)
def test_trailing_statement_wins(text: str, letter: str) -> None:
    """A last line that states the answer is the answer."""
    assume('"answer"' not in text)
    assert read_choice(f"{text}\nThe answer is ({letter}).", 10) == Reading(letter, "statement")


@given(st.text() | prose, letters, letters)
def test_structured_wins_over_text(text: str, structured: str, letter: str) -> None:
    """No text outvotes a structured answer."""
    expected = Reading(structured, "structured")
    assert read_choice(f"{text}\nThe answer is ({letter}).", 10, structured) == expected


@given(
    prose,
    st.sampled_from(
        ["The answer is (B).", "The answer is (A) or (B).", "Answer: Z", "I choose C", "\\boxed{D}", "Well.\n(B)"]
    ),
)
def test_prose_in_front_changes_nothing(before: str, text: str) -> None:
    """Prose without a statement does not change what is read after it."""
    assert read_choice(f"{before}.\n{text}", 10) == read_choice(text, 10)
