"""API keys in files, read again after a refusal."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.agents import OpenAIAgent
from streams.agents import api_keys
from streams.agents.agent import AgentError
from streams.agents.api_keys import HIDDEN, key_file_of, mask, read_key
from streams.agents.providers.completion import Completion, Request
from streams.agents.providers.renewed_key import RenewingClient
from streams.errors import OperatorError

SPEC = OpenAIAgent(name="agent", model="m", key_env="SOME_KEY")
REQUEST = Request(
    model="m", base_url=None, messages=(), max_output_tokens=1, temperature_ppb=None, seed=None, schema=None
)
FIRST, SECOND = "first-key-0123456789", "second-key-0123456789"


class Provider:
    """A provider that takes one key, behind a client for each key."""

    def __init__(self, accepted: str) -> None:
        self.accepted = accepted
        self.calls: list[str] = []
        self.closed: list[str] = []

    def client(self, key: SecretStr) -> "Caller":
        """Make the client of one key."""
        return Caller(self, key.get_secret_value())


class Caller:
    def __init__(self, provider: Provider, key: str) -> None:
        self._provider = provider
        self._key = key

    async def ready(self) -> None:
        """Need nothing."""

    async def send(self, request: Request) -> Completion:
        self._provider.calls.append(self._key)
        await asyncio.sleep(0)
        if self._key != self._provider.accepted:
            raise AgentError("unauthorized", retriable=False)
        return Completion(text=self._key)

    async def close(self) -> None:
        self._provider.closed.append(self._key)


@pytest.fixture(autouse=True)
def no_key_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of one test are none of another's."""
    monkeypatch.setattr(api_keys, "_forms", [])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file with a key, as a mounted secret is."""
    file = tmp_path / "key"
    file.write_text(f"{FIRST}\n")
    return file


def renewing(provider: Provider, file: Path) -> RenewingClient:
    """Make a client whose key is in a file."""

    def read() -> SecretStr:
        key = read_key(SPEC, {"SOME_KEY_FILE": str(file)})
        assert key is not None
        return key

    return RenewingClient(provider.client, read, str(file))


def test_a_file_holds_the_key_where_the_variable_does_not(file: Path) -> None:
    """The variable itself comes first; what the file holds is masked as any key is."""
    environ = {"SOME_KEY_FILE": str(file)}
    key = read_key(SPEC, environ)
    assert (key and key.get_secret_value(), key_file_of(SPEC, environ)) == (FIRST, str(file))
    assert mask(FIRST) == HIDDEN
    both = environ | {"SOME_KEY": SECOND}
    key = read_key(SPEC, both)
    assert (key and key.get_secret_value(), key_file_of(SPEC, both)) == (SECOND, None)


@pytest.mark.parametrize("content", [None, b"", b"short", b"two words of text", b"\xff\xfe0123456789"])
def test_a_file_without_a_key_is_told_by_its_name(file: Path, content: bytes | None) -> None:
    """Missing, empty, or no key: the message names the file and never what it holds."""
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(OperatorError) as caught:
        read_key(SPEC, {"SOME_KEY_FILE": str(file)})
    assert str(file) in caught.value.message
    assert not content or content.decode("latin-1") not in caught.value.message


def test_a_refused_key_is_read_again(file: Path) -> None:
    """Calls that were refused at once are made again with the new key, which is read for all of them once."""

    async def test() -> None:
        provider = Provider(SECOND)
        client = renewing(provider, file)
        file.write_text(SECOND)
        done = await asyncio.gather(*(client.send(REQUEST) for _ in range(3)))
        assert {completion.text for completion in done} == {SECOND}
        assert provider.calls == [FIRST] * 3 + [SECOND] * 3
        await client.close()
        assert provider.closed == [FIRST, SECOND]

    asyncio.run(test())


def test_the_same_key_is_refused_once(file: Path) -> None:
    """Without another key, and with a file that is gone, the refusal stands as it is."""

    async def test() -> None:
        provider = Provider(SECOND)
        client = renewing(provider, file)
        for _ in range(2):
            with pytest.raises(AgentError, match="unauthorized"):
                await client.send(REQUEST)
            file.unlink(missing_ok=True)
        assert provider.calls == [FIRST] * 2

    asyncio.run(test())
