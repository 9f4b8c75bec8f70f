"""Topics, their keys, and the partition of each record."""

import pytest

from schemas.registry import KINDS_OF_TOPIC
from streams.topology import INPUT_TOPICS, SPENDING, TOPICS, murmur2, partition_of


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
    ids=["two bytes", "six bytes", "24 bytes", "26 bytes", "48 bytes", "three bytes"],
)
def test_murmur2_is_that_of_the_java_client(data: bytes, signed: int) -> None:
    """The hash equals the values in the test of the Java client (UtilsTest.testMurmur2)."""
    assert murmur2(data) == signed % 2**32


@pytest.mark.parametrize(
    ("key", "partitions", "expected"),
    [(b"21", 8, 4), (b"foobar", 8, 6), (b"abc", 8, 3), (b"abc", 1, 0), (b"", 8, 1)],
    ids=["21", "foobar", "abc", "one partition", "empty"],
)
def test_partition_is_that_of_the_default_partitioner(key: bytes, partitions: int, expected: int) -> None:
    """The sign bit is cut off before the remainder is taken, as the default partitioner does."""
    assert partition_of(key, partitions) == expected


def test_every_topic_holds_kinds_and_every_kind_has_a_topic() -> None:
    """The topology and the registry name the same topics."""
    assert set(TOPICS) == set(KINDS_OF_TOPIC)
    assert all(topic.kinds for topic in TOPICS.values())


def test_topics_keyed_by_question_are_split_alike() -> None:
    """All records a question is decided by lie in partitions of one number, so one worker can join them."""
    topics = (topic for topic in TOPICS.values() if topic.key == "question_id" and topic.name != SPENDING)
    assert len({topic.partitions for topic in topics}) == 1


def test_budgets_have_one_order_over_all_questions() -> None:
    """Which of two reservations came first must have an answer, whatever questions they are about."""
    assert TOPICS[SPENDING].partitions == 1


def test_compacted_topics_have_one_partition() -> None:
    """A table has one order over all its keys."""
    assert {topic.partitions for topic in TOPICS.values() if topic.cleanup == "compact"} == {1}


def test_no_processor_writes_an_input_topic() -> None:
    """What comes from outside and what the processors derive never share a topic."""
    processors = {"route", "merge", "learn", "rank"}
    assert not [name for name in INPUT_TOPICS if processors & set(TOPICS[name].writers)]
