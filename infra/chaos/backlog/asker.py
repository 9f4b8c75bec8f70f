"""A client that asks, asks again and judges on demand."""

import json
import random
from collections.abc import Iterable, Mapping
from typing import Any

from infra.chaos.client import BEGINNING, SILENCE_S, Place, consumer, library, partitions, producer
from infra.chaos.questions import TrialQuestion, asked
from infra.chaos.reading import ANALYSES, ASSIGNMENTS, DECISIONS, FEEDBACK, QUESTIONS
from streams.errors import OperatorError

_AT_A_TIME = 1_000
_REPEATED = 500
"""Records kept in memory, to be published again."""


class Asker:
    """
    Asks questions and reads the log, in the caller's thread; any thread may read `open`.

    Args:
        bootstrap: A broker that the trial never kills; its topics exist.
        seed: Selects the questions.
    """

    def __init__(self, bootstrap: str, seed: int) -> None:
        self._seed = seed
        self._producers = {
            "crc32": producer(bootstrap),
            "murmur2": producer(bootstrap, partitioner="murmur2_random"),
        }
        self._producers["no key"] = self._producers["crc32"]
        self._hearing = consumer(bootstrap)
        kafka = library()
        topics = (ASSIGNMENTS, ANALYSES, DECISIONS)
        places = [(topic, n, BEGINNING) for topic in topics for n in partitions(self._hearing, topic)]
        self._hearing.assign([kafka.TopicPartition(*place) for place in places])
        self._questions: dict[str, TrialQuestion] = {}
        self._authors = 0
        self._heard: dict[str, set[str]] = {topic: set() for topic in topics}
        self._made: list[tuple[str, str, bytes, Any]] = []
        """Panels and analyses as they stand in the log: topic, question, bytes, headers."""
        self._failed: list[str] = []

    @property
    def asked(self) -> frozenset[str]:
        """Ids of all questions."""
        return frozenset(self._questions)

    @property
    def undecided(self) -> list[str]:
        """Ids of the questions without a decision, as far as heard, in their order."""
        return [one for one in self._questions if one not in self._heard[DECISIONS]]

    @property
    def open(self) -> int:
        """How many these are."""
        return len(self._questions) - len(self._heard[DECISIONS])

    @property
    def unassigned(self) -> int:
        """Questions without a panel, as far as heard."""
        return len(self._questions) - len(self._heard[ASSIGNMENTS])

    @property
    def half_answered(self) -> int:
        """Questions with an analysis and without a decision, as far as heard."""
        return len(self._heard[ANALYSES] - self._heard[DECISIONS])

    def ask(self, how_many: int) -> None:
        """
        Ask new questions.

        Raises:
            OperatorError: No broker takes one.
        """
        for _ in range(how_many):
            question = asked(self._seed, len(self._questions))
            self._questions[question.question_id] = question
            self._publish(QUESTIONS, question, question.value)
        self.flush()

    def ask_again(self, question_ids: Iterable[str]) -> None:
        """Ask the same once more, without waiting for a broker; `flush` does."""
        for question_id in question_ids:
            question = self._questions[question_id]
            self._publish(QUESTIONS, question, question.value)

    def tell(self, question_ids: Iterable[str]) -> None:
        """Give feedback on each, from an author who has given none, without waiting for a broker."""
        for question_id in question_ids:
            self._authors += 1
            said = {"source": "human", "author": f"reader-{self._authors}", "answer": "A"}
            value = json.dumps({"question_id": question_id, **said}).encode()
            self._publish(FEEDBACK, self._questions[question_id], value)

    def crowd(self, draw: random.Random, how_many: int) -> None:
        """
        Ask questions again and give feedback, half of each on decided questions, and repeat records of the log.

        As many panels and analyses are published again, as by a worker that cannot know whether it had sent them.
        """
        pools = self.undecided, [one for one in self._questions if one in self._heard[DECISIONS]]
        for number in range(how_many):
            question_id = draw.choice(pools[number % 2] or pools[1 - number % 2])
            (self.tell if draw.random() < 0.5 else self.ask_again)([question_id])
        # Nothing else reaches `merge` while no agent answers.
        for topic, question_id, value, headers in draw.sample(self._made, min(how_many, len(self._made))):
            self._produce("murmur2", topic, value, question_id, headers=headers)
        self._producers["murmur2"].poll(0)

    def hear(self) -> None:
        """Read the records that were written since the last call."""
        while found := self._hearing.consume(_AT_A_TIME, timeout=0):
            for one in found:
                if not one.error():
                    self._take(one.topic(), (one.key() or b"").decode(), one)

    def has_heard(self, ends: Mapping[Place, int]) -> bool:
        """Whether every record was heard that stands before these ends."""
        found = self._hearing.position(self._hearing.assignment())
        return all(one.offset >= ends[one.topic, one.partition] for one in found if ends[one.topic, one.partition])

    def _take(self, topic: str, question_id: str, message: Any) -> None:
        if topic != DECISIONS and len(self._made) < _REPEATED:
            self._made.append((topic, question_id, message.value(), message.headers()))
        self._heard[topic].add(question_id)

    def flush(self) -> None:
        """
        Wait until a broker has acknowledged every record.

        Raises:
            OperatorError: No broker does in time.
        """
        left = sum(one.flush(SILENCE_S) for one in set(self._producers.values()))
        if left or self._failed:
            raise OperatorError(f"{left + len(self._failed)} records were not taken: {self._failed[:1]}")

    def close(self) -> None:
        """Disconnect."""
        self._hearing.close()

    def _publish(self, topic: str, question: TrialQuestion, value: bytes) -> None:
        self._produce(question.way, topic, value, None if question.way == "no key" else question.question_id)

    def _produce(self, way: str, topic: str, value: bytes, key: str | None, headers: Any = None) -> None:
        def acknowledged(error: Any, _: Any) -> None:
            if error:
                self._failed.append(str(error))

        self._producers[way].produce(topic, value, key, on_delivery=acknowledged, headers=headers or [])
