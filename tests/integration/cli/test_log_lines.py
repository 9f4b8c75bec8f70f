"""Log lines of libraries, beside those of this program."""

import json
import logging
from collections.abc import Iterator

import pytest

from streams import logs


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    """Configure twice, as commands in one process do; and leave other tests their logging."""
    root, level = logging.getLogger(), logging.getLogger("asyncio").level
    before = list(root.handlers)
    logs.configure()
    logs.configure()
    yield
    root.handlers = before
    logging.getLogger("asyncio").setLevel(level)


def test_a_message_of_a_library_is_a_line_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Once, with its source, and an exception as text; asyncio's remarks about broken connections are left out."""
    logs.configure()
    logging.getLogger("asyncio").warning("socket.send() raised exception.")
    logging.getLogger("some.library").info("nothing of note")
    logging.getLogger("some.library").warning("no more than %d", 3)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"], line["library"], line["message"]) for line in said] == [
        ("library_message", "warning", "some.library", "no more than 3"),
        ("library_message", "error", "asyncio", "Task exception was never retrieved"),
    ]
    assert "ValueError: broken" in said[1]["exception"]
