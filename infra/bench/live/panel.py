"""
Throughput of a panel with a merge agent.

The baseline asks the same agents one call after the other.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from infra.bench.figures import Figure
from infra.bench.live.plan import LiveSizes
from infra.bench.live.process import elsewhere
from infra.bench.live.world import World, analyst_task, panel_policy
from infra.bench.workload import questions
from infra.models import ModelProcess
from schemas.analyses import AnalysisPublished
from schemas.canonical import content_id
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.questions import QuestionAsked
from streams.agents.agent import Agent, Task, dismiss
from streams.agents.factory import make_agents
from streams.app.setup import Setup, answer
from streams.log import read_event, wall_clock_ms
from streams.processors import PROCESSORS
from streams.processors.answers.v1 import read_choice
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.runtimes.urls import open_reader
from streams.settings import RunSettings
from streams.topology import ANALYSES

OPEN, SINGLE, SEQUENTIAL = "open", "single", "sequential"

Advance = Callable[[int], None]


def measure(world: World, directory: Path, sizes: LiveSizes, runs: int, advance: Advance) -> list[Figure]:
    """
    Ask all questions as the program does, then some of them one at a time, and the same ones as the reference does.

    Returns:
        Questions a second and calls a question of each, ratios, and the share of equal decisions.
    """
    found: list[dict[str, dict[str, Any]]] = []
    with world.server(sizes.panel_ms, sizes.panel_spread_ms) as server:
        for number in range(runs):
            found.append(_run(server, directory / f"panel-{number}", sizes, number))
            advance(1)
    call = f"calls of {sizes.panel_ms} to {sizes.panel_ms + sizes.panel_spread_ms} ms"
    some = f"{sizes.one_by_one} questions, in each run other ones"
    reference = (
        f"baseline: as in the published single-process reference (arXiv 2602.01797) a question is asked after the other"
        f" and of it a call after the other, with the same agents and prompts and no log; {some}"
    )
    window, calls = RunSettings().live_window, RunSettings().calls_in_flight
    ours = f"panel: {sizes.questions} questions, static panel of 3 and a merge agent, {call}, new durable log"
    rates = {way: tuple(run[way]["per_s"] for run in found) for way in (OPEN, SINGLE, SEQUENTIAL)}
    figures = [
        _figure("panel: questions", "1/s", rates[OPEN], f"{ours}, up to {window} open and {calls:,} calls in flight"),
        _figure("panel, one question open: questions", "1/s", rates[SINGLE], f"one question open: {some}"),
        _figure("baseline, one call after the other: questions", "1/s", rates[SEQUENTIAL], reference),
    ]
    for way, name in ((OPEN, "panel"), (SINGLE, "panel, one question open")):
        ratios = tuple(own / base for own, base in zip(rates[way], rates[SEQUENTIAL], strict=True))
        figures.append(_figure(f"{name}: times the baseline", "x", ratios))
    for way, name in ((OPEN, "panel"), (SINGLE, "panel, one question open"), (SEQUENTIAL, "baseline")):
        figures.append(_figure(f"{name}: calls a question", "calls", tuple(run[way]["calls"] for run in found)))
    for what in ("decisions", "requests"):
        shares = tuple(_shared(run[OPEN][what], run[SEQUENTIAL][what]) for run in found)
        figures.append(_figure(f"{what} that are those of the baseline", "%", shares))
    return figures


def _figure(name: str, unit: str, values: tuple[float, ...], note: str = "") -> Figure:
    return Figure(bench="live", name=name, unit=unit, values=values, note=note)


def _shared(ours: Mapping[str, Any], baseline: Mapping[str, Any]) -> float:
    """Give the percentage of the baseline's questions with an equal value in the program's run."""
    return 100 * sum(bool(ours.get(name) == same) for name, same in baseline.items()) / len(baseline)


def _run(server: ModelProcess, path: Path, sizes: LiveSizes, number: int) -> dict[str, dict[str, Any]]:
    some = sizes.one_by_one
    part = {"first": number * some % max(1, sizes.questions - some + 1), "number": some}
    log = {"url": server.url, "path": str(path)}
    return {
        OPEN: _counted(server, ask_panel, first=0, number=sizes.questions, window=RunSettings().live_window, **log),
        SINGLE: _counted(server, ask_panel, **part, window=1, **log),
        SEQUENTIAL: _counted(server, ask_in_turn, **part, url=server.url),
    }


def _counted(server: ModelProcess, function: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    """Run one process, and add its rate and the server's count of calls a question."""
    before = server.stats()["requests"]["total"]
    found = elsewhere(function, **arguments)
    # The warm-up took one more question.
    asked = len(found["decisions"]) + 1
    calls = (server.stats()["requests"]["total"] - before) / asked
    return {**found, "calls": calls, "per_s": len(found["decisions"]) / found["seconds"]}


def ask_panel(url: str, path: str, first: int, number: int, window: int) -> dict[str, Any]:
    """
    Ask questions as `orch run` does, on a new log that is removed; in a process of its own.

    Returns:
        The seconds from the first question to the last commit; by question the decision, and the requests it took.
    """
    # Imports what the client needs, and opens a log of its own.
    _decide(url, Path(f"{path}-warm-up.db"), first + number, 1, window)
    return _decide(url, Path(f"{path}.db"), first, number, window)


def _decide(url: str, path: Path, first: int, number: int, window: int) -> dict[str, Any]:
    policy = panel_policy(url)
    decisions: dict[str, str | None] = {}

    def hear(event: Event) -> Sequence[Event]:
        if isinstance(event, DecisionMade):
            decisions[event.question_id] = event.answer
        return ()

    with EmbeddedWriter(path, PROCESSORS, clock=wall_clock_ms) as log:
        setup = Setup(policy, make_agents(policy, None), ())
        started_s = perf_counter()
        asked = islice(questions(), first, first + number)
        answer(log, setup, asked, run=RunSettings(live_window=window), listener=hear)
        seconds = perf_counter() - started_s
    requests: dict[str, list[str]] = {}
    with open_reader(f"sqlite:///{path}") as reader:
        for record in reader.records((ANALYSES,)):
            event = read_event(record)
            assert isinstance(event, AnalysisPublished)
            hashes = [attempt.provider.request_hash for attempt in event.attempts if attempt.provider is not None]
            requests[event.question_id] = sorted([*requests.get(event.question_id, ()), *hashes])
    path.unlink()
    return {"seconds": seconds, "decisions": decisions, "requests": requests}


def ask_in_turn(url: str, first: int, number: int) -> dict[str, Any]:
    """
    Ask questions as a program does that waits for each call before it makes the next; in a process of its own.

    Returns:
        As `ask_panel`.
    """
    return asyncio.run(_ask_in_turn(url, list(islice(questions(), first, first + number + 1))))


async def _ask_in_turn(url: str, asked: list[QuestionAsked]) -> dict[str, Any]:
    agents = make_agents(panel_policy(url), None)
    # Imports what the client needs.
    await _in_turn(agents, asked.pop())
    started_s = perf_counter()
    found = {question.question_id: await _in_turn(agents, question) for question in asked}
    seconds = perf_counter() - started_s
    await dismiss(agents)
    decisions = {name: decision for name, (decision, _) in found.items()}
    return {"seconds": seconds, "decisions": decisions, "requests": {name: sent for name, (_, sent) in found.items()}}


async def _in_turn(agents: Mapping[str, Agent], question: QuestionAsked) -> tuple[str | None, list[str]]:
    """Give what the merge agent decides, and the hashes of all requests."""
    *analysts, merger = agents
    task = analyst_task(question)
    asked: list[str] = []
    said = {name: await _reply(agents[name], task, asked) for name in analysts}
    # The order in which the program shows analyses, so that the merge agent gets an equal request.
    shown = sorted(analysts, key=lambda name: content_id(f"{question.question_id}\n{name}".encode()))
    merging = replace(task, role="merger", stage=1, analyses=tuple(said[name] for name in shown))
    verdict = await _reply(agents[merger], merging, asked)
    return read_choice(verdict, len(question.options)).answer, sorted(asked)


async def _reply(agent: Agent, task: Task, asked: list[str]) -> str:
    reply = await agent.reply(task)
    if reply.provider is not None:
        asked.append(reply.provider.request_hash)
    return reply.text
