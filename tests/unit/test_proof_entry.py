"""Entries: the bytes that a leaf hashes."""

from hypothesis import given
from hypothesis import strategies as st

from streams.audit.proof.content_id import id_problem
from streams.audit.proof.entry import entry
from streams.log import Original

from .. import worlds


def original(
    topic: str, partition: int, offset: int, timestamp: int, key: bytes | None, value: bytes | None, headers: tuple = ()
) -> Original:
    """Build a record."""
    return Original(topic, partition, offset, timestamp, "CreateTime", key, value, headers, "")


def test_entry_is_written_so() -> None:
    """An entry has its place, key, headers and length in lines, then the value."""
    headers = (("traceparent", b"00-1"), ("traceparent", None), ("", b""))
    assert entry(original("orch.questions", 3, 17, 1_000, b"q1", b"{}\n", headers)) == (
        b"orch.record.v1\norch.questions 3 17 1000\nkey 7131\nheader 7472616365706172656e74 30302d31\n"
        b"header 7472616365706172656e74 -\nheader  \nvalue 3\n{}\n"
    )


def test_nothing_is_not_empty() -> None:
    """A null key, value or header differs from an empty one."""
    entries = {
        entry(original("orch.questions", 0, 0, 0, key, value, headers))
        for key in (None, b"")
        for value in (None, b"")
        for headers in ((), (("", None),), (("", b""),))
    }
    assert len(entries) == 12


content = st.none() | st.binary(max_size=8) | st.sampled_from([b"-", b"\n", b"value 0\n", b"key -\nvalue 1\n"])
records = st.builds(
    original,
    st.sampled_from(["orch.questions", "orch.decisions"]),
    st.integers(0, 11),
    st.integers(0, 111),
    st.integers(-1, 11),
    content,
    content,
    st.lists(st.tuples(st.text(max_size=3), content), max_size=2).map(tuple),
)


@given(records, records)
def test_different_records_have_different_entries(first: Original, second: Original) -> None:
    """Two records have one entry only if they are the same."""
    assert (entry(first) == entry(second)) == (first == second)


def test_id_of_a_record_is_checked() -> None:
    """An event with its id passes, also in a producer's spelling; one that was changed does not."""
    question = worlds.question()
    value = question.encode()
    plain = b'{"question_id": "q", "text": "x", "options": ["a", "b"]}'
    assert id_problem(original(question.topic, 0, 0, 0, b"q", value)) is None
    assert id_problem(original(question.topic, 0, 0, 0, b"q", plain)) is None
    for changed in (value.replace(b"What", b"Why "), value[:-1], b"", None, b"[1]"):
        assert id_problem(original(question.topic, 0, 0, 0, b"q", changed))
