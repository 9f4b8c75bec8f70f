"""Metrics of a Kafka worker: its stages, members and brokers."""

from collections.abc import Iterator, Mapping, Sequence

from streams.app.metrics import AgentReadings, Instruments
from streams.instruments import names
from streams.instruments.health import Work
from streams.instruments.meters import Labels
from streams.log import wall_clock_ms
from streams.runtimes.kafka.client.group_member import GroupMember
from streams.runtimes.kafka.client.outage import Outage
from streams.runtimes.kafka.stages.runner import RunningStages
from streams.runtimes.kafka.stages.stage import KafkaStage
from streams.workers.partition_consumer import PartitionConsumer

Lags = dict[int, int]
"""Records that wait, by partition number."""


class WorkerReadings:
    """
    Looks at the parts of a worker once a second, in its event loop; a scrape reads what it saw last.

    Args:
        given: Meters and judgement of the process.
        outage: The watch over the brokers.
        stages: Stages of the process.
    """

    def __init__(self, given: Instruments, outage: Outage, stages: Sequence[str]) -> None:
        self.agents: AgentReadings | None = None
        """What the agents say, if the process runs `agents`."""
        self.questions: PartitionConsumer | None = None
        """Open questions, if the process runs `agents`."""
        self.members: dict[str, GroupMember] = {}
        """Group members by stage."""
        self.stages: RunningStages | None = None
        self._meters = given.meters
        self._outage = outage
        self._lags: dict[str, Lags] = {}
        self._open = 0
        self._oldest_ms: int | None = None
        if "merge" in stages:
            given.meters.expect_decisions()
        given.meters.expect_letters()
        given.health.require(self._problems)
        given.health.follow(self._works)
        self._offer()

    def watch(self, consumer: PartitionConsumer) -> None:
        """Read from this consumer how the questions stand."""
        self.questions = consumer
        consumer.waited = self._meters.note_waited
        self._meters.read(names.QUESTIONS_OPEN, lambda: [((), self._open)])
        self._meters.read(names.OLDEST_QUESTION, lambda: [((), self._oldest_s())])

    def _offer(self) -> None:
        meters = self._meters
        meters.read(names.BROKER_LOST, lambda: [((), float(self._outage.lost))])
        meters.read(names.LAG, self._all_lags)
        meters.read(
            names.PARTITIONS,
            lambda: [
                ((stage,), len({number for _, number in member.positions})) for stage, member in self.members.items()
            ],
        )
        meters.read(names.REBALANCES, lambda: [((stage,), member.rebalances) for stage, member in self.members.items()])
        meters.read(names.FENCINGS, lambda: [((host.processor.name,), host.fenced) for host in self._hosts()])
        meters.read(names.FOLDED, lambda: [((host.processor.name,), host.folded) for host in self._hosts()])
        meters.read(names.FOLD_SECONDS, lambda: [((host.processor.name,), host.fold_s) for host in self._hosts()])

    def _hosts(self) -> list[KafkaStage]:
        return [] if self.stages is None else [line.stage for line in self.stages.lines]

    def _all_lags(self) -> Iterator[tuple[Labels, float]]:
        for stage, lags in tuple(self._lags.items()):
            for partition, lag in sorted(lags.items()):
                yield (stage, str(partition)), lag

    def _oldest_s(self) -> float:
        return 0.0 if self._oldest_ms is None else max(0, wall_clock_ms() - self._oldest_ms) / 1000

    def _problems(self) -> Iterator[str]:
        if self._outage.lost:
            yield "no broker can be used"

    def _works(self) -> Iterator[Work]:
        if self.agents is not None:
            self.agents.look()
        if self.questions is not None:
            self._open, self._oldest_ms = self.questions.open, self.questions.oldest_ms
        if self.stages is None:
            yield Work("start", "the stages have not started", 0, 0)
            return
        folding = set()
        for line in self.stages.lines:
            stage, name = line.stage, line.stage.processor.name
            folding.add(name)
            member = self.members.get(name)
            lags = {} if member is None else lags_of(member, line.reached())
            self._lags[name] = lags
            yield Work(name, _missing(member, stage.opening), sum(lags.values()), stage.folded)
        for name, member in self.members.items():
            if name not in folding:
                self._lags[name] = lags_of(member, member.positions)
                # Calls may take minutes, and hold reading up; a member that polls does what it can.
                yield Work(name, _missing(member, ()), 1, member.polls)


def lags_of(member: GroupMember, done: Mapping[tuple[str, int], int]) -> Lags:
    """Add up, for each partition number held, the records between what is done and the high watermarks."""
    lags: Lags = {}
    for place, end in member.high_watermarks().items():
        if (at := done.get(place, -1)) >= 0:
            lags[place[1]] = lags.get(place[1], 0) + max(0, end - at)
    return lags


def _missing(member: GroupMember | None, opening: Sequence[int]) -> str | None:
    if member is not None and member.rebalancing:
        return "it waits for its partitions (the consumer group is not settled)"
    if opening:
        return f"it takes over partitions {', '.join(map(str, opening))}"
    return None
