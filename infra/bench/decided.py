"""
Throughput of the embedded session in decided questions per second.

Feedback, learning and durable commits are on. Baselines: the same rows as plain SQLite inserts, and one open question
at a time.
"""

import cProfile
import io
import pstats
import sqlite3
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from infra.bench.figures import Figure, Sizes
from infra.bench.workload import STATED, SessionRun, questions, run_session
from streams.runtimes.embedded.open_file import open_to_write
from streams.settings import RunSettings

TARGET_PER_S = 1_000
WARM_UP_QUESTIONS = 200

Parts = tuple[tuple[str, tuple[str, ...]], ...]

PARTS: Parts = (
    # Part, and what a function's place contains that belongs to it; the first that fits.
    ("SQLite", ("sqlite3.",)),
    ("JSON encoding", ("orjson",)),
    ("SHA-256", ("_hashlib", "_sha2")),
    ("pydantic", ("pydantic",)),
    ("schemas", ("/schemas/",)),
    ("processors", ("/streams/processors/",)),
    ("runtime", ("/streams/runtimes/",)),
    ("workers", ("/streams/workers/", "/streams/agents/")),
)

Advance = Callable[[int], None]


def measure(directory: Path, sizes: Sizes, advance: Advance) -> list[Figure]:
    """
    Run the session several times over new logs.

    Args:
        directory: A fresh one; logs are left in it.
        sizes: How many runs and questions.
        advance: Called when a run is done.

    Returns:
        Decided questions and events per second, and the two baselines.
    """
    run_session(directory / "warm-up.db", islice(questions(), WARM_UP_QUESTIONS))
    ran, plain, alone = [], [], []
    for number in range(sizes.runs):
        path = directory / f"decided-{number}.db"
        ran.append(run_session(path, islice(questions(), sizes.decided)))
        plain.append(insert_only(path, directory / f"plain-{number}.db", ran[-1]))
        alone.append(run_session(directory / f"alone-{number}.db", islice(questions(), sizes.one_by_one), window=1))
        path.unlink()
        advance(1)
    window = RunSettings().window
    return [
        Figure(
            bench="decided",
            name="decided questions",
            unit="1/s",
            values=tuple(run.questions / run.seconds for run in ran),
            target=TARGET_PER_S,
            note=f"{sizes.decided:,} questions, {window} open at a time, {ran[0].commits:,} commits; {STATED}",
        ),
        Figure(
            bench="decided",
            name="events of these",
            unit="1/s",
            values=tuple(run.events / run.seconds for run in ran),
            note=f"{ran[0].events / ran[0].questions:.1f} events a question, each folded and named by its content",
        ),
        Figure(
            bench="decided",
            name="baseline: one question at a time",
            unit="1/s",
            values=tuple(run.questions / run.seconds for run in alone),
            note=f"the same session with 1 open, {sizes.one_by_one:,} questions",
        ),
        Figure(
            bench="decided",
            name="baseline: plain SQLite inserts",
            unit="events/s",
            values=tuple(run.events / seconds for run, seconds in zip(ran, plain, strict=True)),
            note="the same rows into the same table with its indexes, in as many commits; no folds, no states",
        ),
    ]


def insert_only(source: Path, target: Path, ran: SessionRun) -> float:
    """Insert the records of one log into a new file in as many transactions, and give the seconds."""
    with sqlite3.connect(source) as reading:
        rows = reading.execute("SELECT * FROM records ORDER BY seq").fetchall()
    reading.close()
    writing = open_to_write(target)
    size = -(-len(rows) // ran.commits)
    started = time.perf_counter()
    for first in range(0, len(rows), size):
        writing.execute("BEGIN IMMEDIATE")
        writing.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows[first : first + size])
        writing.execute("COMMIT")
    seconds = time.perf_counter() - started
    writing.close()
    target.unlink()
    return seconds


def profile(directory: Path, sizes: Sizes, most: int = 40) -> tuple[list[tuple[str, float]], str]:
    """
    Profile one run.

    Returns:
        Each part's share of the time, and the functions that took most of it. The profiler slows small Python functions
        down more than large C ones, so shares are a hint and no measurement.
    """
    run_session(directory / "warm-up-profile.db", islice(questions(), WARM_UP_QUESTIONS))
    profiler = cProfile.Profile()
    profiler.enable()
    run_session(directory / "profile.db", islice(questions(), sizes.decided))
    profiler.disable()
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text)
    stats.sort_stats("tottime").print_stats(most)
    return shares_of(stats), text.getvalue()


def shares_of(stats: pstats.Stats, parts: Parts = PARTS, without: str | None = None) -> list[tuple[str, float]]:
    """Give each part's share of the time, largest first; of the time but for one part, if one is left out."""
    spent: dict[str, float] = {}
    for (name, _, function), (_, _, own, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        place = f"{name} {function}"
        part = next((part for part, marks in parts if any(mark in place for mark in marks)), "Python and the rest")
        if part != without:
            spent[part] = spent.get(part, 0.0) + own
    total = sum(spent.values())
    return sorted(((part, own / total) for part, own in spent.items()), key=lambda share: -share[1])
