"""Numbers read from models' answers, and their canonical form."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.processors.answers import Reading
from streams.processors.answers.v1 import canonical_number, read_number

UNREADABLE = Reading(None, "unreadable")

FORMS = {
    "18": ("18", " 18 apples. ", "+18", "018", "18.", "18.00", "18%", "\\$18", "18kg"),
    "1234.5": ("1234.5", "$1,234.50", "1,234.500 km/h"),
    "1000000": ("1000000", "1,000,000"),
    "-3.5": ("-3.5", "\u22123.50", "-$3.5", "$-3.5"),
    "0.5": ("0.5", ".5", "00.50"),
    "0": ("0", "-0", "-0.00"),
    "123456789012345678901234567890.1": ("123456789012345678901234567890.10",),
}


@pytest.mark.parametrize(("text", "number"), [(text, number) for number, texts in FORMS.items() for text in texts])
def test_number_has_one_form(text: str, number: str) -> None:
    """Equal numbers are written equally: no sign of plus, no separators, no unit, no idle zeros."""
    assert canonical_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "-", "$", ".", "C", "five", "1,23", "12,34,567", "1e5", "1/2", "1.2.3", "2 + 3", "nan", "٣", "1 000"]
)
def test_anything_else_has_no_form(text: str) -> None:
    """What is not one plain decimal number is refused, never guessed at."""
    assert canonical_number(text) is None


@pytest.mark.parametrize(
    ("text", "number", "source"),
    [
        ("so 9 + 9 makes it\n#### 18", "18", "hash_line"),
        ("#### 17\nI forgot one.\n#### **$1,018**", "1018", "hash_line"),
        ("The answer is 5.\n#### 18\nThis took 3 steps.", "18", "hash_line"),
        ("#### Step 2\nThe answer is 18.", "18", "statement"),
        ("The answer is 18 pens, found in 2 steps.", "18", "statement"),
        ("#### 1. Add both\nThe answer is 18.", "18", "statement"),
        ("The answer is 18. If the answer is 7, she loses 2.", "18", "statement"),
        ("The answer is about \\$18.00", "18", "statement"),
        ("The answer is <<9*2=18>>18", "18", "statement"),
        ("The answer is 3 * 6 = 18 pens for 2 days.", "18", "statement"),
        ("The answer is x = 18", "18", "statement"),
        ("The answer is 18 dollars and 20 cents", "18", "statement"),
        ("The answer is 17. Let me check. The answer is 18, as 17 leaves 1 over.", "18", "statement"),
        ("9*2=<<9*2=18>>18 pens\nA: 18", "18", "statement"),
        ("<answer>18</answer> after 2 tries", "18", "statement"),
        ("答案是18。共2步", "18", "statement"),
        ("We get \\boxed{18} in 2 steps", "18", "boxed"),
        ("She buys 2 boxes of 9, so 2 * 9 = <<2*9=18>>18 pens.", "18", "last_number"),
        ("It fell to -18", "-18", "last_number"),
        ("That is 20-18", "18", "last_number"),
        ("H2O, v1 and x3 aside, 18 remain", "18", "last_number"),
    ],
)
def test_number_is_read(text: str, number: str, source: str) -> None:
    """The answer line counts first, then the last statement, then a box, then the last number."""
    assert read_number(text) == Reading(number, source)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is 1/2",
        "He ate 1/2",
        "\\boxed{\\frac{1}{2}}",
        "The answer is 18-20",
        "The answer is 3 * 6",
        "It costs 140,00",
        "It costs 1e5",
        "It is \\approx4.27",
    ],
)
def test_unsettled_number_is_no_answer(text: str) -> None:
    """Half of a fraction, a range, a sum or a number cut short is not read as a number."""
    assert read_number(text) == UNREADABLE


@pytest.mark.parametrize(
    ("text", "structured"),
    [("#### 7", "$18.00"), ("#### 7", '{"answer": 18}'), ('{"answer": "18 pens"}\n#### 7', None)],
)
def test_structured_number_is_read(text: str, structured: str | None) -> None:
    """A number given apart from the text, or in a JSON object, counts before the text."""
    assert read_number(text, structured) == Reading("18", "structured")


def test_only_the_end_of_a_long_text_is_read() -> None:
    """What stands before the last 200,000 characters is not read."""
    assert read_number("The answer is 5. " + "x" * 300_000) == UNREADABLE


@given(st.text(alphabet="AaBI answeris().,:\n\\{}boxdorntC*_'\"$#0129-/=<>") | st.text(), st.none() | st.text())
@example("\ud800 A: \ud800", None)
def test_any_text_gives_a_number_or_none(text: str, structured: str | None) -> None:
    """Whatever is written, a number that is read is canonical."""
    reading = read_number(text, structured)
    assert reading == UNREADABLE or canonical_number(reading.answer or "") == reading.answer


@given(st.text(alphabet="0123456789.,-+$% \u2212kg") | st.text())
def test_canonical_number_is_settled(text: str) -> None:
    """Writing a number canonically a second time changes nothing."""
    number = canonical_number(text)
    assert number is None or canonical_number(number) == number


@given(st.integers(), st.integers(0, 6))
def test_canonical_number_keeps_the_value(units: int, places: int) -> None:
    """Every decimal number has a canonical form of the same value."""
    digits = f"{abs(units):0{places + 1}}"
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    number = canonical_number(f"{'-' if units < 0 else ''}{whole}.{part}")
    assert number is not None
    head, _, tail = number.partition(".")
    assert int(head + tail) * 10 ** (places - len(tail)) == units
