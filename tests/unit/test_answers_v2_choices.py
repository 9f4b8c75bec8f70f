"""Options read from models' answers by `answers.v2`."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from streams.processors.answers import Options, Reading
from streams.processors.answers.v2.choices import normal_choice, read_choice

UNREADABLE = Reading(None, "unreadable")
OUTSIDE = Reading(None, "outside_options")
CITIES = Options.of(("Paris", "Rome", "Lyon", "Bern"))
UNKNOWN = Options.unknown(10)

letters = st.sampled_from("ABCDEFGHIJ")
prose = st.lists(
    st.sampled_from(["I think so", "A cat sat here", "water boils", "it is not cold", "Vitamin C helps", "x = 3", "7"])
).map(". ".join)


def read(text: str) -> str | None:
    """Read a text about cities."""
    return read_choice(text, CITIES).answer


@pytest.mark.parametrize(
    "text",
    [
        "The answer is (C).",
        "ANSWER: C",
        "**Answer:** C",
        "**Answer: C**",
        "Answer - C",
        "Answer \u2013 C",
        "Answer=C",
        "answer \u2192 C",
        "Answer: (C) Lyon.",
        "Answer: C, Lyon",
        "Answer is C",
        "Ans. C",
        "Correct: C",
        "My final answer: C) Lyon",
        "Final answer\n\n**C) Lyon**",
        "## Final Answer\n\n**C**",
        "The correct option is C",
        "the correct choice would be C",
        "The answer must be C.",
        "The answer turns out to be C.",
        "The answer is probably C.",
        "Perhaps the answer is C.",
        "The best possible answer is C.",
        "The correct answer is option (C): Lyon",
        "The answer, by the table, is (C).",
        "The answer (by the table) is (C).",
        "I'd go with C.",
        "I would say C.",
        "My pick is C",
        "My vote: C",
        "We select option (C).",
        "Choose C.",
        "If I had to guess, I would say C.",
        "It must be (C).",
        "I believe it's C",
        "Eliminating A, B and D leaves C",
        "That leaves us with (C).",
        "Option C is correct.",
        "I believe C is correct.",
        "C is correct, because it floats.",
        "C is the only option that fits.",
        "This makes (C) the right answer.",
        "Q: Which city?\nA: C",
        "<answer>\nC\n</answer>",
        "The answer is \\( \\boxed{C} \\).",
        "The answer is **C. Lyon**.",
        "The answer is C for the following reasons: A is north.",
        "The answer is C.\n\nBest regards,\nA. Smith",
        '{"answer": "C"',
        "{'answer': 'C'}",
    ],
)
def test_statement_is_read(text: str) -> None:
    """An explicit statement of the answer is read, however it is worded or marked up."""
    assert read_choice(text, CITIES) == Reading("C", "statement")
    assert read_choice(text, UNKNOWN) == Reading("C", "statement")


@pytest.mark.parametrize(
    "text",
    [
        "The answer is (c).",
        "Answer: c",
        "answer is c)",
        "the answer is c",
        "option c",
        "c",
        "(c)",
        "c)",
        "c.",
        "(c) Lyon",
    ],
)
def test_small_letters_are_read(text: str) -> None:
    """A small letter counts where it is stated or stands alone."""
    assert read(text) == "C"


@pytest.mark.parametrize(
    "text", ["The answer is a matter of taste.", "It is a city.", "so be it", "The answer is I do not know"]
)
def test_words_are_no_letters(text: str) -> None:
    """A word of one letter is no option."""
    assert read_choice(text, UNKNOWN) == UNREADABLE


@pytest.mark.parametrize(
    "text",
    [
        "The answer is (B). The incorrect answer is (A).",
        "The answer is (B).\n\nOption D is the second best choice.",
        "The answer is (B). The distractor option is (C).",
        "The answer is (B). Without friction it would be (A).",
        "The answer is (B). If there were no friction, the answer would be (A).",
        "The answer would be (A) if there were none. But there is, so the answer is (B).",
        "The answer is (B). A common wrong answer is (A).",
        "The answer is (B). Many students choose (A).",
        "The answer is (B). One might think the answer is (A).",
        "The answer is (B). (A) is wrong.",
        "The answer is (B). Option A is incorrect.",
        "The answer is (B). The next best option is (A).",
        "The answer is (B). The opposite answer is (A).",
        "The answer is (B), while (A) is the second-best option.",
        "The answer is (B). Now, is the answer (A)?",
        "The answer is (B), not (A).",
        "The answer is B rather than A.",
        "B rather than A",
        "B, not A",
        "not A but B",
        "The answer is not (A), but (B).",
        "It's not A, it's B.",
        "The answer is not A. It is B.",
        "The closest option is (A) Paris, but this is not the correct answer. The answer is (B).",
        "The closest is (A) Paris. However, one is to be added, making the answer (B) Rome.",
        "The answer is (A). Wait, it lies further south. The answer is (B).",
        "The answer is A. Actually, B is correct.",
        "The answer is A. Hmm, no. It is B.",
        "The answer is A. Sorry, I meant B.",
        "The answer is (B). In the previous question, the answer was (A).",
        "The answer is (B). Had it been colder, the answer would be (A).",
        "I initially chose (A), but I now choose (B).",
        "The answer is (A). No, that's wrong. The answer is (B).",
        "As both others are false, the answer is (B).",
    ],
)
def test_a_remark_about_another_option_does_not_count(text: str) -> None:
    """The answer stays what it is; only a statement that takes it back or corrects it replaces it."""
    assert read(text) == "B"


@pytest.mark.parametrize(
    "text",
    [
        "Without friction it would be (A).",
        "The answer isn't B.",
        "The answer is (C)?",
        "The answer is (A)... no, that is wrong.",
        "The answer is (A). Wait, that's not right.",
        "The closest option is (A) Paris, but this is not the correct answer.",
        "I don't think the answer is (A).",
        "I would not choose A.",
        "They pick B.",
        "Vitamin C is the best choice",
        "The answer is C: Rome",
        "The correct answer is Lyon (B).",
        "Either A or B",
        "A and C",
        "Answer: A, C",
        "C and D are correct",
        "The answer is both A and C.",
        "The answer is (A)(C)",
        "The answer is A... no, B.",
        "The answer is a combination of (A) and (C).",
        "The answer could be A or B.",
        "It could be A, or it could be B.",
        "A is correct. B is correct.",
        "A\n\nC",
        "Both are wrong.",
        "The correct answer is not listed.",
        "The answer is none of the above.",
        "The answer is Lyon or Paris.",
        "A. Paris\nB. Rome\nC. Lyon\nD. Bern",
        "",
    ],
)
def test_what_does_not_settle_is_unreadable(text: str) -> None:
    """Denied, taken back, contradictory, several or none: no option is read."""
    assert read_choice(text, CITIES) == UNREADABLE


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("C", "C"),
        ("\\text{(C)}", "C"),
        ("\\textbf{C}", "C"),
        ("C \\text{ Lyon}", "C"),
        ("\\text{Lyon}", "C"),
        ("C: Lyon", "C"),
        ("C, D", None),
        ("C,D", None),
        ("AC", None),
        ("A \\text{ and } C", None),
        ("A}, \\boxed{C", None),
        ("\\{A, C\\}", None),
        ("E", None),
        ("42", None),
    ],
)
def test_box_is_read(content: str, answer: str | None) -> None:
    """A box holds one option, by letter or in its words; with several letters it is none."""
    assert read(f"So $\\boxed{{{content}}}$") == answer


@pytest.mark.parametrize(
    "text",
    [
        "C",
        "**C**",
        "`C`",
        "- C",
        "\uff23",
        "\uff08\uff23\uff09",
        "\u24b8",
        "\\textbf{C}",
        "C: Lyon",
        "Option C: Lyon",
        "C \u2013 Lyon",
        "C Lyon",
        "Probably C",
        "Therefore, C.",
        "It floats.\n\n(C)",
        "A is incorrect. B is incorrect. D is incorrect. So C.",
        "C\n\nLet me know if you need more.",
        "C because it floats.\nIt does.",
        "A. Paris\nB. Rome\nC. Lyon\nD. Bern\n\nC. Lyon",
        "(A) Paris (B) Rome (C) Lyon (D) Bern\n(C) Lyon",
        "A) Paris\nB) Rome\nC) Lyon\nD) Bern\nAnswer: C",
    ],
)
def test_option_without_statement_is_read(text: str) -> None:
    """An option that stands alone is the answer; a repeated list of the options is not looked at."""
    assert read(text) == "C"


@pytest.mark.parametrize("text", ["The answer is E.", "(Z)", "\\boxed{E}", "The answer is (A). No, Answer: E"])
def test_letter_past_the_options_is_no_answer(text: str) -> None:
    """A letter beyond the options is told apart, and does not bring an earlier answer back."""
    assert read_choice(text, CITIES) == OUTSIDE


# --- answers apart from the text -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("structured", "answer"),
    [
        *(
            (form, "C")
            for form in ("C", "c", " (C) ", "**C**", "C. Lyon", "Option C", "Lyon", "lyon.", "The answer is C")
        ),
        *((form, "C") for form in ('{"answer": "C"}', "C, as it lies south", "<think>A</think>C", "\\boxed{C}")),
        *((nothing, "A") for nothing in ("", "null", "?", "none", "N/A")),
        *((other, None) for other in ("A or C", "Z", "Marseille", "C: Rome", "None of the above")),
    ],
)
def test_structured_answer_outweighs_the_text(structured: str, answer: str | None) -> None:
    """Where it says nothing the text is read; where it is another answer, neither is."""
    assert read_choice("The answer is (A).", CITIES, structured).answer == answer


def test_structured_words_of_an_unknown_option_leave_the_word_to_the_text() -> None:
    """They may be what the text says."""
    assert read_choice("The answer is (A).", Options.unknown(4), "Paris") == Reading("A", "statement")


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ('{"answer": "C"}', Reading("C", "structured")),
        ('```json\n{"analysis": "Not (A).", "answer": "Lyon"}\n```', Reading("C", "structured")),
        ('{"analysis": "The answer is (A).", "answer": ["A", "C"]}', UNREADABLE),
        ('{"analysis": "The answer is (A).", "answer": null}', Reading("A", "statement")),
        ('I say {"answer": "C"}', Reading("C", "structured")),
        ('It says {"answer": "C"}.\nThe answer is (D).', Reading("D", "statement")),
        ('{"answer": "C"} is not what I say.', UNREADABLE),
        ('{"answer": "A"}\nNo:\n{"answer": "C"}', Reading("C", "structured")),
    ],
)
def test_json_is_read(text: str, reading: Reading) -> None:
    """An object's answer outweighs what it says besides, but not a statement after it."""
    assert read_choice(text, CITIES) == reading


@pytest.mark.parametrize(
    ("given", "letter"),
    [
        *((form, "C") for form in ("C", "c", "(C)", " c) ", "C. Lyon", "Lyon", " lyon", "LYON.")),
        *((form, None) for form in ("", "E", "A and B", "Marseille", "1", "C: Rome")),
    ],
)
def test_right_answer_is_written_as_a_letter(given: str, letter: str | None) -> None:
    """Feedback may give it in every form in which an agent may."""
    assert normal_choice(given, CITIES) == letter


# --- any text ------------------------------------------------------------------------------------------------------


@given(st.text(), st.lists(st.none() | st.text(max_size=9), max_size=12), st.none() | st.text())
@example("The answer is (", [], "(")
@example("\ud800 The answer is \ud800", ["\ud800"], "\ud800")
def test_any_text_gives_a_reading(text: str, words: list[str | None], structured: str | None) -> None:
    """Whatever is written, the reading is one of the options or none."""
    options = Options(tuple(words), tuple(range(len(words))))
    reading = read_choice(text, options, structured)
    assert reading.answer is None or reading.answer in tuple("ABCDEFGHIJKL")[: len(words)]
    assert (reading.answer is None) == (reading.source in ("unreadable", "outside_options"))


@given(st.text() | prose, letters)
def test_trailing_statement_wins(text: str, letter: str) -> None:
    """A last line that states the answer is the answer."""
    assume("<" not in text)
    assert read_choice(f"{text}\nThe answer is ({letter}).", UNKNOWN) == Reading(letter, "statement")


@given(
    prose, st.sampled_from(["The answer is (B).", "The answer is (A) or (B).", "Answer: Z", "I choose C", "\\boxed{D}"])
)
def test_prose_in_front_changes_nothing(before: str, text: str) -> None:
    """Prose without a statement does not change what is read after it."""
    assert read_choice(f"{before}.\n{text}", UNKNOWN) == read_choice(text, UNKNOWN)


def test_only_the_end_of_a_long_text_is_read() -> None:
    """A text without end does not hide the answer at its end."""
    assert read_choice("answer is " * 50_000 + "\nThe answer is (B).", CITIES) == Reading("B", "statement")


@pytest.mark.parametrize("tail", [" ", "\n", ",", ")", " ,"])
def test_a_tail_without_end_is_read(tail: str) -> None:
    """What a model repeats until it is cut off does not hold up the reading."""
    assert read_choice("The answer is (B)" + tail * (199_000 // len(tail)), CITIES) == Reading("B", "statement")
