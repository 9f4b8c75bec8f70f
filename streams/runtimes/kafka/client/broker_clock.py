"""Clock of a cluster against this machine's."""

from collections.abc import Callable
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, for_code

from streams.runtimes.kafka.client.requests import QuorumRequest


async def clock_ahead_ms(admin: AIOKafkaAdminClient, clock: Callable[[], int]) -> tuple[int, int] | None:
    """
    Say how far the clock of the leading controller is ahead of this machine's.

    No other answer of a broker has its time. The leader reports the moment of the question as its own last fetch.

    Args:
        clock: Milliseconds since 1970, of this machine.

    Returns:
        The difference, negative if it is behind, and the most it can be wrong by, both in milliseconds; None where a
        cluster does not tell (it has ZooKeeper, or is older than Kafka 3.3).

    Raises:
        ClusterAuthorizationFailedError: The user lacks DESCRIBE on the cluster.
        KafkaError: The brokers do not answer.
    """
    before = clock()
    try:
        response: Any = await admin._client.send(admin._client.get_random_node(), QuorumRequest())
    except (NotImplementedError, KafkaError) as error:
        if isinstance(error, KafkaError) and error.retriable:
            raise
        return None
    after = clock()
    if for_code(response.error_code) is ClusterAuthorizationFailedError:
        raise ClusterAuthorizationFailedError
    for _, partitions, _ in response.topics:
        for _, code, leader, _, _, voters, *_ in partitions:
            times = [fetched for replica, _, fetched, *_ in voters if replica == leader]
            if not code and times and times[0] > 0:
                return times[0] - (before + after) // 2, (after - before) // 2 + 1
    return None
