"""A reader of topics that goes on where it stopped."""

from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.log import Record
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import LOST, why_unreachable
from streams.runtimes.kafka.client.fetch import record_of
from streams.topology import TOPICS

_WAIT_MS = 500


class TopicReader:
    """
    Reads topics up to the ends that they have when it is asked, without a group; the next reading goes on there.

    Args:
        connection: The cluster.
        consumer: Connected, without an assignment; the caller disconnects it.
        topics: Names in the topology.
    """

    def __init__(self, connection: Connection, consumer: AIOKafkaConsumer, topics: Sequence[str]) -> None:
        self._connection = connection
        self._consumer = consumer
        self._places = [
            TopicPartition(connection.topic(topic), number)
            for topic in topics
            for number in range(TOPICS[topic].partitions)
        ]
        self._begun = False

    async def read(self) -> AsyncIterator[list[Record]]:
        """
        Give the records that came since the last reading, in portions.

        Raises:
            OperatorError: No broker answers, or it refuses.
        """
        try:
            if not self._begun:
                self._consumer.assign(self._places)
                await self._consumer.seek_to_beginning(*self._places)
                self._begun = True
            ends = await self._consumer.end_offsets(self._places)
            left = [place for place in self._places if await self._consumer.position(place) < ends[place]]
            while left:
                found = await self._consumer.getmany(*left, timeout_ms=_WAIT_MS)
                for place, records in found.items():
                    topic = self._connection.logical(place.topic)
                    yield [record_of(record, topic) for record in records]
                left = [place for place in left if await self._consumer.position(place) < ends[place]]
        except LOST as error:
            raise await why_unreachable(self._connection, error) from error
        except KafkaError as error:
            raise OperatorError(f"the topics cannot be read: {type(error).__name__}: {error}") from error
