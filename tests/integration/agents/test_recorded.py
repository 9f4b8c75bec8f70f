"""Recorded outputs: reading their files and playing them back."""

import gzip
import io
import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.agents import RecordedAgent
from streams.agents.agent import AgentError, Reply, Task, read_sub_questions
from streams.agents.calls.retry import drive
from streams.agents.recorded import RecordedOutput, RecordedOutputs, RecordedPlayer, read_outputs

SPEC = RecordedAgent(name="agent", model="m")


def written(*lines: dict[str, Any] | str) -> io.BytesIO:
    """Write lines as a file would hold them."""
    return io.BytesIO("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode())


def line(question_id: str = "q", model: str = "m", text: str = "t", **more: Any) -> dict[str, Any]:
    """Make one output line."""
    return {"question_id": question_id, "model": model, "text": text, **more}


def reasons(outputs: RecordedOutputs) -> list[tuple[int, str]]:
    """Give number and reason of each problem."""
    return [(problem.line, problem.reason) for problem in outputs.problems]


def played(
    outputs: RecordedOutputs, question_id: str, role: Literal["analyst", "dispatcher", "merger"] = "analyst"
) -> Reply:
    """Ask the recorded agent."""
    task = Task(
        question_id=question_id, text="?", options=("a", "b"), answer_type="choice", subject=None, role=role, stage=0
    )
    return drive(RecordedPlayer(SPEC, outputs.by_model["m"]).reply(task))


def test_outputs_are_kept_by_model_and_question() -> None:
    """Every model found has its outputs by question, from all files together, in the order met."""
    outputs = read_outputs([written(line("q1"), line("q1", "n")), written(line("q2", answer="B", latency_ms=5))])
    assert list(outputs.by_model) == ["m", "n"]
    assert outputs.by_model["m"] == {
        "q1": RecordedOutput("t", None, None, None, None, None),
        "q2": RecordedOutput("t", "B", 5, None, None, None),
    }
    assert outputs.problems == []


def test_gzip_is_known_by_its_content() -> None:
    """A compressed file is read whatever it is called."""
    assert list(read_outputs([io.BytesIO(gzip.compress(written(line()).getvalue()))]).by_model) == ["m"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line(gold="A"), "gold: unknown field; a line may hold answer, cost_nusd, input_tokens, latency_ms, model"),
        ({"model": "m", "text": "t"}, "question_id: missing, or not a text"),
        (line(model=""), "model: missing, or not a text"),
        ({"question_id": "q", "model": "m"}, "text: missing, or not a text"),
        (line(answer=18), 'answer: not a text; write a number as "18"'),
        (line(latency_ms=-1), "latency_ms: -1 is not an integer from 0 to 1000000000"),
        (line(input_tokens=True), "input_tokens: True is not an integer"),
        (line(latency_ms=1.5), "latency_ms: 1.5 is not an integer"),
        ("[1]", "a JSON list, where an object belongs"),
        ("{", "not JSON"),
        ('{"text": "\\ud800"}', "no canonical JSON"),
    ],
)
def test_a_bad_line_is_reported_and_passed_over(bad: dict[str, Any] | str, reason: str) -> None:
    """A line that breaks a rule is a problem with its number; the lines around it are kept."""
    outputs = read_outputs([written(line("before"), bad, line("after"))])
    assert list(outputs.by_model["m"]) == ["before", "after"]
    ((number, found),) = reasons(outputs)
    assert (number, found[: len(reason)]) == (2, reason)


@given(st.lists(st.sampled_from(["good", "bad", "blank"]), max_size=30))
def test_problems_have_the_numbers_of_their_lines(kinds: list[str]) -> None:
    """However good, bad and blank lines are mixed, the good ones pass and the bad ones are reported by number."""
    content = {"bad": "nonsense", "blank": ""}
    outputs = read_outputs(
        [written(*(content.get(kind) or "" if kind != "good" else line(f"q{n}") for n, kind in enumerate(kinds, 1)))]
    )
    assert [number for number, _ in reasons(outputs)] == [n for n, kind in enumerate(kinds, 1) if kind == "bad"]
    assert list(outputs.by_model.get("m", {})) == [f"q{n}" for n, kind in enumerate(kinds, 1) if kind == "good"]


def test_the_same_output_twice_is_ignored() -> None:
    """A repeated line changes nothing and is no problem."""
    outputs = read_outputs([written(line(), line(answer=None))])
    assert (len(outputs.by_model["m"]), outputs.problems) == (1, [])


def test_a_second_output_that_differs_is_a_problem() -> None:
    """Of two different outputs of a model for one question the first counts; the other is reported."""
    outputs = read_outputs([written(line(text="first"), line(text="second"))])
    assert outputs.by_model["m"]["q"].text == "first"
    assert reasons(outputs) == [(2, "'m' has another output for 'q' before this line; the first one counts")]


def test_an_output_is_played_back_whole() -> None:
    """Text, answer, usage and cost of the recording are the reply; a latency nobody recorded is none."""
    outputs = read_outputs([written(line("q", answer="B", input_tokens=3, output_tokens=4, cost_nusd=5), line("r"))])
    assert played(outputs, "q") == Reply("t", "B", (), 0, 3, 4, 5)
    assert played(outputs, "r") == Reply("t", None, (), 0)


def test_what_was_not_recorded_is_an_error_that_stays() -> None:
    """A question without an output fails at once, and is not asked again."""
    with pytest.raises(AgentError) as caught:
        played(read_outputs([written(line())]), "other")
    assert (caught.value.error, caught.value.retriable, caught.value.latency_ms) == ("not_recorded", False, 0)


def test_other_roles_have_outputs_of_their_own() -> None:
    """A dispatcher and a merger find theirs under the question id and their role."""
    outputs = read_outputs([written(line("q#dispatcher", text="1. One?\n2. Two?"), line("q#merger", text="(B)"))])
    assert played(outputs, "q", "dispatcher").sub_questions == ("One?", "Two?")
    assert played(outputs, "q", "merger").text == "(B)"
    with pytest.raises(AgentError, match="not_recorded"):
        played(outputs, "q")


def test_sub_questions_are_lines_without_marks() -> None:
    """Numbers and bullets in front of a sub-question are no part of it; a number that starts one is."""
    text = "1. First?\n\n (2) Second?\n- Third?\n* Fourth?\n\u2022 Fifth?\n10) Sixth?\n3 apples or 4?"
    assert read_sub_questions(text) == ("First?", "Second?", "Third?", "Fourth?", "Fifth?", "Sixth?", "3 apples or 4?")
