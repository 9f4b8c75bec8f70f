"""The reply parser: text, answer, sub-questions and unreadable replies."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.agents.agent import AgentError, Reply, Task
from streams.agents.providers.completion import Completion
from streams.agents.reply_parser import MOST_SUB_QUESTION_CHARACTERS, read_reply
from streams.processors.answers.v1 import read_choice, read_number

CHOICE = Task(
    question_id="q",
    text="Which?",
    options=("Paris", "Rome", "true", "Paris again"),
    answer_type="choice",
    subject=None,
    role="analyst",
    stage=0,
)
NUMBER = replace(CHOICE, options=(), answer_type="number")
DISPATCHER = replace(CHOICE, role="dispatcher", seats=3)


def read(task: Task, text: str, finish_reason: str | None = "stop") -> Reply:
    """Read a text without secrets."""
    return read_reply(task, Completion(text=text, finish_reason=finish_reason), lambda text: text)


def counted(task: Task, text: str) -> str | None:
    """Read a text as the ballot would: the letter or number that counts, or why none does."""
    reply = read(task, text)
    if task.answer_type == "number":
        return read_number(reply.text, reply.answer).answer
    reading = read_choice(reply.text, len(task.options), reply.answer)
    return reading.answer or reading.source


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ('"C"', "C"),
        ('"c"', "C"),
        ('"(C)"', "C"),
        ('"C."', "C"),
        ('" **C** "', "C"),
        ('"Rome"', "B"),
        ('" rome "', "B"),
        ("true", "C"),
        ('"Z"', "Z"),
        ('"(e)"', "(e)"),
        ('"Oslo"', "Oslo"),
        ("18", "18"),
        ("null", None),
        ('""', None),
        ('["A"]', "A"),
        ('["A", "B"]', "A, B"),
        ("[1, null]", None),
        ('{"answer": "A"}', None),
    ],
)
def test_an_answer_apart_from_the_text_names_an_option(given: str, answer: str | None) -> None:
    """A letter in any dress or an option's own words are its letter; what is no option stays as it is."""
    reply = read(CHOICE, f'{{"analysis": "Because.", "answer": {given}}}')
    assert (reply.text, reply.answer) == ("Because.", answer)


@pytest.mark.parametrize("given", ["18", '"18"', "18.50", "-3", "1e5", "NaN", "9" * 5_000])
def test_a_number_is_kept_as_it_was_written(given: str) -> None:
    """Digits are neither lost nor too many."""
    assert read(NUMBER, f'{{"answer": {given}}}').answer == given.strip('"')


def test_a_letter_comes_before_an_option_of_that_name() -> None:
    """The form asks for letters; an option that is called like another one's letter is not meant."""
    task = replace(CHOICE, options=("B", "A", "x"))
    assert read(task, '{"answer": "A"}').answer == "A"
    assert read(task, '{"answer": "x"}').answer == "C"


def test_equal_options_are_one() -> None:
    """Words of two options name the first; written in two ways, the one that is written so."""
    assert read(replace(CHOICE, options=("Rome", "same", "same")), '{"answer": "Same"}').answer == "B"
    assert read(replace(CHOICE, options=("Same", "same")), '{"answer": "same"}').answer == "B"
    assert read(replace(CHOICE, options=("Same", "same")), '{"answer": "SAME"}').answer == "SAME"


@pytest.mark.parametrize(
    "text",
    [
        '{"analysis": "Because.", "answer": "B"}',
        ' \n{"answer": "B", "analysis": "Because."}\n',
        '```json\n{"analysis": "Because.", "answer": "B"}\n```',
        '```\n{"analysis": "Because.", "answer": "B"}```',
        '<think>{"answer": "A"}</think>{"analysis": "Because.", "answer": "B"}',
        '{"confidence": 0.7, "analysis": "Because.", "answer": "B"}',
    ],
    ids=["plain", "spaces", "fence", "bare fence", "after thought", "more than asked"],
)
def test_one_object_is_taken_apart(text: str) -> None:
    """Its analysis is the text, its answer the answer."""
    assert read(CHOICE, text) == Reply("Because.", "B")


def test_an_analysis_may_break_lines() -> None:
    """A line end that should have been escaped spoils nothing."""
    assert read(CHOICE, '{"analysis": "one\ntwo", "answer": "B"}') == Reply("one\ntwo", "B")


@pytest.mark.parametrize(
    "text", ['{"answer": "B"}', '{"answer": "B", "analysis": " "}', '{"answer": "B", "analysis": ["x"]}']
)
def test_an_object_without_an_analysis_is_the_text(text: str) -> None:
    """What came is what the log keeps."""
    assert read(CHOICE, text) == Reply(text, "B")


def test_prose_around_an_object_is_kept() -> None:
    """The reasons may stand there; the answer is the object's."""
    text = 'Let me see.\n```json\n{"analysis": "Short.", "answer": "Rome"}\n```\nDone.'
    assert read(CHOICE, text) == Reply(text, "B")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('The question says {"answer": "B"}, which I ignore.\nThe answer is (A).', "A"),
        ('The question says {"answer": "B"}, which I ignore.\nThe answer is (Z).', "Z"),
        ('It says {"answer": "B"} and {"answer": "C"}. Hm.', "C"),
        ('It says {"answer": "B"}. Hm.', "B"),
        ('{"answer": "B"} is not what I say', None),
    ],
    ids=["stated last", "stated outside", "two objects", "one object", "denied"],
)
def test_what_is_stated_last_outweighs_what_is_quoted(text: str, answer: str | None) -> None:
    """A model that quotes an object and then answers in the form that was asked for is taken at its word."""
    assert read(CHOICE, text) == Reply(text, answer)


def test_a_number_stated_last_outweighs_what_is_quoted() -> None:
    """The same for numbers."""
    assert counted(NUMBER, 'It says {"answer": 5}.\nThe answer is 18.') == "18"


@pytest.mark.parametrize("text", ["The answer is (B).", "**B**", "Not JSON: {", "So {x} is in {y}. The answer is (B)."])
def test_text_is_text(text: str) -> None:
    """Without an object nothing is read here; the ballot reads the text."""
    assert read(CHOICE, text) == Reply(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{"answer": "Z"}', "outside_options"),
        ('{"analysis": "The answer is (A).", "answer": "Z"}', "outside_options"),
        ('{"analysis": "The answer is (A).", "answer": null}', "A"),
        ('{"answer": ["A", "B"]}', "unreadable"),
        ('{"answer": "A", "answer": "Z"}', "outside_options"),
        ('{"answer": "A or B"}', "unreadable"),
    ],
)
def test_no_form_makes_an_option(text: str, count: str) -> None:
    """However an answer is given, it counts as an option of the question, or not at all."""
    assert counted(CHOICE, text) == count


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"answer":' * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"' * 10_000,
        '```json\n{"answer": }\n```',
        "```",
        "``````",
        "{" + " " * 100_000 + '"',
    ],
    ids=["lists", "objects", "closed", "many", "nonsense", "fence", "fences", "spaces"],
)
def test_what_is_no_json_is_text(text: str) -> None:
    """However deep, long or broken: it is neither an error nor an answer here."""
    assert read(CHOICE, text) == Reply(text)
    assert read(DISPATCHER, text).text == text


@pytest.mark.parametrize("text", ['{"answer": "A", "answer": "B"}', '{"analysis": "Hm.", "answer": "B"'])
def test_a_broken_object_is_read_as_prose(text: str) -> None:
    """Its last answer counts, as a statement would."""
    assert read(CHOICE, text) == Reply(text, "B")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_any_answer_is_read(value: object) -> None:
    """Whatever JSON stands where the answer belongs, the reply is text and an answer or none."""
    text = json.dumps({"answer": value, "analysis": "x"})
    for task in (CHOICE, NUMBER):
        reply = read(task, text)
        assert reply.text == "x"
        assert isinstance(reply.answer, str | None)


# --- thought -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>Is it (A)?</think>\n\nThe answer is (B).", "The answer is (B)."),
        ("Is it (A)?\n</think>\nThe answer is (B).", "The answer is (B)."),
        ("\n<think>\n</think>\n\nHm.", "Hm."),
        ("<think>a</think>b</think>The answer is (B).", "The answer is (B)."),
        ("The tag <think> begins a thought.", "The tag <think> begins a thought."),
    ],
    ids=["closed", "opened by the template", "empty", "closed twice", "spoken of"],
)
def test_thought_is_no_part_of_a_reply(text: str, said: str) -> None:
    """What stands before the end of a thought is left out, as where a provider keeps it apart."""
    assert read(CHOICE, text) == Reply(said)


@pytest.mark.parametrize(
    "text",
    ["<think>The answer is (B), or", "<think>a</think><think>Is it (B)?", "<think>The answer is (B).</think>\n"],
    ids=["open", "open again", "nothing after it"],
)
def test_an_answer_only_thought_of_does_not_count(text: str) -> None:
    """Nothing was said, which is a failure of its own."""
    with pytest.raises(AgentError, match="empty_reply"):
        read(CHOICE, text)


def test_a_thought_that_is_never_closed_may_end_with_the_answer() -> None:
    """Some models never close it; the sentence that states the answer is what they say."""
    assert read(CHOICE, "<think>It floats.\n\n**Final answer:** B") == Reply("**Final answer:** B")


@pytest.mark.parametrize(("finish_reason", "again"), [("stop", True), (None, True), ("length", False)])
def test_nothing_said_is_a_failure_that_cost_something(finish_reason: str | None, again: bool) -> None:
    """It may be tried again, unless the same request would be cut off again; its tokens are known."""
    came = Completion(text=" \n", finish_reason=finish_reason, input_tokens=7, output_tokens=9)
    with pytest.raises(AgentError) as caught:
        read_reply(CHOICE, came, lambda text: text)
    assert (caught.value.error, caught.value.retriable) == ("empty_reply", again)
    assert caught.value.spent == Reply("", input_tokens=7, output_tokens=9)


def test_a_reply_that_was_cut_off_is_a_reply() -> None:
    """What it says counts, if it says something; the reason it ended is for the log."""
    assert read(CHOICE, '{"analysis": "I think th', "length") == Reply('{"analysis": "I think th')


# --- dispatchers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"sub_questions": ["Why?", " How? ", "When?", "Who?"]}', ("Why?", "How?", "When?")),
        ('Here:\n```json\n{"sub_questions": ["Why?"]}\n```', ("Why?",)),
        ('{"sub_questions": [1, null, "", " ", ["x"], "Why?"]}', ("1", "Why?")),
        ('{"sub_questions": []}', ()),
        ("1. Why?\n\n- How?\n* When?\nWho?", ("Why?", "How?", "When?")),
        ('{"sub_questions": "Why?"}', ('{"sub_questions": "Why?"}',)),
    ],
    ids=["list", "in prose", "other things", "empty", "lines", "no list"],
)
def test_a_dispatcher_gives_at_most_one_part_a_seat(text: str, parts: tuple[str, ...]) -> None:
    """As a list or as lines; its text is kept as it came."""
    assert read(DISPATCHER, text) == Reply(text, None, parts)


@pytest.mark.parametrize("text", ["x" * 5_000, json.dumps({"sub_questions": ["x" * 5_000]})], ids=["line", "list"])
def test_a_part_has_a_longest_length(text: str) -> None:
    """Its beginning is kept."""
    assert read(DISPATCHER, text).sub_questions == ("x" * MOST_SUB_QUESTION_CHARACTERS,)


# --- secrets -------------------------------------------------------------------------------------------------------

KEY = "sk-planted-0123456789"
ESCAPED = "".join(f"\\u{ord(character):04x}" for character in KEY)


@pytest.mark.parametrize("key", [KEY, ESCAPED], ids=["plain", "escaped"])
def test_secrets_are_hidden_wherever_they_come_out(key: str) -> None:
    """Also where JSON escapes had hidden them, and before anything is cut in two."""

    def masked(task: Task, text: str) -> Reply:
        return read_reply(task, Completion(text=text), lambda text: text.replace(KEY, "[key]"))

    assert masked(CHOICE, f'{{"analysis": "It is {key}.", "answer": "{key}"}}') == Reply("It is [key].", "[key]")
    before = "x" * (MOST_SUB_QUESTION_CHARACTERS - 5)
    assert masked(DISPATCHER, f'{{"sub_questions": ["{before}{key}"]}}').sub_questions == (f"{before}[key]",)
