"""Sub-questions, fixed or written by a dispatcher."""

import pytest

from streams.processors.decompose import FIXED_SUB_QUESTIONS, dispatched_sub_questions, fixed_sub_questions


def test_three_seats_have_three_parts() -> None:
    """A panel of three looks at concept, elimination and consistency, in this order."""
    assert [part.split(":")[0] for part in fixed_sub_questions(3)] == ["Concept", "Elimination", "Consistency"]


def test_more_seats_start_over() -> None:
    """The fourth seat has the first part again."""
    assert fixed_sub_questions(4) == (*FIXED_SUB_QUESTIONS, FIXED_SUB_QUESTIONS[0])


def test_fewer_seats_have_the_first_parts() -> None:
    """One seat has the first part."""
    assert fixed_sub_questions(1) == FIXED_SUB_QUESTIONS[:1]


def test_later_seats_go_on_where_the_earlier_ones_ended() -> None:
    """After two seats the next ones have the third part, and then the first again."""
    assert fixed_sub_questions(2, 2) == (FIXED_SUB_QUESTIONS[2], FIXED_SUB_QUESTIONS[0])


def test_dispatchers_parts_are_used_in_order() -> None:
    """Each seat has the part written for it, without space around it; parts beyond the seats are left."""
    assert dispatched_sub_questions((" one ", "two\n", "three"), 2) == ("one", "two")


@pytest.mark.parametrize("written", [(), ("one",), ("one", " ", "")], ids=["none", "too few", "blank ones"])
def test_fixed_parts_replace_an_incomplete_dispatch(written: tuple[str, ...]) -> None:
    """A dispatcher that wrote fewer parts than there are seats is replaced as a whole."""
    assert dispatched_sub_questions(written, 2) == FIXED_SUB_QUESTIONS[:2]


def test_blank_parts_do_not_count() -> None:
    """What is blank is no part, and does not shift the others out."""
    assert dispatched_sub_questions(("one", "  ", "two"), 2) == ("one", "two")
