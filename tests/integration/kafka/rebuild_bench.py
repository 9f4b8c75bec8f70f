"""
States derived from the partitions of killed stages.

Stages over scattered partitions are killed while they send; states are derived from what is left.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from functools import partial

from schemas.canonical import canonical_json
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from schemas.quantities import PPB
from schemas.registry import decode
from streams.log import Record
from streams.processors import LEARN, ROUTE
from streams.processors.fold import Processor, Tables
from streams.runtimes.kafka.client.producer import ProducerRecord, message_of
from streams.runtimes.kafka.raw_record import RawRecord
from streams.runtimes.kafka.stages.rebuild import Rebuilt, derivation_of
from streams.topology import TOPICS, partition_of

from ...stateful.plans import Plan
from ...worlds import FAILED, OUTSIDE, SILENT, UNREADABLE, gold, newest, policy, question
from ..audit.scattered_log import Place, Scattered
from ..audit.test_replay_unordered import Life

REPLIES = ("A", "A", "B", "B", "C", FAILED, UNREADABLE, OUTSIDE, SILENT)


def plan_of(chance: random.Random, *, versioned: bool = False) -> Plan:
    """Draw a plan with some questions and a panel of several stages; its policy may be of v2 if *versioned*."""
    names = "abcde"[: chance.randint(2, 5)]
    reserve = chance.randint(0, len(names) - 1)
    size = len(names) - reserve
    rule = chance.choice(["vote", "weighted", "agent", "cascade", "cascade"])
    merge = {
        "rule": rule,
        "quorum": chance.choice([1, 1, 2]),
        "reserve": reserve,
        "stages": (1,) * size,
        "accept_ppb": chance.choice([6, 9, 10]) * PPB // 10,
        "window_ppb": chance.choice([0, 3]) * PPB // 10,
        "merge_agent": chance.random() < 0.5,
    }
    decomposition = chance.choice(["none", "fixed", "dispatcher"])
    adopted = policy(*names, routing={"panel_size": size}, merge=merge, decomposition=decomposition)
    if versioned and chance.random() < 0.5:
        adopted = newest(adopted)
    asked = tuple(question(f"q{number}", at=10 * number) for number in range(chance.randint(1, 6)))
    roles = ("analyst", "dispatcher", "merger")
    sayings = {
        (one.question_id, agent, role): (chance.choice(REPLIES), chance.randint(1, 9) * 1_000)
        for one in asked
        for agent in names
        for role in roles
    }
    early, late = (
        tuple(
            gold(chance.choice("ABC"), one.question_id, at=chance.randrange(3)) for one in asked if chance.random() < p
        )
        for p in (0.3, 0.8)
    )
    taken_back = tuple(one for one in (*early, *late) if chance.random() < 0.3)
    return Plan(adopted, asked, sayings, chance.randint(0, 4), early, late, taken_back)


def record_of(raw_record: RawRecord) -> Record:
    """Decode a raw record as a stage does."""
    return Record(*raw_record[:4], raw_record.key_text, raw_record.value, raw_record.headers)


def rebuilt(log: Scattered, processor: Processor, partition: int) -> Rebuilt:
    """Derive the states of one partition from the records of a log."""
    tables = log._table(partition) if processor is ROUTE else Tables(None, {})
    with closing(derivation_of(processor, partition, tables)) as derivation:
        for one in derivation.passes():
            for raw_record in list(log.partitions[one.topic, one.partition]):
                if one.start <= raw_record.offset and (one.end is None or raw_record.offset < one.end):
                    one.take(record_of(raw_record))
        for _ in derivation.finish():
            pass
        offsets = {topic: len(log.partitions[topic, partition]) for topic in processor.reads}
        return Rebuilt(derivation.states, offsets, derivation.outputs)


def all_rebuilt(log: Scattered, processor: Processor) -> Rebuilt:
    """Derive the states of all partitions of a stage."""
    states: dict[str, bytes] = {}
    outputs: list[ProducerRecord] = []
    for partition in range(max(TOPICS[topic].partitions for topic in processor.reads)):
        part = rebuilt(log, processor, partition)
        assert states.keys().isdisjoint(part.states)
        states.update(part.states)
        outputs += part.outputs
    return Rebuilt(states, {}, outputs)


def states_of(log: Scattered, processor: Processor) -> dict[str, bytes]:
    """Give the stage's own states, as it stores them."""
    return {
        key: canonical_json(processor.dump(state))
        for (name, key), state in log._states.items()
        if name == processor.name and state is not None
    }


def fold_unsent(log: Scattered, processor: Processor) -> list[Event]:
    """Let a stage fold every record, and keep its outputs; only copies of misplaced records are written."""
    made: list[Event] = []
    folded = log.folded[processor.name]
    while places := [place for place, offset in folded.items() if offset < len(log.partitions[place])]:
        place = log.chance.choice(places)
        record = log.partitions[place][folded[place]]
        folded[place] += 1
        made += log._fold(processor, record)
    return made


def send(log: Scattered, message: ProducerRecord) -> None:
    """Write a message as a producer does, and note the seats it opens."""
    log.put_bytes(message.topic, message.value, message.key, headers=message.headers)
    event = decode(message.topic, message.value, 0)
    if isinstance(event, PanelAssigned | StageOpened) and event.event_id not in log._opened:
        log._opened.add(event.event_id)
        log.seats.extend((event, seat.agent) for seat in event.stage.seats)


def send_some(log: Scattered, made: Iterable[Event]) -> list[Event]:
    """Send the first messages of each partition, as a stage that is killed meanwhile; give the unsent ones."""
    queues: dict[Place, list[Event]] = defaultdict(list)
    for event in made:
        queues[event.topic, partition_of(event.key.encode(), TOPICS[event.topic].partitions)].append(event)
    unsent: list[Event] = []
    for queue in queues.values():
        sent = log.chance.randint(0, len(queue))
        for event in queue[:sent]:
            send(log, message_of(event))
        unsent += queue[sent:]
    return unsent


def events_of(messages: Iterable[ProducerRecord]) -> list[Event]:
    """Decode unsent messages."""
    return [decode(message.topic, message.value, 0) for message in messages]


def lived(seed: int, processor: Processor) -> tuple[Life, list[Event]]:
    """Run the stages for a while, until one is killed in the middle of sending a large batch's outputs."""
    # The states of learn.v2 depend on the order between decisions and feedback, which a rebuild does not know.
    living = Life(plan_of(random.Random(seed), versioned=processor is not LEARN), seed)
    log = living.log
    for _ in range(log.chance.randrange(120)):
        living.move()
    others = partial(Scattered.steps, log)
    log.steps = lambda: [step for step in others() if step[0] is not processor]  # type: ignore[method-assign]
    for _ in range(log.chance.randrange(60)):
        living.move()
    del log.steps  # type: ignore[method-assign]
    unsent = send_some(log, fold_unsent(log, processor))
    log.repeat(3)
    return living, unsent
