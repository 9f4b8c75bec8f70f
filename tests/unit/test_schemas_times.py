"""Instants: canonical form, accepted forms and arithmetic."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.quantities import instant_of_ms, later, ms_of_instant, normal_instant

from ..strategies import FIRST_MS, LAST_MS, instants

unix_ms = st.integers(FIRST_MS, LAST_MS)


@given(unix_ms)
@example(FIRST_MS)
@example(LAST_MS)
@example(-1)
@example(0)
def test_instants_round_trip(ms: int) -> None:
    """Over the years 1 to 9999, an instant names its millisecond and no other."""
    assert ms_of_instant(instant_of_ms(ms)) == ms


@given(unix_ms)
def test_instants_agree_with_datetime(ms: int) -> None:
    """The text is RFC 3339 with three decimals, as the standard library writes it."""
    at = datetime.fromisoformat(instant_of_ms(ms))
    assert f"{at:%M:%S}" in instant_of_ms(ms)
    assert at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") == instant_of_ms(ms)


@given(unix_ms, unix_ms)
def test_order_of_text_is_order_of_time(first: int, second: int) -> None:
    """Comparing the text of two instants compares their times."""
    assert (instant_of_ms(first) < instant_of_ms(second)) == (first < second)


def test_known_instants() -> None:
    """The ends of the calendar, and the beginning of Unix time."""
    assert instant_of_ms(0) == "1970-01-01T00:00:00.000Z"
    assert instant_of_ms(-1) == "1969-12-31T23:59:59.999Z"
    assert instant_of_ms(FIRST_MS) == "0001-01-01T00:00:00.000Z"
    assert instant_of_ms(LAST_MS) == "9999-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    "ms", [FIRST_MS - 1, LAST_MS + 1, 10**30, -(10**30)], ids=["before", "after", "huge", "minus huge"]
)
def test_time_outside_the_calendar_is_refused(ms: int) -> None:
    """A millisecond before year 1 or after year 9999 has no instant."""
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        instant_of_ms(ms)


@given(instants)
def test_normal_instant_keeps_the_normal_form(instant: str) -> None:
    """What is in the one form stays as it is."""
    assert normal_instant(instant) == instant


@given(unix_ms)
def test_milliseconds_are_a_time(ms: int) -> None:
    """A producer may give milliseconds since 1970."""
    assert normal_instant(ms) == instant_of_ms(ms)


@pytest.mark.parametrize(
    ("given_time", "instant"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T01:30:00+02:00", "2025-12-31T23:30:00.000Z"),
        ("2026-01-01T00:00:00-05:30", "2026-01-01T05:30:00.000Z"),
        ("2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00.100Z"),
        ("2026-01-01T00:00:00.123999Z", "2026-01-01T00:00:00.123Z"),
        ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999Z"),
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000Z"),
        ("2026-01-01 00:00:00Z", "2026-01-01T00:00:00.000Z"),
    ],
)
def test_producers_write_times_in_many_ways(given_time: str, instant: str) -> None:
    """Any offset and any decimals become UTC with milliseconds, cut off and not rounded."""
    assert normal_instant(given_time) == instant


@pytest.mark.parametrize(
    "given_time",
    [
        "2026-01-01T00:00:00",
        "2026-01-01",
        "2026-02-31T00:00:00.000Z",
        "2025-02-29T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:60:00Z",
        "0000-01-01T00:00:00.000Z",
        "0001-01-01T00:00:00+01:00",
        "noon",
        "",
        "1767225600000",
    ],
)
def test_no_time_is_refused(given_time: str) -> None:
    """Text that names no moment is an error."""
    with pytest.raises(ValueError):  # noqa: PT011 (the messages are the standard library's)
        normal_instant(given_time)


@pytest.mark.parametrize("other", [None, True, ["2026"], {}], ids=str)
def test_what_is_neither_text_nor_integer_is_left_to_the_field(other: object) -> None:
    """A wrong type is for the field's own check to refuse."""
    assert normal_instant(other) is other


@given(st.integers(FIRST_MS, 0), st.integers(0, 10**9))
def test_later_adds_milliseconds(ms: int, more: int) -> None:
    """Moving an instant moves its milliseconds."""
    assert ms_of_instant(later(instant_of_ms(ms), more)) == ms + more
