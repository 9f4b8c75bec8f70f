"""A trial of a backlog, from first question to check."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from infra.broker import Broker
from infra.chaos.backlog.asker import Asker
from infra.chaos.backlog.trial_spec import BacklogSpec, Kind, Outcome
from infra.chaos.backlog.troubles import Troubles
from infra.chaos.checker import check
from infra.chaos.client import Offsets, records
from infra.chaos.compaction import STAGES, squeeze
from infra.chaos.reading import TOPICS
from infra.chaos.removal import RemovalWatch
from infra.chaos.rest import lags, replayed, settle
from infra.chaos.supervisor import Supervisor
from infra.chaos.workers import Duty, prepare
from streams.errors import OperatorError

# One static member of the consumer groups and one dynamic one: the two rebalance in different ways.
_FOLDING = (Duty("free", STAGES, fixed=False, keeps=True), Duty("fixed", STAGES, fixed=True, keeps=True))
_ANSWERING = (Duty("agents", ("agents",), fixed=False, keeps=False),)

_SHARE = 4
"""One question in so many is half answered before the trouble, asked again after it, and judged at the end."""


_MORE = 5
"""Most outages that are added while no owner without a local copy has met compaction."""


def run(plan: BacklogSpec, tell: Callable[[str], None]) -> Outcome:
    """
    Do a trial. It leaves no process and no file.

    Args:
        tell: Receives progress messages.

    Raises:
        OperatorError: It cannot begin: no Java, no room, no confluent-kafka, or no backlog comes about.
    """
    with tempfile.TemporaryDirectory(prefix="orch-chaos-") as place, Broker(Path(place, "broker")) as broker:
        return _BacklogTrial(plan, broker, Path(place), tell).run()


class _BacklogTrial:
    def __init__(self, plan: BacklogSpec, broker: Broker, folder: Path, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._broker = broker
        self._folder = folder
        self._say = tell
        self._began = time.monotonic()
        self._folding = Supervisor(_FOLDING, broker.url, folder, plan.engine, shares=False, factor=plan.factor)
        self._answering = Supervisor(_ANSWERING, broker.url, folder, plan.engine)
        self._half_answered = self._open_after = self._again_after = 0

    def _clock(self) -> float:
        return round(time.monotonic() - self._began, 2)

    def _tell(self, text: str) -> None:
        self._say(f"{self._clock():8.1f} s  {text}")

    def run(self) -> Outcome:
        prepare(self._folder, self._broker.url, self._plan.policy)
        squeeze(self._broker.bootstrap)
        with ExitStack() as closing:
            closing.callback(self._folding.close)
            closing.callback(self._answering.close)
            self._folding.start()
            self._answering.start()
            with ExitStack() as running:
                asker = Asker(self._broker.bootstrap, self._plan.seed)
                running.callback(asker.close)
                offsets = running.enter_context(Offsets(self._broker.bootstrap))
                watch = RemovalWatch(self._broker.bootstrap, lambda: asker.open)
                running.callback(watch.close)
                troubles = Troubles(self._plan, self._folding, asker, offsets, watch, self._clock)
                self._leave_open(asker, offsets, troubles)
                unsettled = self._trouble(troubles, watch) or self._decide(asker, offsets, troubles)
            ended = {**self._folding.end(), **self._answering.end()}
        self._tell(f"all is quiet; checking {len(asker.asked):,} questions")
        return Outcome(
            self._plan,
            troubles.made,
            self._half_answered,
            self._open_after,
            self._again_after,
            unsettled,
            [*self._folding.exits, *self._answering.exits],
            ended,
            self._folding.starts,
            self._folding.told,
            watch.finish(self._folding.openings),
            check(records(self._broker.bootstrap, TOPICS), asker.asked),
            replayed(self._folder, self._broker.url),
            time.monotonic() - self._began,
        )

    def _leave_open(self, asker: Asker, offsets: Offsets, troubles: Troubles) -> None:
        """Have some questions decided and judged; then take the agents away from many, some of them half answered."""
        asker.ask(self._plan.before)
        troubles.until(lambda: not asker.open, "the first questions are not decided")
        asker.tell(asker.asked)
        some = max(1, self._plan.questions // _SHARE)
        asker.ask(some)
        troubles.until(lambda: asker.half_answered > some // 2 or not asker.open, "no question is answered in part")
        self._answering.close()
        # A question whose analyses are complete may be about to be decided.
        while asker.open < self._plan.questions or asker.unassigned or lags(offsets):
            asker.ask(max(0, self._plan.questions - asker.open))
            troubles.until(lambda: not asker.unassigned and not lags(offsets), "panels are missing")
            troubles.until(lambda: asker.has_heard(offsets.ends()), "decisions are not heard")
        self._half_answered = asker.half_answered
        self._tell(f"{asker.open:,} questions are open, {self._half_answered} half answered, the agents are gone")
        troubles.await_compaction()
        self._tell("of every stage something is compacted")

    def _trouble(self, troubles: Troubles, watch: RemovalWatch) -> str:
        """Make all the trouble, and more while a proof is missing; give the reason if that fails."""
        kinds = self._plan.troubles()
        limit, owners = len(kinds) + _MORE, self._plan.outages > 0
        while kinds or (len(troubles.made) < limit and watch.finish(self._folding.openings).lacking(owners=owners)):
            kind: Kind = kinds.pop(0) if kinds else "outage"
            try:
                made = troubles.make(kind)
            except OperatorError as error:
                return error.message
            done = f"{len(troubles.made)}. {kind} {made.target}"
            self._tell(f"{done}: open {made.open}, lag {made.lag}, {made.disk} disk")
        return ""

    def _decide(self, asker: Asker, offsets: Offsets, troubles: Troubles) -> str:
        """Ask again what is open and what was decided, let the agents come, and judge late what they decide."""
        asker.flush()
        again = [*asker.undecided[::_SHARE], *(asker.asked - set(asker.undecided))]
        self._open_after, self._again_after = asker.open, len(again)
        asker.ask_again(again)
        asker.tell(asker.asked - set(asker.undecided))
        asker.flush()
        # A second panel, if the program makes one, must come before the agents answer.
        unsettled = settle(offsets, lambda: 0, troubles.pause, self._tell, stages=STAGES)
        if unsettled:
            return unsettled
        self._tell(f"{len(again):,} questions were asked again; the agents come for {asker.open:,}")
        waiting = asker.undecided
        self._answering.start()

        def pause(seconds: float) -> bool:
            self._answering.look()
            return troubles.pause(seconds) and self._answering.idle

        # A decision has its whole panel here, so no call is under way once all is decided.
        unsettled = settle(offsets, lambda: asker.open, pause, self._tell, stages=STAGES)
        if not unsettled:
            asker.tell(waiting[::_SHARE])
            asker.flush()
            unsettled = settle(offsets, lambda: asker.open, pause, self._tell, stages=STAGES)
        return unsettled
