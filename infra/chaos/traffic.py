"""
Question and feedback traffic of an outside client.

It asks questions, and gives the right answer once a question is decided.
"""

import statistics
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from infra.chaos.client import BEGINNING, consumer, library, partitions, producer
from infra.chaos.questions import TrialQuestion, asked
from infra.chaos.reading import DECISIONS, FEEDBACK, QUESTIONS

MOST_OPEN = 1_000
"""Most open questions; at this number no more are asked, so a slow machine makes the trial longer."""

_POLL_S = 0.01


class Traffic:
    """
    Asks at a fixed rate in one thread, and reads decisions in another.

    Args:
        bootstrap: A broker; its topics exist.
        seed: Selects the questions.
        rate: Questions a second.
        prefix: What stands before a topic's name on the cluster.
    """

    def __init__(self, bootstrap: str, seed: int, rate: float, prefix: str = "") -> None:
        self._seed = seed
        self._rate = rate
        self._prefix = prefix
        self._producers = {
            "crc32": producer(bootstrap),
            "murmur2": producer(bootstrap, partitioner="murmur2_random"),
        }
        self._telling = producer(bootstrap)
        self._hearing = consumer(bootstrap)
        self._lock = threading.Lock()
        self._made: dict[str, TrialQuestion] = {}
        self._asked: dict[str, float] = {}
        self._decided: dict[str, tuple[float, int]] = {}
        """Time at which each decision was read, and the partition of the question."""
        self._open: set[str] = set()
        self._heard_at = time.monotonic()
        self._silence_s = 0.0
        self._stopped, self._closed = threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self.untold = 0
        """Records that no broker acknowledged in time; they may be in the log all the same."""
        self._threads = [self._thread(self._ask), self._thread(self._hear)]

    def _thread(self, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as failure:
                self._failure = failure

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    @property
    def asked(self) -> frozenset[str]:
        """Ids of the questions that a broker has acknowledged."""
        with self._lock:
            return frozenset(self._asked)

    @property
    def decided(self) -> int:
        """Questions decided, as far as heard."""
        with self._lock:
            return len(self._decided)

    @property
    def open(self) -> int:
        """Questions acknowledged and not decided, as far as heard."""
        self._check()
        with self._lock:
            return len(self._open)

    def stop_asking(self) -> None:
        """Ask no more questions, and wait until what was asked is acknowledged."""
        self._stopped.set()
        self._threads[0].join()
        self._check()

    def close(self) -> None:
        """End both threads and disconnect."""
        self._stopped.set()
        self._closed.set()
        for thread in self._threads:
            thread.join()
        self._hearing.close()

    def first_decisions(self, since: float) -> dict[int, float]:
        """
        Find how soon after a moment each partition had a decision on a question that was asked after it.

        Args:
            since: By `time.monotonic`.

        Returns:
            Seconds, by partition.
        """
        found: dict[int, float] = {}
        with self._lock:
            for question_id, (at, partition) in self._decided.items():
                if self._asked.get(question_id, 0) > since:
                    found[partition] = min(at - since, found.get(partition, at))
        return found

    def longest_gap(self, since: float) -> float:
        """
        Give the longest time without a decision from a moment until now.

        Args:
            since: By `time.monotonic`.

        Returns:
            Seconds.
        """
        now = time.monotonic()
        with self._lock:
            times = sorted(at for at, _ in self._decided.values() if since < at < now)
        return max(later - earlier for earlier, later in pairwise((since, *times, now)))

    def figures(self) -> dict[str, float]:
        """Sum up the time from question to decision, and the longest time without a decision, in seconds."""
        with self._lock:
            waits = sorted(at - self._asked[key] for key, (at, _) in self._decided.items() if key in self._asked)
        if len(waits) < 2:
            return {}
        cuts = statistics.quantiles(waits, n=100)
        named = {"p50": cuts[49], "p99": cuts[98], "max": waits[-1], "silence": self._silence_s}
        return {f"{name}_s": round(value, 2) for name, value in named.items()}

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _ask(self) -> None:
        number = 0
        due = time.monotonic()
        while not self._stopped.is_set():
            for one in self._producers.values():
                one.poll(0)
            if time.monotonic() < due or self.open >= MOST_OPEN:
                self._stopped.wait(_POLL_S)
                continue
            self._publish(asked(self._seed, number))
            number += 1
            # After a pause the rate stays the same: no burst makes up for it.
            due = max(due + 1 / self._rate, time.monotonic() - 1)
        for one in self._producers.values():
            one.flush()

    def _publish(self, question: TrialQuestion) -> None:
        with self._lock:
            self._made[question.question_id] = question
        chosen = self._producers.get(question.way, self._producers["crc32"])
        key = None if question.way == "no key" else question.question_id

        def acknowledged(error: Any, _: Any) -> None:
            with self._lock:
                if error:
                    self.untold += 1
                elif question.question_id not in self._asked:
                    self._asked[question.question_id] = time.monotonic()
                    if question.question_id not in self._decided:
                        self._open.add(question.question_id)

        for _ in range(question.times):
            chosen.produce(f"{self._prefix}{QUESTIONS}", question.value, key, on_delivery=acknowledged)

    def _hear(self) -> None:
        kafka, hearing = library(), self._hearing
        topic = f"{self._prefix}{DECISIONS}"
        hearing.assign([kafka.TopicPartition(topic, n, BEGINNING) for n in partitions(hearing, topic)])
        while not self._closed.is_set():
            for message in hearing.consume(100, timeout=0.1):
                if not message.error():
                    self._decide((message.key() or b"").decode(), message.partition())
            self._telling.poll(0)
        self._telling.flush()

    def _decide(self, question_id: str, partition: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._silence_s = max(self._silence_s, now - self._heard_at)
            self._heard_at = now
            question = self._made.get(question_id)
            known = question_id in self._decided
            self._decided.setdefault(question_id, (now, partition))
            self._open.discard(question_id)
        if known or question is None or question.gold is None:
            return
        for _ in range(question.gold_times):
            self._telling.produce(f"{self._prefix}{FEEDBACK}", question.gold, question_id)
