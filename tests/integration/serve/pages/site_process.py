"""`orch ui` in a process, and a browser beside it."""

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from ....e2e.command import Ended, Place

LIMIT_MS = 120_000
"""Longest wait of a test for what takes milliseconds."""

AGENTS = (("ann", 50), ("ben", 600), ("cat", 1_200))
"""Names of the simulated agents, and the milliseconds that each takes."""

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def configure(place: Place, agents: Sequence[tuple[str, int]] = AGENTS) -> None:
    """Write a configuration with agents that take their time, all of whom are asked and vote."""
    lines = [
        f'[[agents]]\nkind = "simulated"\nname = "{name}"\nwaits = true\nlatency_ms = {latency_ms}\n'
        for name, latency_ms in agents
    ]
    rules = f'[routing]\nrule = "static"\npanel_size = {len(agents)}\n[merge]\nrule = "vote"\n'
    (place.path / "orch.toml").write_text("\n".join([*lines, rules]), "utf-8")


class SiteProcess:
    """A server with pages over a log, until closed."""

    def __init__(self, place: Place, *arguments: str, log: str = "sqlite:///orch.db") -> None:
        self.place, self.log = place, log
        self._process = place.start("--log", log, "ui", "--port", "0", *arguments)
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line.decode())
            if b"serve_started" in line:
                self.url: str = json.loads(line)["url"]
                return
        pytest.fail("".join(said))

    def post(self, path: str, value: object) -> Any:
        """Send a JSON value as a program does."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(value).encode(), headers)
        with urllib.request.urlopen(request, timeout=LIMIT_MS / 1000) as response:
            return json.load(response)

    def get(self, path: str) -> Any:
        """Get a JSON value as a program does."""
        with urllib.request.urlopen(self.url + path, timeout=LIMIT_MS / 1000) as response:
            return json.load(response)

    def orch(self, *arguments: str) -> Ended:
        """Run a command on the log; it succeeds."""
        done = self.place.orch("--log", self.log, *arguments)
        assert done.code == 0, done.err
        return done

    def close(self) -> int:
        """Stop the server, and give its exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=LIMIT_MS / 1000)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        return self._process.returncode


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's browser; without it the test is skipped, and says so."""
    program = os.environ.get("ORCH_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """One person with a browser window, who notes what the browser complains about."""

    def __init__(self, browser: Browser, site: SiteProcess, **options: Any) -> None:
        self.site = site
        self.context: BrowserContext = browser.new_context(base_url=site.url, **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(LIMIT_MS)
        self.complaints: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def go(self, path: str) -> Page:
        """Open a page."""
        self.page.goto(path)
        return self.page

    def ask(self, text: str, *options: str) -> None:
        """Fill the form and send it; without options the answer is a number."""
        page = self.go("/ask")
        page.get_by_label("Question").fill(text)
        if options:
            page.get_by_label("Options, one a line").fill("\n".join(options))
        else:
            page.get_by_label("a number").check()
        page.get_by_role("button", name="Ask", exact=True).click()

    def receipt(self, folder: Path) -> Path:
        """Download the receipt of the question that is shown."""
        with self.page.expect_download() as started:
            self.page.get_by_role("link", name="Download the receipt").click()
        target = folder / started.value.suggested_filename
        started.value.save_as(target)
        return target

    def close(self) -> None:
        """Close the window."""
        self.context.close()
