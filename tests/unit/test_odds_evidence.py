"""Evidence that answers have in their texts: numbers, equations, grounds."""

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.odds import Evidence, QuestionFacts
from streams.processors.odds.equations import MOST_EQUATIONS, arithmetic_of
from streams.processors.odds.evidence import _parted, evidence_of
from streams.processors.odds.numbers import LONGEST_TEXT, MOST_DIGITS, exact_answer, is_near, numbers_of, ratio_of
from streams.processors.odds.question_facts import facts_of, shape_of_number

from ..worlds import question

# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2.50 and 1,234,567.5", ("5/2", "2469135/2")),
        ("-3, \u22124 and 5-6", ("-3", "-4", "5", "6")),
        ("3 x 10^2, 1.5 \\times 10^{-3}, 2 * 10 ^ 59", ("300", "3/2000", str(2 * 10**59))),
        ("H2O, x1, v1.2.3, 1,23", ("1", "23")),
        ("7 x 10^60 and 1 x 10^1000", ("1", "10", "1000")),
        ("9" * MOST_DIGITS, ("9" * MOST_DIGITS,)),
        ("9" * (MOST_DIGITS + 1), ()),
        ("no number", ()),
        ("\u0663 and \u00bd", ()),
    ],
)
def test_numbers_are_exact(text: str, numbers: tuple[str, ...]) -> None:
    """Groups, signs and powers of ten are read; names, endless digits and other scripts are not."""
    assert numbers_of(text) == numbers


PLAIN = re.compile(
    r"(?<![A-Za-z0-9_])(?<![0-9]\.)((?<![)\]}])[-\u2212])?+([0-9]++(?:,[0-9]{3}(?![0-9]))*+(?:\.[0-9]++)?+)"
    r"(?:\s{0,3}+(?:\\times|\\cdot|[x\u00d7*])\s{0,3}+10\s?+\^\s?+\{?+\s?+([-\u2212]?+[0-9]{1,3}+)(?![0-9]))?+",
    re.ASCII,
)
"""What a number is, in the order of its parts: what stands before it, sign, digits, power of ten."""

PIECES = st.sampled_from(
    [*"0123456789.,-()[]{}xX*^_a \n\u2212\u00d7\u00e9", "\\times", "\\cdot", "x10^", " x 10^{", "1,000"]
)


@settings(max_examples=500)
@given(st.lists(PIECES, max_size=24).map("".join))
def test_a_number_is_what_its_parts_say(text: str) -> None:
    """The search may begin where it likes; it finds the same numbers."""
    exact = [
        exact_answer(f"{sign}{digits}" + (f"x10^{power}" if power else ""))
        for sign, digits, power in PLAIN.findall(text)
    ]
    assert numbers_of(text) == tuple(number for number in exact if number is not None)


CONCLUSIONS = st.sampled_from(["answer is (B)", "Answer: C", "answer is: A", "ANSWER IS $D", "answers", "the answer"])


@settings(max_examples=500)
@given(st.lists(PIECES | CONCLUSIONS, max_size=24).map("".join))
def test_no_number_reaches_into_the_conclusion(text: str) -> None:
    """So the numbers before it and those in it are those of the text."""
    before, conclusion = _parted(text)
    assert before + conclusion == text
    assert numbers_of(before) + numbers_of(conclusion) == numbers_of(text)


@given(st.lists(st.decimals(-(10**9), 10**9, places=3), max_size=8))
def test_any_decimals_are_found(given_numbers: list[object]) -> None:
    """Numbers between words are found in their order, each as its fraction in lowest terms."""
    written = [f"{number:f}" for number in given_numbers]
    assert numbers_of(" and ".join(written)) == tuple(str(Fraction(text)) for text in written)


@given(st.fractions(), st.fractions())
def test_near_is_what_fractions_say(first: Fraction, second: Fraction) -> None:
    """Comparing ratios is comparing the fractions they stand for, in either order."""
    ratios = ratio_of(str(first)), ratio_of(str(second))
    near = abs(first - second) * 1000 <= 5 * max(abs(first), abs(second))
    assert is_near(*ratios, 5) == is_near(*reversed(ratios), 5) == near


@pytest.mark.parametrize(
    ("answer", "exact"),
    [("60", "60"), ("-0.5", "-1/2"), ("2/6", "1/3"), ("1/0", None), ("A", None), ("9" * 200, None), ("1 2", None)],
)
def test_numeric_answer_is_one_number(answer: str, exact: str | None) -> None:
    """A canonical answer is a number or a fraction; what is none has no exact form."""
    assert exact_answer(answer) == exact


# --- equations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("So 12 + 3 * 4 = 24 eggs.", "good"),
        ("16 - 3 = <<16-3=13>>13 eggs, 9 * $2 = $18", "good"),
        ("5 x 3 = 15, 10 \u00f7 4 = 2.5, 2 \\times 3 = 6, 7 \u2212 2 = 5", "good"),
        ("2 / 3 = 0.67, 1000 / 7 \u2248 143", "good"),
        ("100 - 20 = 70", "bad"),
        ("2 + 2 = 4, and 3 * 5 = 18", "bad"),
        ("1 / 0 = 5", "none"),
        ("2 + 2 = 4 + 1", "none"),
        ("x + 3 + 4 = 9", "none"),
        ("2^3 + 1 = 9", "none"),
        ("f3 + 4 = 9", "none"),
        ("20 + 5 = 30%", "none"),
        ("3 + 4 = 2 x 10^5", "none"),
        (f"{'9' * 41} + 1 = 5", "none"),
        ("no equation", "none"),
    ],
)
def test_equations_are_checked(text: str, verdict: str) -> None:
    """A flat equation holds within rounding or it is bad; a part of a longer expression is not judged."""
    assert arithmetic_of(text) == verdict


def test_equations_are_bounded() -> None:
    """Of very many equations the first ones are checked."""
    assert arithmetic_of("1+1=2 " * MOST_EQUATIONS + "1+1=9") == "good"
    assert arithmetic_of("1+1=2 " * (MOST_EQUATIONS - 1) + "1+1=9") == "bad"


@given(st.lists(st.integers(0, 999), min_size=2, max_size=6), st.integers(1, 400))
def test_true_sum_is_good_and_a_false_one_bad(parts: list[int], off: int) -> None:
    """Any sum that is right within 2 % is good, any other bad."""
    left, total = " + ".join(map(str, parts)), sum(parts)
    assert arithmetic_of(f"Thus {left} = {total}.") == "good"
    wrong = total + total // 20 + off
    assert arithmetic_of(f"Thus {left} = {wrong}.") == "bad"


# --- facts of a question ---------------------------------------------------------------------------------------------


def facts(text: str, *options: str, shapes: bool = False) -> QuestionFacts:
    """Read the facts of a question with these options; of one for a number without any."""
    asked = question(text=text, options=max(len(options), 2) if options else 0)
    asked = asked.model_copy(update={"text": text, "options": options})
    return facts_of(asked, option_shapes=shapes)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (("1", "2", "3", "4", "none"), "values"),
        (("1", "2", "3", "none"), "texts"),
        (("a", "b"), "texts"),
        ((), "number"),
    ],
)
def test_kind_follows_from_the_options(options: tuple[str, ...], kind: str) -> None:
    """Options are values if at least 80 % of them hold a number."""
    assert facts("Which?", *options).kind == kind


def test_given_numbers_are_those_of_the_text() -> None:
    """Each number once; none where options are texts; None where there are too many to be a calculation."""
    assert facts("Add 2, 3.0 and 2.").given == ("2", "3")
    assert facts("Add 2.", "a", "b").given == ()
    assert facts(" ".join(map(str, range(101)))).given is None


@pytest.mark.parametrize("word", ["not", "EXCEPT", "least", "incorrect", "false", "never", "cannot", "without"])
def test_negation_is_noticed_in_choices(word: str) -> None:
    """A word that turns a choice round is noticed as a whole word, and in choices alone."""
    assert facts(f"Which is {word} so?", "a", "b").negated
    assert not facts(f"Which is {word}ly so?", "a", "b").negated
    assert not facts(f"How many are {word}?").negated


def test_shapes_are_ranks() -> None:
    """Values are told by their rank in eighths, texts by the rank of their length; without the switch nothing is."""
    assert facts("q", "3", "1", "2", shapes=True).shapes == ("value/8", "value/0", "value/4")
    assert facts("q", "a", "bbbb", "cc", "ddd", shapes=True).shapes == (
        "length/short",
        "length/longest",
        "length/short",
        "length/second",
    )
    assert facts("q", shapes=True).shapes == ()
    assert facts("q", "3", "1").shapes is None
    assert [shape_of_number(answer) for answer in ("7", "-7", "1/2")] == [
        "value/positive whole",
        "value/other",
        "value/other",
    ]


# --- grounds ---------------------------------------------------------------------------------------------------------

VALUES = facts("Given 3 and 4: which?", "7", "8 kg", "12", "1,000", "none")


@pytest.mark.parametrize(
    ("answer", "text", "grounds"),
    [
        ("A", "The answer is (A).", "bare"),
        ("A", "3 + 4 = 7. The answer is (A).", "derived"),
        ("A", "First 7. Then 1, 2, 3. The answer is (A).", "stated"),
        ("B", "3 + 4 = 7. The answer is (B).", "absent"),
        ("C", "That makes 12.05.\nAnswer: C 9 9 9", "derived"),
        ("C", "That makes 12.07.\nAnswer: C", "absent"),
        ("D", "It is 1000.", "derived"),
        ("E", "3 + 4 = 7", "bare"),
        ("A", "The answer is a number, I think 7", "derived"),
    ],
)
def test_grounds_of_a_value(answer: str, text: str, grounds: str) -> None:
    """What counts is where the chosen option's number stands before the conclusion."""
    assert evidence_of("m", answer, text, VALUES).grounds == grounds


def test_grounds_of_texts_and_numbers() -> None:
    """Options that are texts have no grounds to look for; a number rests on its equations, and is counted."""
    assert evidence_of("m", "A", "1 + 1 = 3", facts("q", "a", "b")) == Evidence(
        agent="m", grounds="text", uses=None, repeats=None
    )
    found = evidence_of("m", "0.5", "2 + 2 = 4, so 1/2 or 0.50; 0.5", facts("Of 2 and 9?"))
    assert (found.grounds, found.uses, found.repeats) == ("good", False, 2)
    assert evidence_of("m", "7", "7 7 7 7 7", facts("q")).repeats == 3


def test_use_of_the_given_numbers() -> None:
    """An answer uses the question's numbers if all of them occur; with options only where some are given."""
    assert evidence_of("m", "A", "3 and 4", VALUES).uses is True
    assert evidence_of("m", "A", "3 and 5", VALUES).uses is False
    assert evidence_of("m", "A", "3", facts("Which?", "1", "2")).uses is None
    assert evidence_of("m", "7", "7", facts("How many?")).uses is True
    assert evidence_of("m", "7", "7", facts(" ".join(map(str, range(101))))).uses is None


def test_end_of_a_long_text_is_read() -> None:
    """Of a text without end the last characters count."""
    filler = "word " * (LONGEST_TEXT // 5)
    assert evidence_of("m", "A", f"7 {filler}", VALUES).grounds == "bare"
    assert evidence_of("m", "A", f"{filler} 7", VALUES).grounds == "derived"


HOSTILE = (
    *("1", "12 ", "1+", "1+1=3 ", "9" * 41 + " ", "1,111,", "1x10^", "- 1", "1/0="),
    *("answer is (", "\\times", "9*" * 39, "1" + " " * 50, "A", "\n"),
)


@pytest.mark.parametrize("shape", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_costs_no_more_than_its_end(shape: str) -> None:
    """Of 200,000 characters only the end is read, in which there is a bounded number of numbers and equations."""
    text = shape * (200_000 // len(shape))
    for known in (VALUES, facts("How many are 3 and 12?")):
        answer = "A" if known.kind == "values" else "12"
        assert evidence_of("m", answer, text, known) == evidence_of("m", answer, text[-LONGEST_TEXT:], known)
    assert len(numbers_of(text[-LONGEST_TEXT:])) <= LONGEST_TEXT


@given(st.text(max_size=300), st.sampled_from("ABCDE"))
def test_any_text_has_grounds(text: str, answer: str) -> None:
    """Whatever a model writes, the evidence is one that an event can hold, for each kind of question."""
    for known in (VALUES, facts("q", "a", "b"), facts("How many are 3?")):
        evidence_of("m", answer if known.kind == "values" else "A", text, known)
