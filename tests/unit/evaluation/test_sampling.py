"""Seeded samples and orders of questions."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import UsageError
from streams.evaluation.ordering import permuted
from streams.evaluation.sampling import Sampling, parse_sampling, sample


def _lines(count: int) -> list[dict[str, str]]:
    return [{"question_id": f"q{n}", "subject": f"s{n % 12}", "text": "x" * (n * 7 % 100 + 1)} for n in range(count)]


def test_the_papers_subjects() -> None:
    """Ten subjects are drawn, thirty questions from each, in the order of the file."""
    drawn = sample(_lines(600), parse_sampling("paper-subjects"), 42)
    assert Counter(Counter(line["subject"] for line in drawn).values()) == {30: 10}
    numbers = [int(line["question_id"][1:]) for line in drawn]
    assert numbers == sorted(numbers)


def test_the_papers_lengths() -> None:
    """From each third of the questions by length a hundred are drawn."""
    lines = _lines(600)
    ranked = sorted(lines, key=lambda line: (len(line["text"]), line["question_id"]))
    third = {line["question_id"]: place // 200 for place, line in enumerate(ranked)}
    drawn = sample(lines, parse_sampling("paper-lengths"), 42)
    assert Counter(third[line["question_id"]] for line in drawn) == {0: 100, 1: 100, 2: 100}


def test_a_sample_depends_on_seed_and_ids_alone() -> None:
    """The same seed draws the same ids, whatever the order of the file; another seed draws others."""
    lines = _lines(200)
    drawn = {line["question_id"] for line in sample(lines, Sampling("random", 1, 50), 42)}
    assert drawn == {line["question_id"] for line in sample(lines[::-1], Sampling("random", 1, 50), 42)}
    assert drawn != {line["question_id"] for line in sample(lines, Sampling("random", 1, 50), 43)}


@pytest.mark.parametrize("text", ["0", "subjects", "subjects:ax3", "lengths:3x0", "paper-x", "x:1x1"])
def test_a_sampling_that_is_none(text: str) -> None:
    """A sampling that cannot be read is refused with those there are."""
    with pytest.raises(UsageError, match="no sampling"):
        parse_sampling(text)


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 6)), st.integers(1, 8), st.integers(1, 8))
def test_a_sample_that_the_data_cannot_give_is_refused_with_those_they_can(
    sizes: dict[str, int], groups: int, each: int
) -> None:
    """Each one that the remedy names can be drawn."""
    lines = [
        {"question_id": f"{subject}/{number}", "subject": subject, "text": "x"}
        for subject, size in sizes.items()
        for number in range(size)
    ]
    if sum(size >= each for size in sizes.values()) >= groups:
        assert len(sample(lines, Sampling("subjects", groups, each), 42)) == groups * each
        return
    with pytest.raises(UsageError) as raised:
        sample(lines, Sampling("subjects", groups, each), 42)
    named = re.findall(r"subjects:\d+x\d+", raised.value.remedy or "")
    assert bool(named) == bool(sizes)
    for text in named:
        possible = parse_sampling(text)
        assert len(sample(lines, possible, 42)) == possible.groups * possible.each > 0


@given(st.lists(st.text(min_size=1), unique=True, max_size=40), st.integers(0), st.integers(1, 50))
def test_an_order_is_a_permutation(keys: list[str], seed: int, order: int) -> None:
    """Every question comes once, and an order of a part of the questions is that part of the order of all."""
    whole = permuted(keys, keys, seed=seed, order=order)
    assert sorted(whole) == sorted(keys)
    part = keys[::2]
    assert permuted(part, part, seed=seed, order=order) == [key for key in whole if key in part]


def test_an_order_never_changes() -> None:
    """Seed 42 orders ten questions as it did when evaluations were first published."""
    keys = [str(n) for n in range(10)]
    assert permuted(keys, keys, seed=42, order=1) == list("2048576913")
    assert permuted(keys, keys, seed=42, order=2) != list("2048576913")
