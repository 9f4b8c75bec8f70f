"""Choice of the traces that a process makes."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from streams.instruments.samplers import FixedPart, MostPerSecond

MOST = 16


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def ids(number: int, first: int = 0) -> list[bytes]:
    """Give trace ids, as even as those of questions."""
    return [sha256(b"%d" % one).digest()[:16] for one in range(first, first + number)]


def test_few_traces_are_all_wanted() -> None:
    """Nothing is left out below the limit, and nothing is told."""
    clock = Clock()
    sampler = MostPerSecond(MOST, clock)
    with capture_logs() as said:
        for second in range(20):
            clock.now_s = float(second)
            assert all(sampler.wants(one) for one in ids(MOST - 1, MOST * second))
    assert said == []


def test_who_leaves_traces_out_says_so_once() -> None:
    """The line names the limit and the way to have all."""
    sampler = MostPerSecond(MOST, Clock())
    with capture_logs() as said:
        wanted = [sampler.wants(one) for one in ids(50 * MOST)]
    assert all(wanted[:MOST])
    assert not all(wanted)
    (line,) = said
    assert (line["event"], line["most_per_s"]) == ("traces_thinned", MOST)
    assert "OTEL_TRACES_SAMPLER=always_on" in line["remedy"]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(1, 40))
def test_no_second_has_twice_the_limit(numbers: list[int], most: int) -> None:
    """However many questions come, in whatever second."""
    clock, seen = Clock(), 0
    sampler = MostPerSecond(most, clock)
    for second, number in enumerate(numbers):
        wanted = 0
        for place, one in enumerate(ids(number, seen)):
            clock.now_s = second + place / (number + 1)
            wanted += sampler.wants(one)
        assert wanted <= 2 * most + MOST
        seen += number


def test_the_part_follows_the_questions_of_the_second_before() -> None:
    """Of eight times the limit an eighth is wanted; after a quiet second all are again."""
    clock = Clock()
    sampler = MostPerSecond(MOST, clock)
    for second in range(3):
        for place, one in enumerate(ids(8 * MOST, 1_000 * second)):
            clock.now_s = second + place / (8 * MOST)
            sampler.wants(one)
    clock.now_s = 3.0
    part = FixedPart(1 / 8)
    later = ids(MOST, 5_000)
    assert [sampler.wants(one) for one in later] == [part.wants(one) for one in later]
    clock.now_s = 5.0
    assert all(sampler.wants(one) for one in ids(MOST - 1, 6_000))


@given(st.integers(1, 400), st.integers(1, 400))
def test_the_traces_of_a_busy_process_are_those_of_a_quiet_one_too(quiet: int, busy: int) -> None:
    """So a question's trace that the busy one makes has no gap where the quiet one worked."""
    few, many = sorted((quiet, busy))
    chosen = []
    for number in (few, many):
        clock = Clock()
        sampler = MostPerSecond(MOST, clock)
        for one in ids(number, 10_000):
            sampler.wants(one)
        clock.now_s = 1.0
        # As many as the part is not halved for.
        chosen.append({one for one in ids(MOST - 1) if sampler.wants(one)})
    assert chosen[1] <= chosen[0]
