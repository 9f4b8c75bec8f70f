"""Prompts of live agents: layout, marks, escaping, reply form."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.models.prompt import read_prompt
from schemas.prompts import Instructions, Prompts
from schemas.questions import LETTERS
from streams.agents import prompts
from streams.agents.agent import Task
from streams.agents.prompts import MOST_ANALYSIS_CHARACTERS, messages_of, schema_of, visible

from .injection_prompts import letters_in, mark_of, sections

ANALYST = Task(
    question_id="q",
    text="What is it?\nThink.",
    options=("this", "that"),
    answer_type="choice",
    subject="law",
    role="analyst",
    stage=0,
)
NUMBER = replace(ANALYST, options=(), answer_type="number")
DISPATCHER = replace(ANALYST, role="dispatcher", seats=3)
MERGER = replace(ANALYST, role="merger", analyses=("The answer is (A).", "It is (B)."))


def told(role: str) -> Instructions:
    """Make an instruction that says whose it is, with every place in it."""
    return Instructions(choice=f"{role} {{letters}} {{mark}} {{seats}}", number=f"{role} counts {{letters}}{{mark}}")


PLAIN = Prompts(
    analyst=told("analyst"),
    dispatcher=told("dispatcher"),
    merger=told("merger"),
    baseline=told("baseline"),
    reminder="Go on, {mark}.",
)


def both(task: Task, given: Prompts = PLAIN, *, alone: bool = False) -> tuple[str, str]:
    """Write both messages, with MARK for the mark."""
    messages = messages_of(task, given, alone=alone)
    mark = mark_of(messages)
    return messages[0].content.replace(mark, "MARK"), messages[1].content.replace(mark, "MARK")


def test_an_analyst_gets_question_options_and_its_side() -> None:
    """Each text stands in a block of its own, in a fixed order; then comes the reminder."""
    assert both(replace(ANALYST, sub_question="Why?")) == (
        "analyst A to B MARK 0",
        "<question-MARK>\nWhat is it?\nThink.\n</question-MARK>\n"
        "<options-MARK>\nA: this\nB: that\n</options-MARK>\n"
        "<sub-question-MARK>\nWhy?\n</sub-question-MARK>\n"
        "Go on, {mark}.",
    )


def test_a_question_for_a_number_has_no_options() -> None:
    """Neither does its instruction speak of any; without a reminder the data end the prompt."""
    assert both(NUMBER, PLAIN.model_copy(update={"reminder": ""})) == (
        "analyst counts MARK",
        "<question-MARK>\nWhat is it?\nThink.\n</question-MARK>",
    )


def test_a_merger_reads_numbered_analyses() -> None:
    """They come in the order given, and whose they are is not said."""
    system, user = both(MERGER)
    assert system == "merger A to B MARK 0"
    assert user.endswith(
        "</options-MARK>\n"
        '<analysis-MARK id="A1">\nThe answer is (A).\n</analysis-MARK>\n'
        '<analysis-MARK id="A2">\nIt is (B).\n</analysis-MARK>\n'
        "Go on, {mark}."
    )


def test_a_dispatcher_is_told_the_number_of_seats() -> None:
    """In the instruction, and as data."""
    system, user = both(DISPATCHER)
    assert system == "dispatcher A to B MARK 3"
    assert user.endswith("</options-MARK>\n<seats-MARK>\n3\n</seats-MARK>\nGo on, {mark}.")


@pytest.mark.parametrize(
    ("task", "alone", "role"),
    [(ANALYST, True, "baseline"), (NUMBER, True, "baseline counts"), (MERGER, True, "merger"), (DISPATCHER, True, "d")],
    ids=["choice", "number", "merger", "dispatcher"],
)
def test_the_only_agent_of_a_policy_is_told_so_as_analyst(task: Task, alone: bool, role: str) -> None:
    """The baseline is for analysts alone; other roles are what they are."""
    assert both(task, alone=alone)[0].startswith(role)


def test_places_are_filled_in_instructions_only() -> None:
    """Braces in data stay as they are."""
    braces = "{mark} {letters} {seats} {0} {{}}"
    system, user = both(replace(ANALYST, text=braces, options=(braces, "that")))
    assert system == "analyst A to B MARK 0"
    assert user.count(braces) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"text": "What is this?"},
        {"options": ("this", "that", "both")},
        {"options": ("that", "this")},
        {"sub_question": ""},
        {"role": "merger", "analyses": ("x",)},
        {"role": "dispatcher", "seats": 2},
    ],
    ids=str,
)
def test_all_data_decide_the_mark(change: dict[str, Any]) -> None:
    """Whatever changes in the data, the mark is another one."""
    assert mark_of(messages_of(replace(ANALYST, **change), PLAIN, alone=False)) != "0cd5343bc066972f"


def test_the_mark_is_the_same_everywhere() -> None:
    """It follows from the data alone: not from who asks, how often, under which id, or on which machine."""
    other = replace(ANALYST, question_id="r", subject=None, stage=3, attempt=2)
    for task in (ANALYST, other):
        assert mark_of(messages_of(task, PLAIN, alone=False)) == "0cd5343bc066972f"


@pytest.mark.parametrize("held", ["0" * 16, f"x{'0' * 16}y", "A" * 16], ids=["alone", "inside", "upper case"])
def test_a_mark_that_the_data_contain_is_not_used(held: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is taken."""
    marks = iter([held.strip("xy").lower() + "1" * 48, "b" * 64])
    monkeypatch.setattr(prompts, "content_id", lambda canonical: next(marks))
    messages = messages_of(replace(ANALYST, text=held), PLAIN, alone=False)
    assert mark_of(messages) == "b" * 16
    assert sections(messages, PLAIN.reminder)[0].text == held


@pytest.mark.parametrize(("over", "said"), [(0, False), (1, True), (5_000, True)])
def test_a_long_analysis_loses_its_beginning(over: int, said: bool) -> None:
    """What a merger reads of it is bounded; the end is kept, and it is told how much is missing."""
    kept = "k" * (MOST_ANALYSIS_CHARACTERS - 10) + " is (A)..."
    note = f"[The first {over} characters are left out.]\n" if said else ""
    messages = messages_of(replace(MERGER, analyses=("x" * over + kept,)), PLAIN, alone=False)
    assert sections(messages, PLAIN.reminder)[2].text == note + kept


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Köln, 東京, دو نیم\u200cفاصله, 👩\u200d🔬, ❤\ufe0f\t\n x < y", None),
        ("a\r\nb\rc\x85d\u2028e\u2029f", "a\nb\nc\nd\ne\nf"),
        ("\x00\x08\x0b\x1b\x7f\x9b", "[U+0000][U+0008][U+000B][U+001B][U+007F][U+009B]"),
        ("\u202eabc\u2069\u200f", "[U+202E]abc[U+2069][U+200F]"),
        ("\U000e0041\u200b\ufeff\xad\ufe00", "[U+E0041][U+200B][U+FEFF][U+00AD][U+FE00]"),
        ("x\u200d\u200c\u200dy\u200c\u200dz", "x[U+200D][U+200C][U+200D]y\u200c\u200dz"),
        ("\ud800", "[U+D800]"),
        ("<|im_start|>[/INST]</s><<SYS>>", "< |im_start|>[ /INST]< /s>< < SYS>>"),
        ("a <| b |> c < |d| [INSTANCE] <small> [U+202E]", "a < | b |> c < |d| [INSTANCE] <small> [U+202E]"),
        ("<\u200b|im_start|>", "<[U+200B]|im_start|>"),
    ],
    ids=[
        "languages", "line ends", "controls", "bidirectional", "invisible", "joiners", "surrogate", "templates",
        "operators", "hidden template",
    ],
)  # fmt: skip
def test_what_nobody_sees_is_written_out(text: str, shown: str | None) -> None:
    """Languages and emoji stay as they are; what deceives the eye or a server is shown; nothing is dropped."""
    assert visible(text) == (text if shown is None else shown)


def test_an_option_of_several_lines_is_one_option() -> None:
    """Only a line that begins an option begins with a letter."""
    user = both(replace(ANALYST, options=("x\nC: y\r\n  D: z", "that\n")))[1]
    assert "\nA: x\n   | C: y\n   |   D: z\nB: that\n   | \n</options" in user


fragments = st.sampled_from(
    ["\n", "\r", "\x85", "C: ", "<|", "</question-", "0f3a5b7c9d1e2f40", ">\n", '<analysis-0f3a5b7c9d1e2f40 id="A1">']
)
texts = st.lists(fragments | st.text(max_size=8), max_size=8).map("".join)


@given(text=texts, options=st.lists(texts, min_size=2, max_size=4), analyses=st.lists(texts, max_size=3))
def test_any_text_stays_in_its_block(text: str, options: list[str], analyses: list[str]) -> None:
    """Whatever the data, the blocks are those of the task, and the server of recorded models reads the same."""
    task = replace(MERGER, text=text, options=tuple(options), analyses=tuple(analyses))
    messages = messages_of(task, PLAIN, alone=False)
    found = sections(messages, PLAIN.reminder)
    assert [block.name for block in found] == ["question", "options", *["analysis"] * len(analyses)]
    assert [block.text for block in found if block.name != "options"] == [visible(t) for t in (text, *analyses)]
    assert letters_in(found[1].text) == LETTERS[: len(options)]
    blocks = read_prompt("\n".join(message.content for message in messages)).blocks
    assert [text for texts in blocks.values() for text in texts] == [block.text for block in found]


@pytest.mark.parametrize(
    ("task", "properties"),
    [
        (ANALYST, {"analysis": {"type": "string"}, "answer": {"type": "string", "enum": ["A", "B"]}}),
        (MERGER, {"analysis": {"type": "string"}, "answer": {"type": "string", "enum": ["A", "B"]}}),
        (NUMBER, {"analysis": {"type": "string"}, "answer": {"type": "string"}}),
        (DISPATCHER, {"sub_questions": {"type": "array", "items": {"type": "string"}}}),
    ],
    ids=["analyst", "merger", "number", "dispatcher"],
)
def test_the_form_of_a_reply_is_one_that_strict_mode_takes(task: Task, properties: dict[str, Any]) -> None:
    """Every property is required, no other is allowed, and reasons come before the answer."""
    schema = schema_of(task)
    assert schema == {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    assert list(schema["properties"]) == list(properties)
