"""Topics with their keys, partitions, cleanup, writers and readers."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from schemas.registry import KINDS_OF_TOPIC, kind_of

QUESTIONS = "orch.questions"
ASSIGNMENTS = "orch.assignments"
ANALYSES = "orch.analyses"
DEADLINES = "orch.deadlines"
DECISIONS = "orch.decisions"
FEEDBACK = "orch.feedback"
OBSERVATIONS = "orch.observations"
ROUTER = "orch.router"
LESSONS = "orch.lessons"
WEIGHTS = "orch.weights"
POLICIES = "orch.policies"
DEAD_LETTERS = "orch.dead-letters"
CHECKPOINTS = "orch.checkpoints"
SPENDING = "orch.spending"

MOST_REPLICAS = 3
"""Default replicas of a topic, if the cluster has as many brokers; with `min.insync.replicas` 2, one may fail."""

QUESTION_PARTITIONS = 8
"""Partitions of every topic keyed by question: the most workers that can share one stage."""


@dataclass(frozen=True, slots=True)
class Topic:
    """
    A topic: its key, partitions and cleanup, and the stages that write and read it.

    Attributes:
        only_odds: Whether only policies with learned odds need it. A log that is older than this topic goes on without
            it under any other policy.
    """

    name: str
    key: str
    partitions: int
    cleanup: Literal["keep", "compact"]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    only_odds: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """Published names of its event kinds."""
        return tuple(kind_of(model) for model in KINDS_OF_TOPIC[self.name])


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(QUESTIONS, "question_id", QUESTION_PARTITIONS, "keep", ("producers",), ("route", "agents")),
        Topic(
            ASSIGNMENTS,
            "question_id",
            QUESTION_PARTITIONS,
            "keep",
            ("route", "merge"),
            ("merge", "agents", "deadlines"),
        ),
        Topic(ANALYSES, "question_id", QUESTION_PARTITIONS, "keep", ("agents",), ("merge", "agents")),
        Topic(DEADLINES, "question_id", QUESTION_PARTITIONS, "keep", ("deadlines",), ("merge",)),
        Topic(
            DECISIONS,
            "question_id",
            QUESTION_PARTITIONS,
            "keep",
            ("merge",),
            ("learn", "agents", "deadlines", "consumers"),
        ),
        Topic(FEEDBACK, "question_id", QUESTION_PARTITIONS, "keep", ("producers",), ("learn",)),
        Topic(OBSERVATIONS, "agent", 4, "keep", ("learn", "operators"), ("rank",)),
        Topic(ROUTER, "scope/agent", 1, "compact", ("rank",), ("route", "rank")),
        Topic(POLICIES, "policy_id", 1, "keep", ("operators",), ("route", "agents")),
        Topic(DEAD_LETTERS, "source topic", 1, "keep", ("route", "merge", "learn", "rank", "tune"), ("operators",)),
        Topic(CHECKPOINTS, "origin", 1, "keep", ("seal",), ("auditors",)),
        # One partition, because the budget depends on the order of reservations.
        Topic(SPENDING, "question_id", 1, "keep", ("agents",), ("agents",)),
        # One partition each: a lesson moves the whole table of its policy, and the order of lessons makes the table.
        Topic(LESSONS, "policy_id", 1, "keep", ("learn", "operators"), ("tune",), only_odds=True),
        Topic(WEIGHTS, "policy_id", 1, "compact", ("tune",), ("route",), only_odds=True),
    )
}

INPUT_TOPICS = (QUESTIONS, ANALYSES, DEADLINES, FEEDBACK, POLICIES, SPENDING)
"""Topics that the processors do not write."""


def partition_of(key: bytes, partitions: int) -> int:
    """
    Choose the partition of a record as Kafka's default partitioner does for a record with a key.

    Source: org.apache.kafka.common.utils.Utils.murmur2 and BuiltInPartitioner.partitionForKey.
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


# A question's id is the key of its records in several topics, one soon after the other.
@lru_cache(maxsize=1_024)
def murmur2(data: bytes) -> int:
    """Hash bytes to 32 bits, unsigned, as Kafka's Java client does (seed 0x9747b28c)."""
    mask = 0xFFFFFFFF
    multiplier = 0x5BD1E995
    length = len(data)
    hashed = 0x9747B28C ^ length
    whole = length - length % 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little")
        word = (word * multiplier) & mask
        word ^= word >> 24
        word = (word * multiplier) & mask
        hashed = ((hashed * multiplier) & mask) ^ word
    if length % 4:
        hashed ^= int.from_bytes(data[whole:], "little")
        hashed = (hashed * multiplier) & mask
    hashed ^= hashed >> 13
    hashed = (hashed * multiplier) & mask
    return hashed ^ (hashed >> 15)
