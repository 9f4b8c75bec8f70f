"""Least rights of each role on a Kafka log."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from streams.processors import PROCESSORS
from streams.runtimes.kafka.client.connection import Connection
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEAD_LETTERS,
    DEADLINES,
    DECISIONS,
    FEEDBACK,
    INPUT_TOPICS,
    POLICIES,
    QUESTIONS,
    ROUTER,
    SPENDING,
    TOPICS,
    WEIGHTS,
)

Operation = Literal["READ", "WRITE", "DESCRIBE", "CREATE", "DESCRIBE_CONFIGS"]
"""Operations of Kafka's access control lists; READ and WRITE include DESCRIBE."""


class Right(NamedTuple):
    """
    One operation on one resource of a log.

    Attributes:
        kind: `changelog` is a topic, named by its stage; a group is named by its stage too.
        name: Name in the topology.
    """

    operation: Operation
    kind: Literal["topic", "changelog", "group"]
    name: str

    def resource(self, connection: Connection) -> tuple[Literal["topic", "group"], str]:
        """Give the resource's type and its name on the cluster."""
        if self.kind == "group":
            return "group", connection.group(self.name)
        return "topic", connection.changelog(self.name) if self.kind == "changelog" else connection.topic(self.name)


FOLDING = tuple(processor.name for processor in PROCESSORS)
_SEATED_READS = {"agents": (QUESTIONS, ASSIGNMENTS, ANALYSES, DECISIONS), "deadlines": (ASSIGNMENTS, DECISIONS)}
STAGES = (*FOLDING, *_SEATED_READS)


def reading(topics: Iterable[str]) -> tuple[Right, ...]:
    """Give the rights to read topics without a consumer group."""
    return tuple(Right("READ", "topic", topic) for topic in topics)


def writing(topics: Iterable[str]) -> tuple[Right, ...]:
    """Give the rights to append to topics."""
    return tuple(Right("WRITE", "topic", topic) for topic in topics)


def auditing(topics: Sequence[str] = tuple(TOPICS)) -> tuple[Right, ...]:
    """Give the rights to read topics and to see how far the folding stages are."""
    return (*reading(topics), *(Right("DESCRIBE", "group", stage) for stage in FOLDING))


def inspecting(stage: str) -> tuple[Right, ...]:
    """Give the rights to look into the changelog and the inputs of a folding stage; none for the other stages."""
    processor = next((one for one in PROCESSORS if one.name == stage), None)
    if processor is None:
        return ()
    return (*reading(processor.reads), Right("READ", "changelog", stage), Right("DESCRIBE", "group", stage))


def odds_topics() -> tuple[Right, ...]:
    """Give the rights to see the topics that policies with learned odds need."""
    return tuple(Right("DESCRIBE", "topic", topic.name) for topic in TOPICS.values() if topic.only_odds)


def working(stages: Sequence[str], *, rebuild: bool = False) -> tuple[Right, ...]:
    """
    Give the rights of a worker.

    Args:
        stages: Some of `STAGES`.
        rebuild: Whether it derives its states from the topics: then it also reads what its stages wrote.
    """
    rights: list[Right] = []
    for processor in PROCESSORS:
        if processor.name not in stages:
            continue
        wrote = tuple(topic.name for topic in TOPICS.values() if processor.name in topic.writers)
        rights += reading(processor.reads)
        if processor.sees_tables:
            rights += reading((POLICIES, ROUTER, WEIGHTS))
        if rebuild:
            rights += reading(wrote)
        rights += writing(wrote)
        # A record in the wrong partition is moved to the one of its key.
        rights += writing(topic for topic in processor.reads if topic in INPUT_TOPICS)
        rights += (Right("READ", "changelog", processor.name), Right("WRITE", "changelog", processor.name))
        rights.append(Right("READ", "group", processor.name))
    for stage, topics in _SEATED_READS.items():
        if stage in stages:
            rights += (*reading(topics), Right("READ", "group", stage))
    if "agents" in stages:
        rights += (*reading((POLICIES, SPENDING)), *writing((ANALYSES, SPENDING)))
    if "deadlines" in stages:
        rights += writing((DEADLINES,))
    return tuple(dict.fromkeys(rights))


def operating() -> tuple[Right, ...]:
    """Give the rights of an operator, who makes topics, adopts policies and looks at the workers."""
    topics = [Right("CREATE", "topic", topic) for topic in TOPICS]
    topics += [Right("CREATE", "changelog", stage) for stage in FOLDING]
    read = reading((POLICIES, DEAD_LETTERS))
    # READ includes DESCRIBE.
    described = [right for right in topics if right._replace(operation="READ") not in read]
    return (
        *topics,
        *(right._replace(operation="DESCRIBE_CONFIGS") for right in topics),
        *(right._replace(operation="DESCRIBE") for right in described),
        *read,
        *writing((POLICIES,)),
        *(Right("DESCRIBE", "group", stage) for stage in STAGES),
    )


ROLES: dict[str, tuple[Right, ...]] = {
    "worker": working(STAGES),
    "producer": writing((QUESTIONS,)),
    "consumer": reading((DECISIONS,)),
    "feedback": (*writing((FEEDBACK,)), *reading((QUESTIONS,))),
    "auditor": auditing(),
    "operator": operating(),
}
"""What each role needs, and no more. infra/README.md has the same table for people; a test compares them."""
