"""Options read by their own words."""

import pytest

from streams.processors.answers import Options
from streams.processors.answers.v2.choices import normal_choice, read_choice

CITIES = Options.of(("Paris", "Rome", "Lyon", "Bern"))
NUMBERS = Options.of(("5", "5.5", "55", "6"))
NUMERALS = Options.of(("I only", "II only", "I and II", "I, II and III", "none of the above"))
TEN_OPTIONS = Options.of(tuple("abcdefghij"))
BOTH = Options.of(("A only", "B only", "Both A and B", "Neither A nor B"))
NESTED = Options.of(("New York", "York", "true", "false", "It is in York", "AA", "Aa", "aa"))
NAMES = Options.of(("J. Smith", "K. Tan", "H. Lyon", "D. Doe"))
EQUAL = Options.of(("They rise", "They stay", "They fall", "They rise"))


@pytest.mark.parametrize(
    "text",
    [
        "Lyon",
        "lyon.",
        "**Lyon**",
        "The answer is Lyon.",
        "Answer: Lyon",
        "The answer is **Lyon**.",
        "The correct answer is Lyon (C).",
        "The answer is Lyon, because it lies south.",
        "Therefore, it is Lyon.",
        "It lies south.\n\nLyon",
        "Lyon. It lies south.",
        "\\boxed{\\text{Lyon}}",
        "<answer>Lyon</answer>",
        "Q: Which city?\nA: Lyon",
        "C Lyon",
    ],
)
def test_words_are_the_option(text: str) -> None:
    """The option's own words, where they are what is stated, are its letter."""
    assert read_choice(text, CITIES).answer == "C"


@pytest.mark.parametrize(
    "text", ["The city lies south of Lyon.", "The answer is Lyon and Rome.", "Lyons", "Lyon or Rome"]
)
def test_a_mention_is_no_answer(text: str) -> None:
    """Words that are only part of what is said choose nothing."""
    assert read_choice(text, CITIES).answer is None


@pytest.mark.parametrize(
    ("options", "text", "answer"),
    [
        (NUMBERS, "The answer is 5.5", "B"),
        (NUMBERS, "The answer is 5.", "A"),
        (NUMBERS, "The answer is 5.5.", "B"),
        (NUMBERS, "The answer is $5$.", "A"),
        (NUMBERS, "The answer is 5 m", None),
        (NUMBERS, "The answer is 5, 6 or 7", None),
        (NUMBERS, "The answer is 5 + 1 = 6", None),
        (NUMBERS, "The answer is (A) 5", "A"),
        (NUMBERS, "The answer is (A) 5.5", None),
        (NUMBERS, "\\boxed{5.5}", "B"),
        (NUMBERS, "1. First we add.\n2. Then 6.", None),
        (NUMBERS, "The closest is (A) 5. However, one is to be added, making the answer (D) 6.", "D"),
        (NUMERALS, "The answer is I, II and III", "D"),
        (NUMERALS, "The answer is I and II.", "C"),
        (NUMERALS, "The answer is (C) I and II", "C"),
        (NUMERALS, "The answer is I only.", "A"),
        (NUMERALS, "The answer is I.", None),
        (NUMERALS, "None of the above", "E"),
        (TEN_OPTIONS, "The answer is I, II and III", None),
        (TEN_OPTIONS, "The answer is I.", "I"),
        (TEN_OPTIONS, "The answer is (I).", "I"),
        (BOTH, "The answer is both A and B.", "C"),
        (BOTH, "The answer is C. Both A and B", "C"),
        (BOTH, "Neither A nor B", "D"),
        (NESTED, "The answer is New  York.", "A"),
        (NESTED, "the answer is york", "B"),
        (NESTED, "The answer is in York", None),
        (NESTED, "It is in York", "E"),
        (NESTED, "True.", "C"),
        (NESTED, "The answer is Aa", "G"),
        (NESTED, "The answer is AA", "F"),
        (NAMES, "The answer is C. H. Lyon", "C"),
        (NAMES, "The answer is D. H. Lyon", None),
        (NAMES, "The answer is K. Tan", "B"),
        (Options.of(("x", "y", "H. Lyon", "C. H. Lyon")), "The answer is C. H. Lyon", None),
        (CITIES, "The answer is C. H. Lyon", None),
    ],
)
def test_words_end_where_the_statement_ends(options: Options, text: str, answer: str | None) -> None:
    """The longest words count, no part of a number does, and numerals and initials are not taken for letters."""
    assert read_choice(text, options).answer == answer


@pytest.mark.parametrize(
    "text", ["The answer is (D).", "D", "They rise", "The answer is A or D.", "\\boxed{D}", "D: They rise"]
)
def test_equal_options_are_one_answer(text: str) -> None:
    """The first of them gives the letter."""
    assert read_choice(text, EQUAL).answer == "A"
    assert read_choice("Hm.", EQUAL, "D").answer == "A"


def test_right_answers_of_equal_options_are_the_first() -> None:
    """Feedback that names the second one means the same; words that differ in capitals alone may be two options."""
    assert [normal_choice(given, EQUAL) for given in ("D", "a", "they rise")] == ["A", "A", "A"]
    assert [normal_choice(given, NESTED) for given in ("aA", "aa", "AA")] == [None, "H", "F"]


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_letter_comes_before_an_option_of_that_name(letter: str) -> None:
    """The form asks for letters; an option that is called like another one's letter is not meant."""
    options = Options.of(("B", "A", "Z"))
    assert read_choice(letter, options).answer == letter
    assert normal_choice(letter, options) == letter
    assert normal_choice("Z", options) == "C"
