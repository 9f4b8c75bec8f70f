"""Numbers of whole texts, by the rules of `answers.v2`."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.processors.answers import Reading
from streams.processors.answers.v2.numbers import normal_number, read_number

UNREADABLE = Reading(None, "unreadable")


@pytest.mark.parametrize(
    ("text", "number", "source"),
    [
        ("Die Antwort: 3,5", "3.5", "statement"),
        ("Antwort: 3,5 Liter", "3.5", "statement"),
        ("La respuesta final es 3,5 litros.", "3.5", "statement"),
        ("La risposta è 3,5.", "3.5", "statement"),
        ("A resposta é 3,5.", "3.5", "statement"),
        ("Het antwoord is 3,5.", "3.5", "statement"),
        ("Svaret är 3,5.", "3.5", "statement"),
        ("Odpowiedź: 3,5", "3.5", "statement"),
        ("Cevap: 3,5", "3.5", "statement"),
        ("Jawabannya adalah 3,5.", "3.5", "statement"),
        ("Đáp án là 3,5.", "3.5", "statement"),
        ("Ответ: 3,5.", "3.5", "statement"),
        ("答案是3.5", "3.5", "statement"),
        ("الجواب: ٣٫٥", "3.5", "statement"),
        ("Odpowiedź to 3,5.", "3.5", "statement"),
        ("答案：18", "18", "statement"),
        ("答案是 18 个。", "18", "statement"),
        ("答え：18", "18", "statement"),
        ("정답: 18", "18", "statement"),
        ("उत्तर: १८", "18", "statement"),
        ("الجواب: ١٨", "18", "statement"),
        ("Ответ: 18 рублей", "18", "statement"),
        ("Answer\n18", "18", "statement"),
        ("The final answer is: $\\boxed{18}$.", "18", "statement"),
        ("**The answer is \\boxed{18}.**", "18", "statement"),
        ("The answer is \\boxed{18 \\text{ pens}} for 2 days.", "18", "statement"),
        ("## Final Answer\n\\boxed{18}", "18", "statement"),
        ("#### Answer: 18", "18", "statement"),
        ("#### Final answer: 18 pens", "18", "statement"),
        ("#### 2.1 foo\nthe answer is 18", "18", "statement"),
        ("The answer is 18 or so they sa", "18", "statement"),
        ("The answer is 17. No wait, that is wrong. The answer is 18.", "18", "statement"),
        ("Is the answer 17? No. The answer is 18.", "18", "statement"),
        ("The answer is not 17 but 18.", "18", "statement"),
        ("The wrong answer is 17. The answer is 18.", "18", "statement"),
        ("The answer is 18. A wrong answer would be 17.", "18", "statement"),
        ("I think the answer is 18.", "18", "statement"),
        ("Perhaps the answer is 18.|18", "18", "statement"),
        ("My answer: 18", "18", "statement"),
        ("ANSWER: 18", "18", "statement"),
        ("answer=18", "18", "statement"),
        ("Answer = 18", "18", "statement"),
        ("Answer -> 18", "18", "statement"),
        ("Answer → 18", "18", "statement"),
        ("The answer should be 18.", "18", "statement"),
        ("The answer would be 18.", "18", "statement"),
        ("The correct answer is therefore 18.", "18", "statement"),
        ("The answer to the question is 18.", "18", "statement"),
        ("The answer, in dollars, is 18.", "18", "statement"),
        ("The answer (in dollars) is 18.", "18", "statement"),
        ("The answer in 2 steps is 18.", "18", "statement"),
        ("Therefore, the final answer is 18 dollars.", "18", "statement"),
        ("答案是2万。", "20000", "statement"),
        ("Ответ: минус 5", "-5", "statement"),
        ("Réponse : 1 000 000", "1000000", "statement"),
        ("Réponse : 1 234,5", "1234.5", "statement"),
        ("Ответ: 18 или 20", None, "unreadable"),
        ("Antwort: 18 oder 20", None, "unreadable"),
        ("Respuesta: 18 o 20", None, "unreadable"),
        ("Réponse : 18 ou 20", None, "unreadable"),
        ("答案是18或20", None, "unreadable"),
        ("答案是18和20。", None, "unreadable"),
        ("#### 3,5", None, "unreadable"),
        ("I am sure.\n\\boxed{3,5}", None, "unreadable"),
        ("Thus we get 18 apples and 20 pears.", None, "unreadable"),
        ("The answer is \\boxed{x}.", None, "unreadable"),
        ("The answer is 5. \\boxed{x+1}", None, "unreadable"),
        ("So 5 + 3 ", None, "unreadable"),
        ("He has 5 pens and then he buys 3", None, "unreadable"),
        ("Let x be 5. Then 2x + 3 is", None, "unreadable"),
        ("We need 5 pens:", None, "unreadable"),
        ("5 pens,", None, "unreadable"),
        ("\\boxed{5", None, "unreadable"),
        ("The answer is 5. \\boxed{12", None, "unreadable"),
        ("#### x + 1", None, "unreadable"),
        ("#### 5 to 6", None, "unreadable"),
        ("#### unknown", None, "unreadable"),
        ("2+2=4\n#### No solution", None, "unreadable"),
        ("#### 18 Apples|18", None, "unreadable"),
        ('{"answer": "x"}\n#### 5', None, "unreadable"),
        ('{"answer": ["18", "20"]}', None, "unreadable"),
        ("The answer is not 17.", None, "unreadable"),
        ("It is 12:30.", None, "unreadable"),
        ("2024-05-01", None, "unreadable"),
        ("It is on 5/12/2024.", None, "unreadable"),
        ("call 555-1234", None, "unreadable"),
        ("Room 3-5.", None, "unreadable"),
        ("On May 5, 18 people came.", None, "unreadable"),
        ("\\boxed{3,5} ist das Ergebnis der Rechnung.", "3.5", "boxed"),
        ("Das Ergebnis der Rechnung ist:\n\n\\boxed{3,5}", "3.5", "boxed"),
        ("Die Rechnung ergibt das und das.\n#### 3,5", "3.5", "hash_line"),
        ("Step 1: 2 + 3 = 5.\nStep 2: 5 + 13 = 18.", "18", "last_number"),
        ("Thus we get 18 apples.", "18", "last_number"),
        ("x = 18", "18", "last_number"),
        ("### 18", "18", "last_number"),
        ("The answer comes out to 18.|18", "18", "last_number"),
        ("18 is the answer.|18", "18", "last_number"),
        ("So 18 is the answer.", "18", "last_number"),
        ("Total = 9 × 2 = 18", "18", "last_number"),
        ("9 × 2 = 18", "18", "last_number"),
        ("$9 \\times 2 = 18$", "18", "last_number"),
        ("= 18", "18", "last_number"),
        ("≈ 18", "18", "last_number"),
        ("So:\n\\[ 9 \\cdot 2 = 18 \\]", "18", "last_number"),
        ("So\n$$9 \\cdot 2 = 18.$$", "18", "last_number"),
        ("#### 18\n", "18", "hash_line"),
        ("#### 18.", "18", "hash_line"),
        ("#### 18 pens.", "18", "hash_line"),
        ("#### **18**", "18", "hash_line"),
        ("#### $18.00", "18", "hash_line"),
        ("text #### 18", "18", "hash_line"),
        ("#### 2. Compute\n#### 18", "18", "hash_line"),
        ("#### 1\nfoo\n#### 18", "18", "hash_line"),
        ("####-5", "-5", "hash_line"),
        ("#### - 5", "-5", "hash_line"),
        ("#### Step 1: foo 3\nbar 4.\n\\boxed{18}", "18", "boxed"),
        ("#### 5 Solutions\nSo \\boxed{12}", "12", "boxed"),
        ('{"answer": 18}', "18", "structured"),
        ('{"answer": "18"}', "18", "structured"),
        ('{"analysis": "2 boxes of 9", "answer": "18"}', "18", "structured"),
        ('```json\n{"answer": "18 pens"}\n```', "18", "structured"),
        ('{"answer": 1.5}', "1.5", "structured"),
        ('{"answer": -5}', "-5", "structured"),
        ('{"answer": 1.5e5}', "150000", "structured"),
        ("We get 18 - 13 = 5.", "5", "last_number"),
        ("He ate 1/3.", "1/3", "last_number"),
        ("The answer is $\\dfrac{1}{3}$", "1/3", "statement"),
        ("**Final answer:** $18$", "18", "statement"),
        ("Final Answer: The answer is 18", "18", "statement"),
        ("The answer is 18 (see step 3).", "18", "statement"),
        ("The answer is 18, whereas Bob's is 20.", "18", "statement"),
        ("The answer is 18 km, or 18,000 m.", None, "unreadable"),
        ("The answer is 2**3.", "8", "statement"),
        ("The answer is 1.5 * 10**-5.", "0.000015", "statement"),
        ("Das Ergebnis ist \\boxed{1.234}. Das ist die Antwort.", None, "unreadable"),
        ("Die Antwort lautet 1,5 Millionen Euro.", "1500000", "statement"),
        ("Die Antwort lautet 2,5 Milliarden.", "2500000000", "statement"),
        ("\u7b54\u6848\u662f\u8d1f5", "-5", "statement"),
        ("### 2. Solve\n#### 2.1. First\n$x=3$\n\n\\boxed{12}", "12", "boxed"),
        ("#### Case 1: x = 3\nfoo\nSo the answer is \\boxed{12}.", "12", "statement"),
        ("6 tries\n#### $\\pi$", None, "unreadable"),
        ("5 + 3 = 8.\n\nThe answer is", None, "unreadable"),
        ("5 + 3 = 8.\n\n\\boxed{", None, "unreadable"),
        ("5 pens.\n####", None, "unreadable"),
        ("$\\boxed{x=18}$ or $\\boxed{x=20}$", None, "unreadable"),
        ("\\boxed{\\textbf{(C)}\\ 6}", "6", "boxed"),
        ("\\boxed{\\text{speed} = \\frac{6\\text{ m}}{3\\text{ s}} = 2 \\text{ m/s}}", "2", "boxed"),
    ],
)
def test_number_is_read(text: str, number: str | None, source: str) -> None:
    """The last hash line, statement or box settles the answer; the last number only where there is none of them."""
    assert read_number(text) == Reading(number, source)


@pytest.mark.parametrize(
    ("text", "structured", "number"),
    [
        ("#### 7", "$18.00", "18"),
        ("#### 7", '{"answer": 18}', "18"),
        ('{"answer": "18 pens"}', None, "18"),
        ("So 3 boxes of 4.", "twelve", "12"),
        ("So 3 boxes of 4.", "a few", None),
        ("The answer is 4.", "x + 1", None),
        ("The answer is 4.", "18 or 20", None),
    ],
)
def test_structured_number_counts_alone(text: str, structured: str | None, number: str | None) -> None:
    """A number given apart from the text decides, and so does what is given and cannot be read."""
    assert read_number(text, structured) == (UNREADABLE if number is None else Reading(number, "structured"))


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "1",
            ",",
            "1,",
            "1 ",
            "- ",
            "=1",
            "10^",
            "9!*",
            "{",
            "}",
            "(",
            "|",
            '"',
            " ",
            "e",
            "\\",
            "\xbd",
            "\xb2",
            "\u0966",
        ),
        *("\\boxed{", "\\boxed{1", "\\frac{", "\\sqrt{", "\\text{", "<<1", "####", "#### 1\n", "A:\n", "answer is "),
        *("the answer is x=", "answer is 1 or ", "\\boxed{1} and ", "\u7b54\u6848", '{"answer": ', "one hundred "),
    ],
)
def test_hostile_text_is_read(unit: str) -> None:
    """No text of 200,000 characters exhausts the stack, the memory or the reader's patience."""
    text = (unit * (200_000 // len(unit)))[:200_000]
    assert isinstance(read_number(text), Reading)
    assert normal_number(text) in (None, "1")
    assert normal_number("9^" * 50 + "9") is None


_TOKENS = (
    "0 1 2 5 10 18 1,234 3.5 .5 1e5 , . : ; ! ? + - * / ^ = < > ( ) [ ] { } | _ % $ # \u2013 \u2212 \xbd \xb2 x y i k M"
    " a and or not to is the answer The A: #### ... << >> <br> apples km/h million dozen two hundred about"
    " \\boxed{ \\frac{ \\frac12 \\sqrt{ \\text{ \\pi \\times \\cdot \\, \\; {,} \\approx \\overline{"
    " \\circ least between \\left( \\\\ \n"
)
_WRITTEN = st.lists(st.sampled_from([*_TOKENS.split(" "), " "]), max_size=30).map("".join)


@given(_WRITTEN | st.text(), st.none() | _WRITTEN)
@example("\ud800 A: \ud800", None)
@example("\\boxed{\\frac{1}{", "")
@example("A:2about\\approx]A::", None)
@example("A: 0 km/h = the \\circ", None)
def test_any_text_gives_a_number_or_none(text: str, structured: str | None) -> None:
    """Whatever is written, a number that is read is canonical."""
    reading = read_number(text, structured)
    assert reading == UNREADABLE or normal_number(reading.answer or "") == reading.answer


@given(_WRITTEN)
def test_canonical_number_is_settled(text: str) -> None:
    """Writing a number canonically a second time changes nothing."""
    number = normal_number(text)
    assert number is None or normal_number(number) == number


def _canonical(value: Fraction) -> str:
    number = normal_number(f"{value.numerator}/{value.denominator}")
    assert number is not None
    return number


@given(st.integers(-(10**9), 10**9), st.integers(0, 6))
def test_notations_of_a_decimal_are_equal(units: int, places: int) -> None:
    """Groups, signs, exponents, marks and units around a decimal change nothing."""
    value = Fraction(units, 10**places)
    sign, digits = "-" if units < 0 else "", f"{abs(units):0{places + 1}}"
    whole, part = int(digits[: len(digits) - places]), digits[len(digits) - places :]
    point = f".{part}" if part else ""
    forms = [
        f"{sign}{whole:,}{point}".replace(",", group) for group in (",", "{,}", " ", "\u202f", "'", "_", "\\,", "\\;")
    ]
    plain = f"{sign}{whole}{point}"
    forms += [f"{plain} apples", f"${plain}$", f"\\({plain}\\)", f"**{plain}**", f"x = {plain}", f"({plain})"]
    forms += [f"{units}e-{places}", f"{units} \\times 10^{{-{places}}}", f"{plain}%", f"{sign}\\${whole}{point}"]
    forms += [plain.replace("-", minus) for minus in ("- ", "\u2212", "\u2013", "minus ", "-\\,")]
    assert {form: normal_number(form) for form in forms} == dict.fromkeys(forms, _canonical(value))


@given(st.integers(-999, 999), st.integers(1, 999))
def test_notations_of_a_fraction_are_equal(upper: int, lower: int) -> None:
    """A fraction is the same in text, in LaTeX, and as a mixed number."""
    value = Fraction(upper, lower)
    sign, top = "-" if upper < 0 else "", abs(upper)
    forms = [f"{upper}/{lower}", f"\\frac{{{upper}}}{{{lower}}}", f"{sign}\\dfrac{{{top}}}{{{lower}}}"]
    forms += [f"{upper} / {lower}", f"{upper} \\div {lower}", f"\\boxed{{\\tfrac{{{upper}}}{{{lower}}}}}"]
    if top > lower:
        whole, rest = divmod(top, lower)
        forms += [f"{sign}{whole} {rest}/{lower}", f"{sign}{whole}\\frac{{{rest}}}{{{lower}}}"] if rest else []
    assert {form: normal_number(form) for form in forms} == dict.fromkeys(forms, _canonical(value))
