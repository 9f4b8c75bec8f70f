"""The examples of serve/README.md."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from ...conftest import ROOT
from .server_in_thread import ServerInThread, served

PAGE = ROOT / "streams" / "serve" / "README.md"
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(block: str) -> Iterator[tuple[str, str]]:
    """Give each command of a block with the output that is shown below it."""
    parts = re.split(r"^(?=curl )", block, flags=re.MULTILINE)
    for part in filter(None, parts):
        command, _, shown = re.sub(r"\\\n\s*", "", part).partition("\n")
        yield command, shown.strip()


@pytest.mark.process
def test_every_command_of_the_page_answers_as_shown(log: str) -> None:
    """The commands run in order on a new log; `...` stands for anything."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    with served(log) as server:
        found = [each for block in _BLOCK.findall(PAGE.read_text("utf-8")) for each in examples(block)]
        for command, shown in found:
            given = command.replace("http://127.0.0.1:8000", server.url)
            done = subprocess.run(["bash", "-c", given], capture_output=True, text=True, timeout=60)
            pattern = re.escape(shown).replace(re.escape("..."), ".*")
            assert re.fullmatch(pattern, done.stdout.strip(), re.DOTALL), (command, done.stdout)
    assert len(found) == 7


def test_page_names_every_route(server: ServerInThread) -> None:
    """What the document describes is on the page."""
    page = PAGE.read_text("utf-8")
    for path in server.get("/openapi.json").body["paths"]:
        assert f" {path}" in page
