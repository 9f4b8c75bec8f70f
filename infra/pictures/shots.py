"""Pictures of pages, taken by a browser."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from infra.pictures.demo_log import COMMAND
from streams.errors import OperatorError

if TYPE_CHECKING:
    from playwright.sync_api import Page

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
WIDTH = 1_000
LIMIT_MS = 60_000
READING = "still being read"


class Shot(NamedTuple):
    """One picture."""

    name: str
    path: str
    height: int
    press: str = ""
    """Button that is pressed first."""
    wait_for: str = ""
    """Text that stands on the page then."""


SHOTS = (
    Shot("ask", "/ask", 560),
    Shot("decisions", "/", 640),
    Shot("question", "/q?id=demo-7-0199", 1_000),
    Shot("router", "/router", 1_150),
    Shot("spend", "/spend", 720),
    Shot("undecided", "/undecided", 560),
    Shot("audit", "/audit", 640, "Replay the log", "No difference"),
    Shot("evaluation", "/evaluation/report?run=orch-eval", 820),
)
"""Every picture, by the name of its file."""


def take(folder: Path, target: Path, *options: str) -> None:
    """
    Take the pictures of the log in a folder.

    Args:
        folder: Where `orch ui` is started.
        target: Where the pictures are written.
        options: Of `orch ui`.

    Raises:
        OperatorError: There is no browser, or the server does not start.
    """
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        raise OperatorError("no program `chromium` is in the PATH", remedy="apt-get install chromium")
    with _served(folder, *options) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        page = browser.new_page(base_url=url, color_scheme="light")
        page.set_default_timeout(LIMIT_MS)
        # The sums of the log are read once a page asks for them.
        page.goto("/spend")
        for shot in SHOTS:
            _take(page, shot, target)
        browser.close()


def _take(page: "Page", shot: Shot, target: Path) -> None:
    page.set_viewport_size({"width": WIDTH, "height": shot.height})
    page.goto(shot.path)
    while page.get_by_text(READING).count():
        page.reload()
    if shot.press:
        page.get_by_role("button", name=shot.press).click()
    if shot.wait_for:
        page.get_by_text(shot.wait_for).first.wait_for()
        page.goto(shot.path)
    page.screenshot(path=str(target / f"{shot.name}.png"))


@contextmanager
def _served(folder: Path, *options: str) -> Iterator[str]:
    """Run `orch ui` in a folder; give its URL."""
    command = [*COMMAND, "ui", "--port", "0", *options]
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        said = []
        for line in server.stderr:
            said.append(line)
            if "serve_started" in line:
                yield json.loads(line)["url"]
                return
        raise OperatorError(f"`orch ui` did not start: {''.join(said)[-500:]}")
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=LIMIT_MS / 1000)
