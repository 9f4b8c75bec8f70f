"""Roles that a user can fill on a cluster."""

from collections.abc import Sequence

from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.least_rights import ROLES, Right
from streams.runtimes.kafka.client.rights import missing_rights, topic_states
from streams.runtimes.kafka.client.topics import CLIENT_ERRORS, administered, refused_request, wanted_topics


async def lacking_by_role(connection: Connection) -> dict[str, list[Right]]:
    """
    Find what the user lacks for each role.

    CREATE is left out: it may be given on the cluster as a whole, and is not needed any more once the topics are there.

    Raises:
        OperatorError: No broker answers.
    """
    needed = {role: [right for right in rights if right.operation != "CREATE"] for role, rights in ROLES.items()}
    lacking = set(await lacking_rights(connection, [right for rights in needed.values() for right in rights]))
    return {role: [right for right in rights if right in lacking] for role, rights in needed.items()}


async def lacking_rights(connection: Connection, rights: Sequence[Right]) -> list[Right]:
    """
    Find which of some rights the user lacks.

    Raises:
        OperatorError: No broker answers.
    """
    async with administered(connection) as admin:
        try:
            states = await topic_states(admin, [topic.name for topic in wanted_topics(connection)])
            return await missing_rights(connection, admin, rights, states)
        except CLIENT_ERRORS as error:
            raise await refused_request(connection, error) from error
