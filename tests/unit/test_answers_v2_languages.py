"""Answers stated in the most used languages, read by `answers.v2`."""

import pytest

from streams.processors.answers import Options, Reading
from streams.processors.answers.v2.answer_words import LANGUAGES
from streams.processors.answers.v2.choices import read_choice

CITIES = Options.of(("Paris", "Rome", "Lyon", "Bern"))
ECHO = "A. Paris\nB. Rome\nC. Lyon\nD. Bern\n\n"

WORDS = [(language.name, word) for language in LANGUAGES for word in language.answer]


@pytest.mark.parametrize(
    ("language", "word"), WORDS, ids=[f"{name}-{number}" for number, (name, _) in enumerate(WORDS)]
)
@pytest.mark.parametrize(
    "form", ["{}: C", "**{}:** C", "{} : (C)", "{}\uff1aC", "{}: Lyon", "A. Paris nicht.\n\n{}: C"]
)
def test_every_answer_word_states(language: str, word: str, form: str) -> None:
    """With a colon of any kind; no option's label wins over it."""
    assert read_choice(form.format(word[0].upper() + word[1:]), CITIES) == Reading("C", "statement")
    assert read_choice(ECHO + form.format(word), CITIES) == Reading("C", "statement")


@pytest.mark.parametrize(
    "text",
    [
        "R\u00e9ponse\u202f: C",
        "La bonne r\u00e9ponse est la C.",
        "La r\u00e9ponse est la lettre C.",
        "La bonne r\u00e9ponse est C\xa0: Lyon",
        "la lettre C",
        "La respuesta correcta es la C.",
        "La respuesta a la pregunta es la opci\u00f3n C.",
        "A resposta correta \u00e9 a letra C.",
        "A alternativa correta \u00e9 a C.",
        "Die richtige Antwort ist C.",
        "Die Antwort auf die Frage lautet C.",
        "La risposta corretta \u00e8 C.",
        "Jawaban yang benar adalah C.",
        "Do\u011fru cevap C'dir.",
        "\u0110\u00e1p \u00e1n \u0111\u00fang l\u00e0 C.",
        "Jibu sahihi ni C.",
        "Ang tamang sagot ay C.",
        "Prawid\u0142owa odpowied\u017a to C.",
        "\u041f\u0440\u0430\u0432\u0438\u043b\u044c\u043d\u044b\u0439 \u043e\u0442\u0432\u0435\u0442 \u2014 C.",
        "答案选C",
        "【答案】C",
        "A错误，B错误。故选C",
        "正确答案是 (C)。",
        "答案是C，不是A。",
        "答案不是A，而是C",
        "故选C",
        "因此选C。",
        "C选项正确。",
        "选项C正确。",
        "C是正确的。",
        "答えはCです。",
        "正解はCです。",
        "정답은 C입니다.",
        "सही उत्तर C है।",
        "सही उत्तर (C) है।",
        "সঠিক উত্তর C",
        "الإجابة الصحيحة هي C.",
        "پاسخ صحیح گزینه C است.",
        "คำตอบคือ C",
    ],
)
def test_sentences_state(text: str) -> None:
    """The usual sentences of many languages name their option."""
    assert read_choice(text, CITIES).answer == "C"
    assert read_choice(text, Options.unknown(4)).answer == "C"


@pytest.mark.parametrize(
    "text", ["C。因为里昂在南边。", "C，因为里昂在南边，而A在北边。", "C: 因为A选项不对。", "C\n因为里昂在南边。"]
)
def test_a_letter_before_its_reason_is_read(text: str) -> None:
    """In scripts without spaces too."""
    assert read_choice(text, CITIES).answer == "C"


@pytest.mark.parametrize(
    "text",
    ["答案是A和C", "答案：A、C", "不选A", "Ответ: A или C", "答えはAとCです", "A是错的", "정답은 A 또는 C입니다"],
)
def test_several_or_denied_options_are_unreadable(text: str) -> None:
    """In every language."""
    assert read_choice(text, CITIES).answer is None


def test_an_unknown_word_keeps_a_label_from_winning() -> None:
    """Where the last line names another letter behind a colon, nothing is settled."""
    assert read_choice("A. Paris on kaukana.\n\nLoppu: C", CITIES).answer is None
