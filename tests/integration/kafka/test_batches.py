"""The order within a batch, and outputs in changelog records."""

from hypothesis import given
from hypothesis import strategies as st

from streams.log import Record
from streams.runtimes.kafka.client.producer import ProducerRecord, carried_on
from streams.runtimes.kafka.stages.changelog_codec import CHUNK_BYTES, chunks, pack, unpack
from streams.runtimes.kafka.stages.partition_task import RecentEventIds, in_order, moved

messages = st.builds(
    ProducerRecord,
    topic=st.sampled_from(["orch.decisions", "orch.questions"]),
    key=st.text(max_size=20),
    value=st.binary(max_size=200),
    headers=st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=8)), max_size=3).map(tuple),
    timestamp_ms=st.none() | st.integers(0, 2**40),
)


@given(st.lists(messages, max_size=8), st.dictionaries(st.text(max_size=5), st.integers(0, 99), max_size=3))
def test_what_is_packed_is_unpacked(outputs: list[ProducerRecord], offsets: dict[str, int]) -> None:
    """Facts and messages come back as they were, whatever bytes they hold."""
    assert unpack(pack({"offsets": offsets}, outputs)) == ({"offsets": offsets}, outputs)


@given(st.lists(st.integers(0, 2 * CHUNK_BYTES), max_size=12))
def test_chunks_keep_all_messages_in_order(sizes: list[int]) -> None:
    """No chunk of several messages is larger than it may be, and there always is one."""
    outputs = [ProducerRecord("t", str(n), bytes(size)) for n, size in enumerate(sizes)]
    split = list(chunks(outputs))
    assert [message for chunk in split for message in chunk] == outputs
    assert all(len(chunk) == 1 or sum(len(m.value) for m in chunk) <= CHUNK_BYTES for chunk in split if chunk)
    assert split


def record(topic: str, offset: int, at: int) -> Record:
    """Make a record of which only place and time matter."""
    return Record(topic, 0, offset, at, "q", b"")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=40))
def test_a_batch_keeps_each_topics_order(given: list[tuple[str, int]]) -> None:
    """Whatever their times, records of one topic stay in their order, and none is lost."""
    records = [record(topic, offset, at) for offset, (topic, at) in enumerate(given)]
    ordered = list(in_order(records))
    assert sorted(ordered) == sorted(records)
    for topic in "abc":
        assert [r.offset for r in ordered if r.topic == topic] == [r.offset for r in records if r.topic == topic]


def test_a_deadline_comes_after_what_was_there_before_it() -> None:
    """Of several topics the oldest record is next."""
    batch = [record("deadlines", 0, 30), record("analyses", 7, 10), record("analyses", 8, 20)]
    assert [r.topic for r in in_order(batch)] == ["analyses", "analyses", "deadlines"]


def test_the_oldest_of_the_recent_are_forgotten() -> None:
    """Memory has a limit."""
    recent = RecentEventIds(2)
    for event_id in ("a", "b", "c"):
        recent.add(event_id)
    assert ("a" in recent, "b" in recent, "c" in recent) == (False, True, True)


def test_a_moved_record_keeps_bytes_time_and_headers() -> None:
    """So it is the same event in another partition, and says where it came from."""
    came = Record("orch.questions", 5, 9, 1234, "", b"{}", (("traceparent", b"00-1"),))
    copy = moved(came, "q1")
    assert (copy.topic, copy.key, copy.value, copy.timestamp_ms) == ("orch.questions", "q1", b"{}", 1234)
    assert copy.headers == (("traceparent", b"00-1"), ("orch_moved_from", b"5@9"))


def test_only_the_trace_is_carried_on() -> None:
    """Other headers belong to the record that has them."""
    assert carried_on((("traceparent", b"x"), ("ce_id", b"y"))) == (("traceparent", b"x"),)


def test_a_trace_without_a_value_is_not_carried_on() -> None:
    """Such a header tells nothing, and one behind it may."""
    assert carried_on((("traceparent", None),)) == ()
    assert carried_on((("traceparent", None), ("traceparent", b"x"))) == (("traceparent", b"x"),)


def test_a_moved_record_keeps_headers_without_a_value() -> None:
    """Null is a value of its own, and not empty bytes."""
    came = Record("orch.questions", 5, 9, 1234, "", b"{}", (("tenant", None), ("empty", b"")))
    assert moved(came, "q1").headers[:2] == (("tenant", None), ("empty", b""))
