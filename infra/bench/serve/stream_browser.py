"""Chromium on the page of decisions, watched while it changes."""

import asyncio
import shutil
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from infra.pictures.shots import FLAGS
from streams.errors import OperatorError

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page

LOOK_S = 1.0
"""Time between two looks at the page."""

LAST_LOOKS = 30
"""Looks at most after the last decision."""

HELD_S = 2.0
"""Time for which a list that is held must stand still."""

ON_THE_WAY_S = 1.0
"""Time in which a message that came before the list was held may still change it."""

_WATCH = """() => { window.longest = 0; window.met = new Set();
  const list = document.querySelector("#decisions"), decided = ".answer.chosen, .state.undecided";
  const meet = () => list.querySelectorAll("li").forEach(row => row.querySelector(decided) && window.met.add(row.id));
  new MutationObserver(meet).observe(list, {childList: true, subtree: true});
  new PerformanceObserver(found => found.getEntries().forEach(each => {
    window.longest = Math.max(window.longest, each.duration); })).observe({type: "longtask"}); }"""

_LOOK = """() => {
  const number = path => parseInt((document.querySelector(path)?.textContent || "0").replaceAll(",", "")) || 0;
  return {rows: document.querySelectorAll("#decisions > li").length, nodes: document.querySelectorAll("*").length,
    heap_mib: performance.memory.usedJSHeapSize / 1048576, first: document.querySelector("#decisions > li")?.id,
    decided: number("#counts li:nth-child(1) b") + number("#counts li:nth-child(3) b"), unseen: number("#unseen"),
    met: window.met.size, longest_ms: window.longest}; }"""

_FIRST = "() => document.querySelector('#decisions > li')?.id"


class StreamBrowser:
    """
    A browser that keeps the page of decisions open.

    Args:
        port: Port of the server.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._looks: list[dict[str, Any]] = []
        self._answered_s: list[float] = []
        self._complaints: list[str] = []
        self._second: dict[str, Any] = {}
        self.opened, self.stopping = asyncio.Event(), asyncio.Event()

    async def run(self, second_after_s: float) -> None:
        """
        Look at the page once a second until told to stop.

        Args:
            second_after_s: Time after which a second window opens the page, and holds its list for a while.

        Raises:
            OperatorError: There is no browser.
        """
        from playwright.async_api import async_playwright

        program = shutil.which("chromium")
        if program is None:
            raise OperatorError("no program `chromium` is in the PATH", remedy="apt-get install chromium")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
            page = await self._page(browser)
            await page.evaluate(_WATCH)
            self.opened.set()
            second = asyncio.create_task(self._hold(browser, second_after_s))
            while not self.stopping.is_set():
                await self._look(page)
                await asyncio.sleep(LOOK_S)
            await second
            await self._look_at_the_end(page)
            await browser.close()

    async def _look_at_the_end(self, page: "Page") -> None:
        """Look until the last messages are there, which come a moment after their decisions."""
        for _ in range(LAST_LOOKS):
            await self._look(page)
            if not self.told()["neither"]:
                return
            await asyncio.sleep(LOOK_S)

    async def _page(self, browser: "Browser") -> "Page":
        page = await browser.new_page(base_url=f"http://127.0.0.1:{self._port}")
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        await page.goto("/")
        return page

    def _heard(self, said: "ConsoleMessage") -> None:
        if said.type in ("error", "warning"):
            self._complaints.append(said.text)

    async def _look(self, page: "Page") -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._looks.append(await page.evaluate(_LOOK))
        self._answered_s.append(loop.time() - begun)

    async def _hold(self, browser: "Browser", after_s: float) -> None:
        await asyncio.sleep(after_s)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        page = await self._page(browser)
        self._second["opened_s"] = round(loop.time() - begun, 2)
        await page.get_by_role("link", name="Pause").click()
        await page.get_by_role("link", name="Go on").wait_for()
        await asyncio.sleep(ON_THE_WAY_S)
        first = await page.evaluate(_FIRST)
        await asyncio.sleep(HELD_S)
        self._second["stands_still"] = await page.evaluate(_FIRST) == first
        await page.close()

    def told(self) -> dict[str, Any]:
        """Say what it saw: of everything that is bounded the most, and the list before its end."""
        last = self._looks[-1]
        moved = sum(one["first"] != other["first"] for one, other in pairwise(self._looks))
        return {
            "decisions": last["met"],
            "told_unseen": last["unseen"],
            "neither": last["decided"] - last["met"] - last["unseen"],
            "looks": len(self._looks),
            "looks_with_news": moved,
            "most_rows": max(each["rows"] for each in self._looks),
            "nodes": [self._looks[0]["nodes"], max(each["nodes"] for each in self._looks)],
            "heap_mib": [round(self._looks[0]["heap_mib"], 1), round(last["heap_mib"], 1)],
            "slowest_answer_ms": round(1000 * max(self._answered_s)),
            "longest_task_ms": round(last["longest_ms"]),
            "second_window": self._second,
            "complaints": self._complaints[:5],
        }
