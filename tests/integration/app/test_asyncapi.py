"""The AsyncAPI document, with its own parser and a compiler."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.registry import INPUTS, KINDS, KINDS_OF_TOPIC, kind_of
from streams.app.asyncapi import asyncapi
from streams.topology import TOPICS

from ...conftest import OPTIONAL
from ...node_packages import NODE, node_modules


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one of Node's programs, which end within seconds."""
    return subprocess.run(["node", *map(str, command)], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts of `tests/node`, their packages and the document."""
    packages = node_modules()
    folder = tmp_path_factory.mktemp("node")
    for script in NODE.glob("*.mjs"):
        shutil.copy(script, folder)
    (folder / "node_modules").symlink_to(packages, target_is_directory=True)
    (folder / "orch.json").write_text(json.dumps(asyncapi()))
    return folder


def test_machine_without_node_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Node is absent the tests skip, and say why; in CI a skip with such a reason is a failure."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pytest.skip.Exception, match="needs Node: there is no node and no npm") as caught:
        node_modules()
    assert not str(caught.value).startswith(OPTIONAL)


@pytest.mark.process
def test_official_parser_takes_it(scripts: Path) -> None:
    """AsyncAPI's own parser finds no error and no warning; its advice to name a later version of AsyncAPI is known."""
    done = run("parse.mjs", "orch.json", folder=scripts)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [found for found in told["found"] if found["code"] != "asyncapi-latest-version"] == []
    assert told["valid"]


@pytest.mark.process
def test_official_parser_refuses_a_discriminator_object(scripts: Path) -> None:
    """The parser has teeth: a discriminator as OpenAPI has it, which pydantic writes, is an error."""
    document = asyncapi()
    document["components"]["schemas"]["PolicyAdopted"]["properties"]["agents"]["items"]["discriminator"] = {
        "propertyName": "kind"
    }
    (scripts / "refused.json").write_text(json.dumps(document))
    told = json.loads(run("parse.mjs", "refused.json", folder=scripts).stdout)
    assert not told["valid"]
    assert any(found["severity"] == "error" and "discriminator" in found["place"] for found in told["found"])


@pytest.mark.process
@pytest.mark.slow
def test_generated_typescript_client_compiles(scripts: Path, tmp_path: Path) -> None:
    """A client generated from the document compiles strictly, and its types refuse what the log would refuse."""
    client = run("client.mjs", "orch.json", folder=scripts)
    assert client.returncode == 0, client.stderr
    (tmp_path / "client.ts").write_text(client.stdout)
    shutil.copy(NODE / "program.ts", tmp_path)
    compiler = scripts / "node_modules" / "typescript" / "bin" / "tsc"
    options = ("--strict", "--noEmit", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler")
    done = run(compiler, *options, "program.ts", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_operations_have_names_for_programs() -> None:
    """Ids of operations are names in any language; a program may send every topic that has inputs, and receive all."""
    operations = asyncapi()["operations"]
    for name, operation in operations.items():
        assert re.fullmatch(r"(send|receive)[A-Z][A-Za-z]+", name)
        assert name.startswith(operation["action"])
        assert operation["summary"]
    assert sum(each["action"] == "receive" for each in operations.values()) == len(TOPICS)
    sent = {
        each["channel"]["$ref"].removeprefix("#/channels/") for each in operations.values() if each["action"] == "send"
    }
    assert sent == {model.topic for model in INPUTS}


def test_messages_are_listed_in_every_version() -> None:
    """A channel lists every version of its kinds; what may be sent are its inputs alone."""
    document = asyncapi()
    assert document["components"]["messages"].keys() == KINDS.keys()
    for name, models in KINDS_OF_TOPIC.items():
        assert list(document["channels"][name]["messages"]) == [kind_of(model) for model in models]
    assert list(document["channels"]["orch.decisions"]["messages"]) == ["decision.made.v1", "decision.made.v2"]
    sent = [each["$ref"].rpartition("/")[2] for each in document["operations"]["sendPolicies"]["messages"]]
    assert sent == ["policy.adopted.v1", "policy.adopted.v2"]


def test_servers_have_a_host_to_fill_in() -> None:
    """A client is told the protocol, and fills in its own host."""
    servers = asyncapi()["servers"]
    assert {(server["protocol"], server["host"]) for server in servers.values()} == {
        ("kafka", "{host}"),
        ("kafka-secure", "{host}"),
    }
    assert all("host" in server["variables"] for server in servers.values())


def test_people_are_told_what_everything_is() -> None:
    """Channels, messages and operations have a summary in words."""
    document = asyncapi()
    parts = [*document["channels"].values(), *document["components"]["messages"].values()]
    assert all(len(part["summary"].split()) > 2 for part in [*parts, *document["operations"].values()])


def test_nothing_in_it_depends_on_the_reader() -> None:
    """No `discriminator`, and nothing beside a `$ref`: readers of different drafts take both differently."""
    for node in nodes(asyncapi()):
        assert "discriminator" not in node
        assert "$ref" not in node or len(node) == 1


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Give every object in a document."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from nodes(item)
