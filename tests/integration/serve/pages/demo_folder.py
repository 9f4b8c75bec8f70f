"""The folder of a demo log, and its pages."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from infra.pictures import demo_log

from ....limits import LIMIT_S
from ...command_in_process import Inside
from ..server_in_thread import ServerInThread

QUESTIONS = 90
"""Enough for every agent to be asked on every day."""


def demo_folder(path: Path) -> Inside:
    """Make the demo log of the documentation, without its evaluation, by commands inside this process."""
    place = Inside(path)

    def orch(folder: Path, *arguments: str) -> str:
        if arguments[0] == "eval":
            return ""
        done = place.orch(*arguments)
        assert done.code == 0, done.err
        return done.out

    with mock.patch.object(demo_log, "orch", orch), mock.patch.dict(os.environ):
        demo_log.make_demo_log(path, QUESTIONS)
    return place


def page_of(site: ServerInThread, path: str, wanted: Callable[[str], bool] | None = None) -> str:
    """Open a page, again and again until the log is read, and until it shows what is wanted."""
    end = time.monotonic() + LIMIT_S
    while True:
        found = site.get(path)
        text = found.text.decode()
        assert found.status == 200, text
        if "still being read" not in text and (wanted is None or wanted(text)):
            return text
        assert time.monotonic() < end, text
        time.sleep(0.05)
