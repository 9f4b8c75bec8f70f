"""CPU profile of worker processes at saturation."""

import io
import pstats
from pathlib import Path
from typing import NamedTuple

from infra.bench.decided import PARTS, Parts, shares_of
from infra.bench.kafka.load import asking
from infra.bench.kafka.log import adopt, own_log, watched
from infra.bench.kafka.plan import KafkaPlan
from infra.bench.kafka.processes import at_work
from infra.bench.workload import bench_policy

_PROFILED = (
    "-c",
    "import cProfile, os; from streams.cli.main import main; profile = cProfile.Profile()\n"
    "try:\n    profile.runcall(main)\n"
    "finally:\n    profile.dump_stats(f'{os.getpid()}.profile')",
)
WAITING = "waiting"

_PARTS: Parts = (
    (WAITING, ("'poll' of 'select.epoll'", "'acquire' of '_thread.lock'")),
    ("Faust", ("/faust/", "/mode/")),
    ("aiokafka", ("/aiokafka/",)),
    ("asyncio", ("asyncio", "/selectors.py", "_socket.socket", "/threading.py", "contextvars", "Context.run")),
    *PARTS,
)


class Profiled(NamedTuple):
    """One worker's main thread."""

    worker: str
    shares: list[tuple[str, float]]
    """Of all the time but for waiting."""
    functions: str


async def profile(plan: KafkaPlan, most: int = 40) -> list[Profiled]:
    """
    Run once at saturation with every worker under a profiler.

    Returns:
        For each worker, the shares of its main thread and the functions that took most of it. Faust's consumers have
        threads of their own, which are not seen. The profiler slows small Python functions down more than large C ones,
        so shares are a hint and no measurement.
    """
    async with own_log(plan.connection) as log:
        async with (
            at_work(log, plan, program=_PROFILED) as workers,
            watched(log, workers) as watch,
            asking(watch) as load,
        ):
            await adopt(log, bench_policy())
            await load.saturate(plan.sizes.asked, plan.sizes.open)
            await watch.settled()
        return [_read(worker.name, plan.directory / f"{worker.pid}.profile", most) for worker in workers]


def _read(worker: str, path: Path, most: int) -> Profiled:
    text = io.StringIO()
    stats = pstats.Stats(str(path), stream=text)
    stats.sort_stats("tottime").print_stats(most)
    return Profiled(worker, shares_of(stats, _PARTS, without=WAITING), text.getvalue())
