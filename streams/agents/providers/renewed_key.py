"""A client whose key stands in a file."""

from collections.abc import Callable

import structlog
from pydantic import SecretStr
from structlog.typing import FilteringBoundLogger

from streams.agents.agent import AgentError
from streams.agents.providers.completion import Client, Completion, Request
from streams.errors import OperatorError

REFUSED = "unauthorized"
"""Class of the error by which a provider refuses a key."""

_log: FilteringBoundLogger = structlog.get_logger("orch.api_keys")


class RenewingClient:
    """
    Reads its key again when a call is refused for it, and makes the call once more if the file holds another one.

    Args:
        make: Makes the client that uses a key.
        read: Reads the key.
        name: File of the key, for the log.

    Raises:
        OperatorError: The key cannot be read.
    """

    def __init__(self, make: Callable[[SecretStr], Client], read: Callable[[], SecretStr], name: str) -> None:
        self._make = make
        self._read = read
        self._name = name
        self._key = read()
        self._client = make(self._key)
        self._former: list[Client] = []
        """Clients with earlier keys; calls of theirs may be in flight."""

    async def ready(self) -> None:
        """Do one-off setup before the first call."""
        await self._client.ready()

    async def send(self, request: Request) -> Completion:
        """
        Make one call, or two if the first one was refused for its key and there is another key now.

        Raises:
            AgentError: As the client raises it.
        """
        used = self._client
        try:
            return await used.send(request)
        except AgentError as error:
            if error.error != REFUSED or not self._renewed(used):
                raise
        return await self._client.send(request)

    def _renewed(self, refused: Client) -> bool:
        """Whether there is another key than the refused client's; the first call that was refused looks."""
        if self._client is not refused:
            return True
        try:
            key = self._read()
        except OperatorError as error:
            _log.warning("key_not_read", file=self._name, why=error.message)
            return False
        if key == self._key:
            return False
        self._key = key
        self._former.append(refused)
        self._client = self._make(key)
        _log.warning("key_read_again", file=self._name)
        return True

    async def close(self) -> None:
        """Close the connections of all its clients."""
        for client in (*self._former, self._client):
            await client.close()
        self._former.clear()
