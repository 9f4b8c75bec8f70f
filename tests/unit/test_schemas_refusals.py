"""Refused records, with the wrong field and the remedy."""

import json
from typing import Any

import pytest

from schemas.canonical import strict_json
from schemas.registry import decode

from ..worlds import question
from .records import ANALYSES, FEEDBACK, QUESTIONS, asked, refusal, says

REFUSED_QUESTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no options": ({"options": []}, r"options: 0 given, a choice needs 2 to 26.*answer_type"),
    "one option": ({"options": ["a"]}, r"options: 1 given, a choice needs 2 to 26"),
    "27 options": ({"options": ["a"] * 27}, r"options: .*at most 26"),
    "empty option": ({"options": ["a", ""]}, r"options\.1: .*at least 1 character"),
    "option is a number": ({"options": ["a", 1]}, r"options\.1: .*valid string"),
    "options are text": ({"options": "ab"}, r"options: .*valid array"),
    "options are an object": ({"options": {"A": "a"}}, r"options: .*valid array"),
    "number with options": ({"answer_type": "number"}, r'options: .*answer_type "number" has none'),
    "unknown answer type": ({"answer_type": "essay"}, r"answer_type: .*'choice' or 'number'"),
    "empty text": ({"text": ""}, r"text: .*at least 1 character"),
    "text is a number": ({"text": 7}, r"text: .*valid string"),
    "text is null": ({"text": None}, r"text: .*valid string"),
    "subject is all": ({"subject": "*"}, r"subject: '\*' stands for all subjects; leave the subject out"),
    "empty id": ({"question_id": ""}, r"question_id: "),
    "id is a number": ({"question_id": 7}, r"question_id: .*valid string"),
    "id too long": ({"question_id": "q" * 201}, r"question_id: .*at most 200"),
    "id with space before": ({"question_id": " q"}, r"question_id: "),
    "id with space after": ({"question_id": "q "}, r"question_id: "),
    "id with line break": ({"question_id": "q\nr"}, r"question_id: "),
    "id ends in line break": ({"question_id": "q\n"}, r"question_id: "),
    "id with escape": ({"question_id": "q\x1b[31m"}, r"question_id: "),
    "id with delete": ({"question_id": "q\x7f"}, r"question_id: "),
    "id with tab": ({"question_id": "q\tr"}, r"question_id: "),
    "gold": ({"gold": "A"}, r"gold: unknown field; publish it as feedback"),
    "unknown field": ({"optoins": ["a", "b"]}, r"optoins: unknown field"),
    "another kind": (
        {"kind": "decision.made.v1"},
        r"kind: orch.questions holds question.asked.v1, not 'decision.made.v1'",
    ),
    "kind is a number": ({"kind": 1}, r"kind: orch.questions holds"),
    "foreign id": ({"event_id": "0" * 64}, r"event_id 0{64} is not the hash of the content, which is [0-9a-f]{64}"),
    "id in capitals": ({"event_id": "A" * 64}, r"event_id: "),
    "id too short": ({"event_id": "ab"}, r"event_id: "),
    "cause is no id": ({"causes": ["x"]}, r"causes\.0: "),
    "31 February": ({"occurred_at": "2026-02-31T00:00:00Z"}, r"occurred_at: "),
    "31 February in full": ({"occurred_at": "2026-02-31T00:00:00.000Z"}, r"occurred_at: "),
    "time without offset": ({"occurred_at": "2026-01-01T00:00:00"}, r"occurred_at: .*has no offset: end it with Z"),
    "date alone": ({"occurred_at": "2026-01-01"}, r"occurred_at: .*has no offset"),
    "no time": ({"occurred_at": "yesterday"}, r"occurred_at: "),
    "time is true": ({"occurred_at": True}, r"occurred_at: .*valid string"),
    "time is a list": ({"occurred_at": [2026]}, r"occurred_at: .*valid string"),
    "time out of range": ({"occurred_at": 10**15}, r"occurred_at: .*outside the years 1 to 9999"),
}


@pytest.mark.parametrize("case", REFUSED_QUESTIONS)
def test_refused_question_names_the_field(case: str) -> None:
    """What is wrong with a question is said with the field it is wrong in."""
    changes, message = REFUSED_QUESTIONS[case]
    error = refusal(QUESTIONS, asked(**changes))
    assert error.reason == "invalid"
    says(message, error)


REFUSED_BYTES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", r"not JSON"),
    "half": (b'{"question_id":', r"not JSON"),
    "two objects": (b"{} {}", r"not JSON: Extra data"),
    "comment": (b"{} // so", r"not JSON"),
    "trailing comma": (b'{"a":1,}', r"not JSON"),
    "single quotes": (b"{'a':1}", r"not JSON"),
    "raw line break in text": (b'{"a":"\n"}', r"not JSON"),
    "list": (b"[]", r"a JSON list, where an object belongs"),
    "text": (b'"q"', r"a JSON str, where an object belongs"),
    "number": (b"7", r"a JSON int, where an object belongs"),
    "null": (b"null", r"a JSON NoneType, where an object belongs"),
    "true": (b"true", r"a JSON bool, where an object belongs"),
    "byte order mark": (b"\xef\xbb\xbf" + asked(), r"BOM"),
    "latin-1": ("é".encode("latin-1"), r"not UTF-8 at byte 0"),
    "utf-16": (asked().decode().encode("utf-16"), r"not UTF-8 at byte 0"),
    "overlong": (b'{"a":"\xc0\xaf"}', r"not UTF-8 at byte 6"),
    "raw surrogate": (b'{"a":"\xed\xa0\x80"}', r"not UTF-8 at byte 6"),
    "escaped surrogate": (asked(text="x").replace(b'"x"', b'"\\ud800"'), r"surrogates not allowed"),
    "surrogate in a key": (b'{"\\udfff":1}', r"surrogates not allowed"),
    "float": (asked(text=1.5), r"1\.5 is not an integer"),
    "whole float": (asked(text=1.0), r"1\.0 is not an integer"),
    "float far inside": (asked(a=[{"b": 0.1}]), r"0\.1 is not an integer"),
    "huge float": (b'{"a":1e400}', r"1e400 is not an integer"),
    "exponent": (b'{"a":1E2}', r"1E2 is not an integer"),
    "NaN": (b'{"a":NaN}', r"NaN is not an integer"),
    "infinity": (b'{"a":Infinity}', r"Infinity is not an integer"),
    "minus infinity": (b'{"a":-Infinity}', r"-Infinity is not an integer"),
    "2^53": (b'{"a":9007199254740992}', r"53-bit"),
    "-2^53": (b'{"a":-9007199254740992}', r"53-bit"),
    "5,000 digits": (b'{"a":' + b"9" * 5_000 + b"}", r"digits"),
    "key twice": (b'{"a":1,"a":1}', r"duplicate key 'a'"),
    "key twice, spelled apart": (b'{"a":1,"\\u0061":2}', r"duplicate key 'a'"),
    "key twice inside": (b'{"x":[{"a":1,"a":2}]}', r"duplicate key 'a'"),
    "300 deep": (b'{"a":' * 300 + b"1" + b"}" * 300, r"(?i)recursion|deep"),
    "100,000 deep": (b"[" * 100_000, r"nested too deeply"),
}


@pytest.mark.parametrize("case", REFUSED_BYTES)
def test_refused_bytes_say_why(case: str) -> None:
    """What parsers disagree about, or no parser takes, is refused at the door."""
    raw, message = REFUSED_BYTES[case]
    error = refusal(QUESTIONS, raw)
    assert error.reason == "invalid"
    says(message, error)


@pytest.mark.parametrize("second", ["Else?", "What is q?"], ids=["another value", "the same value"])
def test_duplicate_key_is_refused_in_an_event_of_our_own(second: str) -> None:
    """The quick way for canonical records does not overlook a key that is there twice."""
    raw = question().encode()[:-1] + f',"text":"{second}"}}'.encode()
    assert "duplicate key 'text'" in str(refusal(QUESTIONS, raw))


@pytest.mark.parametrize("spelling", ["-0", "00", "+1", "0x1", "1_000"])
def test_other_spellings_of_integers(spelling: str) -> None:
    """An integer that JSON spells otherwise is no JSON; minus zero is zero."""
    raw = f'{{"a":{spelling}}}'.encode()
    if spelling == "-0":
        assert strict_json(raw) == {"a": 0}
    else:
        with pytest.raises(ValueError, match="not JSON"):
            strict_json(raw)


def analysed(**changes: Any) -> bytes:
    """Write an analysis with some fields changed."""
    fields = {
        "occurred_at": "2026-01-01T00:00:00.000Z",
        "question_id": "q",
        "agent": "a",
        "stage": 0,
        "role": "analyst",
        "status": "ok",
        "text": "",
        "attempts": [{"outcome": "ok", "latency_ms": 1}],
        "latency_ms": 1,
    }
    return json.dumps(fields | changes).encode()


REFUSED_ANALYSES: dict[str, tuple[dict[str, Any], str]] = {
    "bool for int": ({"stage": True}, r"stage: .*valid integer"),
    "text for int": ({"stage": "0"}, r"stage: .*valid integer"),
    "negative": ({"latency_ms": -1}, r"latency_ms: .*greater than or equal to 0"),
    "too long": ({"latency_ms": 10**9 + 1}, r"latency_ms: .*less than or equal"),
    "too dear": (
        {"attempts": [{"outcome": "ok", "latency_ms": 1, "cost_nusd": 10**12 + 1}]},
        r"attempts\.0\.cost_nusd: .*less than or equal",
    ),
    "too many attempts": ({"attempts": [{"outcome": "ok", "latency_ms": 1}] * 101}, r"attempts: .*at most 100"),
    "unknown role": ({"role": "judge"}, r"role: "),
    "no attempt": ({"attempts": []}, r"attempts: .*at least 1"),
    "unknown field inside": (
        {"attempts": [{"outcome": "ok", "latency_ms": 1, "x": 1}]},
        r"attempts\.0\.x: unknown field",
    ),
    "agent with a space": ({"agent": "a b"}, r"agent: "),
    "agent starts with a slash": ({"agent": "/a"}, r"agent: "),
    "agent too long": ({"agent": "a" * 129}, r"agent: "),
    "time without an offset": ({"occurred_at": "2026-01-01T00:00:00"}, r"occurred_at: .*no offset"),
    "time with a line break": ({"occurred_at": "2026-01-01T00:00:00.000Z\n"}, r"occurred_at: "),
    "month 13": ({"occurred_at": "2026-13-01T00:00:00.000Z"}, r"occurred_at: "),
    "31 February": ({"occurred_at": "2026-02-31T00:00:00.000Z"}, r"occurred_at: "),
    "year 0": ({"occurred_at": "0000-01-01T00:00:00.000Z"}, r"occurred_at: "),
    "digits of another script": ({"occurred_at": "٢٠٢٦-01-01T00:00:00.000Z"}, r"occurred_at: "),
}


@pytest.mark.parametrize("case", REFUSED_ANALYSES)
def test_refused_analysis_names_the_field(case: str) -> None:
    """A worker's record is read as strictly as a producer's."""
    changes, message = REFUSED_ANALYSES[case]
    says(message, refusal(ANALYSES, analysed(**changes)))


def test_analysis_is_taken_as_it_stands() -> None:
    """The analysis that the cases above change is a valid one."""
    assert decode(ANALYSES, analysed(), timestamp_ms=0).kind == "analysis.published.v1"


@pytest.mark.parametrize(
    "statement", [{}, {"answer": "A", "verdict": "right"}, {"answer": ""}, {"verdict": "maybe"}], ids=str
)
def test_feedback_says_one_thing(statement: dict[str, str]) -> None:
    """Feedback gives either the right answer or a verdict."""
    refusal(FEEDBACK, json.dumps({"question_id": "q", "source": "gold", **statement}).encode())


def test_feedback_that_says_both_is_told_so() -> None:
    """The message of a double statement has the remedy."""
    raw = b'{"question_id": "q", "source": "gold", "answer": "A", "verdict": "right"}'
    says("give either answer .* or verdict", refusal(FEEDBACK, raw))


def test_many_problems_are_counted() -> None:
    """The first three problems are told, the others counted."""
    text = str(refusal(QUESTIONS, b'{"a":1,"b":2,"c":3}'))
    assert text == "question_id: Field required; text: Field required; a: unknown field; and 2 more"
