"""Metrics of a command, served while it works."""

import importlib.util
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import structlog
from structlog.typing import FilteringBoundLogger

from streams.agents.agent import Agent
from streams.agents.calls.progress import CallProgress
from streams.errors import OperatorError
from streams.extras import install_command
from streams.instruments import names
from streams.instruments.address import Address
from streams.instruments.health import Health, Work
from streams.instruments.meters import BUDGETS, Meters
from streams.log import wall_clock_ms
from streams.version import installed_version
from streams.workers.embedded_session import EmbeddedSession

if TYPE_CHECKING:
    from streams.instruments.tracer import Tracer

RECENT_S = 300.0
"""Time for which `/readyz` tells of a call that a budget forbade."""

EXPOSED = (
    "Whoever reaches this address can read names of agents, topics and stages, counts, times and spend; no question, no"
    " answer and no key. It asks for no password."
)
"""Said of an address that other machines may reach."""


_log: FilteringBoundLogger = structlog.get_logger("orch.budget")


class Instruments(NamedTuple):
    """Meters of a process, and its judgement of itself."""

    meters: Meters
    health: Health


class Counted(NamedTuple):
    """What is counted of a job while it runs."""

    activity: CallProgress | None = None
    """Counters of calls that take wall time."""
    instruments: Instruments | None = None
    """Metrics and probes."""
    tracer: "Tracer | None" = None
    """Traces."""


NOT_COUNTED = Counted()


@contextmanager
def instruments(
    address: Address | None, command: str, stages: Sequence[str], tell: Callable[[str, str], None]
) -> Iterator[Instruments | None]:
    """
    Serve metrics and probes until the block ends.

    Args:
        address: Where to listen; None: nowhere, and nothing is counted.
        command, stages: What the process does, for the label of its metrics.
        tell: Is told the URL, and in words what is there, and who can read it if not this machine alone.

    Raises:
        OperatorError: The extra `metrics` is not installed, or the address cannot be used.
    """
    if address is None:
        yield None
        return
    if importlib.util.find_spec("prometheus_client") is None:
        raise OperatorError(
            "--metrics needs prometheus-client, which is not installed", remedy=install_command("metrics")
        )
    from streams.instruments.exposition import Exposition
    from streams.instruments.server import Door, listening

    meters = Meters()
    health = Health(meters)
    labels = installed_version() or "", command, ",".join(stages)
    meters.read(names.INFO, lambda: [(labels, 1)])
    with listening(address, Door(Exposition(meters), health)) as taken:
        url = f"http://{taken}"
        told = f"Metrics on {url}/metrics, probes on /healthz and /readyz."
        tell(url, told if taken.is_loopback else f"{told} {EXPOSED}")
        yield Instruments(meters, health)


class AgentReadings:
    """
    What the agents of a process say: calls in flight, circuit breakers, budgets.

    Args:
        given: Meters and judgement of the process.
        activity: Counters of calls that take wall time.
        agents: Gives the agents that were needed so far.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        given: Instruments,
        activity: CallProgress,
        agents: Callable[[], Iterable[Agent]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._meters = given.meters
        self._agents = agents
        self._clock = clock
        self._alone: dict[str, bool] = {}
        self._refused = dict.fromkeys(BUDGETS, (0.0, float("-inf")))
        """Of each budget, how many calls it forbade, and when that number changed last."""
        given.meters.read(names.CALLS_IN_FLIGHT, lambda: [((), activity.in_flight)])
        given.meters.read(names.BREAKER_OPEN, lambda: [((name,), is_open) for name, is_open in self._alone.items()])
        given.health.tell(self._troubles)

    def look(self) -> None:
        """Look at circuit breakers and budgets, in the thread that uses them."""
        alone: dict[str, bool] = {}
        for agent in self._agents():
            name = agent.spec.name
            if name not in self._alone:
                self._meters.expect_agent(name)
            is_open = agent.live is not None and agent.live.limiter.left_alone
            alone[name] = is_open or alone.get(name, False)
        self._alone = alone
        counts = self._meters.values(names.BUDGET_REFUSALS)
        for limit, (known, at) in self._refused.items():
            if counts[limit,] != known:
                now = self._clock()
                if now - at >= RECENT_S:
                    _log.warning("budget_spent", limit=limit, calls_refused=int(counts[limit,]))
                self._refused[limit] = counts[limit,], now

    def _troubles(self) -> Iterator[str]:
        for name, is_open in sorted(self._alone.items()):
            if is_open:
                yield f"agent {name} is left alone: too many of its calls failed in a row (circuit breaker)"
        for limit, (count, at) in self._refused.items():
            if self._clock() - at < RECENT_S:
                yield f"the budget of the {limit} is spent: {count:,.0f} calls were not made"


class RunReadings:
    """
    What a run on a log file says of itself.

    Args:
        given: Meters and judgement of the process.
        agents: What its agents say.
        session: Holds the open questions.
    """

    def __init__(self, given: Instruments, agents: AgentReadings, session: EmbeddedSession) -> None:
        self._agents = agents
        self._session = session
        session.waited = given.meters.note_waited
        given.meters.read(names.QUESTIONS_OPEN, lambda: [((), session.open)])
        given.meters.read(names.OLDEST_QUESTION, lambda: [((), self._oldest_s())])
        self._looks = 0
        given.health.follow(self._works)

    def _oldest_s(self) -> float:
        oldest_ms = self._session.oldest_ms
        return 0.0 if oldest_ms is None else max(0, wall_clock_ms() - oldest_ms) / 1000

    def _works(self) -> Iterator[Work]:
        # One thread folds, calls and looks: if it looks, it works.
        self._agents.look()
        self._looks += 1
        yield Work("all", None, 0, self._looks)
