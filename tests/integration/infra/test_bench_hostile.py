"""Benchmark of hostile texts: texts, rules, figures."""

from pathlib import Path

import pytest

from infra.bench import hostile
from infra.bench.figures import Sizes
from infra.bench.hostile import CASES, QUESTIONS, measure, merge_seconds
from infra.bench.hostile_texts import CHARACTERS, HostileText, hostile_texts
from streams.processors import ballot


def test_texts_have_their_size_and_differ() -> None:
    """Each text fills what a reader looks at, and no text of one variant is one of another."""
    first, second = hostile_texts(0), hostile_texts(1)
    assert all(len(one.answer or one.text) == CHARACTERS for one in first.values())
    assert first.keys() == second.keys()
    assert not {*first.values()} & {*second.values()}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_rule_reads_the_text(case: hostile.HostileCase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under each rule every kind of question is decided, and the hostile text is read once, in however many stages."""
    for question in QUESTIONS:
        read: list[str] = []
        monkeypatch.setattr(ballot, "_read", _noting(read))
        text = f"{case.name} {question.question_id} " + "x" * 20_000
        assert merge_seconds(case, question, HostileText(text)) > 0
        assert read.count(text) == 1
        monkeypatch.undo()


def _noting(read: list[str]) -> object:
    real = ballot._read

    def noted(extractor: str, text: str, options: object, structured: str | None) -> object:
        read.append(text)
        return real(extractor, text, options, structured)  # type: ignore[arg-type]

    return noted


def test_the_worst_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one figure a rule, with its target and the names of its worst texts."""
    monkeypatch.setattr(hostile, "hostile_texts", lambda run: {"braces": HostileText(f"{run}" + "{" * 100)})
    figures = measure(tmp_path, Sizes(runs=2), lambda steps: None)
    assert [figure.name for figure in figures] == [f"worst text, {case.name}" for case in CASES]
    assert all(figure.target == 0.1 and "braces" in figure.note for figure in figures)
