"""The page of spend and latency, by agent and day."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from streams.audit.figures import usd
from streams.drawing.charts import Estimate, bar_chart, estimates_chart
from streams.drawing.elements import Node
from streams.drawing.page import both_widths, figure
from streams.serve.pages.figures.call_sums import CallSums, SpendSums
from streams.serve.pages.figures.tally import TallyState
from streams.serve.pages.frame import page
from streams.serve.pages.site import SitePage, site_of

SHOWN_DAYS = 31
SHOWN_AGENTS = 50
TONES = 8


@dataclass(frozen=True, slots=True)
class CallsRow:
    """Calls of one agent, on one day or on all."""

    agent: str
    day: str
    """Empty for all days."""
    calls: int
    shadow_calls: int
    failed: int
    refused: int
    input_tokens: int
    output_tokens: int
    cost_nusd: int
    unpriced_calls: int
    p50_ms: int | None
    p95_ms: int | None

    @classmethod
    def of(cls, agent: str, sums: CallSums, day: str = "") -> "CallsRow":
        """Take it from sums as they are now."""
        return cls(
            agent,
            day,
            sums.calls,
            sums.shadow_calls,
            sums.failed,
            sums.refused,
            sums.input_tokens,
            sums.output_tokens,
            sums.cost_nusd,
            sums.unpriced_calls,
            sums.latencies.at(50),
            sums.latencies.at(95),
        )


@dataclass(frozen=True, slots=True)
class SpendModel:
    """What the page shows."""

    agents: Sequence[CallsRow]
    """By cost, the dearest first."""
    days: Sequence[tuple[str, Sequence[CallsRow]]]
    """The newest first."""
    agents_left_out: int
    days_left_out: bool
    """Whether there were earlier days."""

    @property
    def calls(self) -> int:
        """Calls of all agents that are listed."""
        return sum(row.calls for row in self.agents)

    @property
    def failed(self) -> int:
        """Failed calls of them."""
        return sum(row.failed for row in self.agents)

    @property
    def cost_nusd(self) -> int:
        """Known cost of them."""
        return sum(row.cost_nusd for row in self.agents)

    @property
    def unpriced_calls(self) -> int:
        """Calls of them whose cost is not known."""
        return sum(row.unpriced_calls for row in self.agents)

    def pictures(self) -> Sequence[Node]:
        """Draw spend by agent and day, and latency by agent."""
        tones = {row.agent: 1 + place % TONES for place, row in enumerate(self.agents)}
        bars = [Estimate(row.agent, row.cost_nusd / 1e9, tone=tones[row.agent]) for row in self.agents[:12]]
        days = [Estimate(day, sum(row.cost_nusd for row in rows) / 1e9, tone=1) for day, rows in reversed(self.days)]
        spans = [
            Estimate(row.agent, float(row.p50_ms), float(row.p50_ms), float(row.p95_ms), tones[row.agent])
            for row in self.agents[:12]
            if row.p50_ms is not None and row.p95_ms is not None
        ]
        drawn = []
        if any(bar.value for bar in bars):
            drawn.append(_bars("Spend by agent, in US dollars", bars, "Spend by agent (USD)"))
        if len(days) > 1 and any(bar.value for bar in days):
            drawn.append(_bars("Spend by day, in US dollars", days, "Spend by day (UTC), in USD"))
        if any(span.high for span in spans):
            title = "Latency by agent, in milliseconds"
            picture = both_widths(lambda width: estimates_chart(title, spans, _ms, width=width))
            said = "Latency of calls: the dot is the median (p50), the line reaches to what 95 % did not exceed (p95)"
            drawn.append(figure(picture, said))
        return drawn


def _bars(title: str, bars: Sequence[Estimate], said: str) -> Node:
    return figure(both_widths(lambda width: bar_chart(title, bars, _dollars, width=width)), said)


def spend_model(sums: SpendSums) -> SpendModel:
    """Lay the sums out; whoever calls holds the lock of the tally."""
    rows = sorted((CallsRow.of(agent, each) for agent, each in sums.agents.items()), key=_dearest)
    newest = islice(sorted(sums.days, reverse=True), SHOWN_DAYS)
    days = [(day, _rows_of(day, sums.days[day])) for day in newest]
    earlier = sums.before is not None or len(sums.days) > SHOWN_DAYS
    return SpendModel(rows[:SHOWN_AGENTS], days, max(len(rows) - SHOWN_AGENTS, 0), earlier)


def _rows_of(day: str, agents: Mapping[str, CallSums]) -> Sequence[CallsRow]:
    rows = sorted((CallsRow.of(agent, each, day) for agent, each in agents.items()), key=_dearest)
    return rows[:SHOWN_AGENTS]


def _dearest(row: CallsRow) -> tuple[int, int, str]:
    return -row.cost_nusd, -row.calls, row.agent


def _dollars(value: float) -> str:
    """Write an amount with the digits that count, at least to the cent."""
    return f"${value:,.2f}" if value >= 1 or value == 0 else usd(round(value * 10**6) * 1000)


def _ms(value: float) -> str:
    return f"{value:,.0f} ms"


async def spend(request: Request) -> Response:
    """Show what calls cost, and how long they took."""
    tally = site_of(request).tally
    await asyncio.to_thread(tally.ready)

    def read() -> tuple[SpendModel, TallyState]:
        with tally.lock:
            return spend_model(tally.spend), tally.state()

    model, state = await asyncio.to_thread(read)
    return page(request, "figures/spend.html", model=model, state=state)


PAGES = (SitePage("/spend", spend, "Spend"),)
