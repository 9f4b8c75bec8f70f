"""The page of the router, its weights and policies."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from schemas.policies import PolicyAdopted
from schemas.quantities import NS_PER_MS, PPB
from schemas.questions import ALL_SUBJECTS
from streams.app.policy_history import AdoptedPolicy, Change, history_of, policy_difference, policy_named
from streams.audit.router_table import RouterTable, table_of
from streams.audit.weights_table import WeightsLine, weights_of
from streams.drawing.charts import Polyline, line_chart, percent
from streams.drawing.elements import Node
from streams.drawing.page import both_widths, figure, side_by_side
from streams.serve.pages.figures.courses import AveragePoint
from streams.serve.pages.figures.seat_sums import SeatSums
from streams.serve.pages.figures.tally import LogTally, TallyState
from streams.serve.pages.frame import page
from streams.serve.pages.site import SitePage, site_of

MOST_LINES = 8
"""Lines of one picture: so many tones can be told apart."""

MOST_SCOPES = 500
SHOWN_ADOPTIONS = 50

PICTURE_WIDTH = 560


@dataclass(frozen=True, slots=True)
class CourseDrawn:
    """How the course of one average is drawn."""

    name: str
    value: Callable[[AveragePoint], float]
    say: Callable[[float], str]
    unit: str
    """Quantity and unit at the axis."""
    least: float
    """Least height of the axis."""
    over: Callable[[AveragePoint], int] = lambda at: at.asked
    over_what: str = "questions that the agent was asked"


COURSES = (
    CourseDrawn(
        "Quality: share of right answers",
        lambda at: at.quality_ppb / PPB,
        percent,
        "right (%)",
        0.05,
        lambda at: at.lessons,
        "lessons: the right answer is known",
    ),
    CourseDrawn(
        "Stability: share of calls with an answer", lambda at: at.stability_ppb / PPB, percent, "answered (%)", 0.05
    ),
    CourseDrawn("Latency of a question", lambda at: at.latency_ns / NS_PER_MS, lambda ms: f"{ms:,.0f} ms", "ms", 10.0),
    CourseDrawn("Cost of a question", lambda at: at.cost_pusd / 1e12, lambda usd: f"${usd:.5f}", "USD", 1e-5),
)


@dataclass(frozen=True, slots=True)
class SeatsRow:
    """How often one agent was asked, and what that cost."""

    agent: str
    asked: int
    share: float
    """Of the questions of the subject."""
    shadowed: int
    counted: int
    agreed: int
    calls: int
    cost_nusd: int
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class RouterModel:
    """What the page shows of one scope."""

    scope: str
    scopes: Sequence[str]
    scopes_left_out: int
    table: RouterTable
    courses: Mapping[str, Sequence[AveragePoint]]
    """By agent, those of the policy by rank."""
    questions: int
    """Decisions of this scope."""
    seats: Sequence[SeatsRow]
    """Who was asked most, first."""
    weights: Sequence[WeightsLine]
    policies: Sequence[AdoptedPolicy]
    """Adoptions, the oldest first."""
    before: AdoptedPolicy | None
    after: AdoptedPolicy | None
    """The two that are compared."""
    changes: Sequence[Change]

    def pictures(self) -> Sequence[Node]:
        """Draw the course of each average."""
        shown = list(self.courses)[:MOST_LINES]
        if not any(len(self.courses[agent]) > 2 for agent in shown):
            return []
        legend = [(agent, place + 1) for place, agent in enumerate(shown)]
        drawn = [figure(self._picture(each, legend), each.name, None, legend) for each in COURSES]
        return [side_by_side(*drawn[:2]), side_by_side(*drawn[2:])]

    def _picture(self, drawn: CourseDrawn, legend: Sequence[tuple[str, int]]) -> Node:
        # What no question was counted for yet is the start of the average, and says nothing of the agent.
        series = [
            Polyline(agent, [(drawn.over(at), drawn.value(at)) for at in self.courses[agent] if drawn.over(at)], tone)
            for agent, tone in legend
        ]

        def draw(width: int) -> Node:
            name, over, unit = drawn.name, drawn.over_what, drawn.unit
            return line_chart(name, series, over, unit, drawn.say, least=drawn.least, width=width)

        return both_widths(draw, PICTURE_WIDTH)


def router_model(tally: LogTally, scope: str, before: str = "", after: str = "") -> RouterModel:
    """
    Lay the router of one scope out; whoever calls holds the lock of the tally.

    Args:
        tally: Sums of the log.
        scope: A subject, or `*`.
        before, after: Names of policies that are compared; empty: the newest two that differ.

    Raises:
        UsageError: The router has no such scope, or no policy is called so.
    """
    courses, scopes = tally.courses, tally.courses.scopes()
    policies = history_of(tally.noted.policies)
    policy = policies[-1].policy if policies else None
    table = table_of(policy, courses.entries(ALL_SUBJECTS, scope), scope)
    points = courses.of_scope(scope)
    ranked = [line["agent"] for line in table["lines"] if line["agent"] in points]
    questions = tally.seats.questions.get(scope, 0)
    first, second = _compared(policies, before, after)
    return RouterModel(
        scope,
        scopes[:MOST_SCOPES],
        max(len(scopes) - MOST_SCOPES, 0),
        table,
        {agent: points[agent] for agent in ranked},
        questions,
        _seats(tally.seats.subjects.get(scope, {}), questions),
        weights_of(tally.noted.weights_entries()),
        policies,
        first,
        second,
        [] if first is None or second is None else _differences(first.policy, second.policy),
    )


def _differences(before: PolicyAdopted, after: PolicyAdopted) -> Sequence[Change]:
    """List the settings in which two policies differ; an agent that only one of them has is one setting."""
    first, second = ({agent.name for agent in policy.agents} for policy in (before, after))
    alone = tuple(f"agent.{name}." for name in first ^ second)
    changes = [each for each in policy_difference(before, after) if not each.setting.startswith(alone)]
    gone = [Change(f"agent.{name}", "asked", None) for name in sorted(first - second)]
    come = [Change(f"agent.{name}", None, "asked") for name in sorted(second - first)]
    return [*changes, *gone, *come]


def _seats(agents: Mapping[str, SeatSums], questions: int) -> Sequence[SeatsRow]:
    rows = [
        SeatsRow(
            agent,
            sums.asked,
            sums.asked / questions if questions else 0.0,
            sums.shadowed,
            sums.counted,
            sums.agreed,
            sums.calls,
            sums.cost_nusd,
            sums.unpriced_calls,
        )
        for agent, sums in agents.items()
    ]
    return sorted(rows, key=lambda row: (-row.asked, row.agent))


def _compared(
    policies: Sequence[AdoptedPolicy], before: str, after: str
) -> tuple[AdoptedPolicy | None, AdoptedPolicy | None]:
    if not policies:
        return None, None
    second = policy_named(list(policies), after) if after else policies[-1]
    if before:
        return policy_named(list(policies), before), second
    others = [each for each in policies if each.name != second.name]
    return (others[-1] if others else None), second


def named_once(policies: Sequence[AdoptedPolicy]) -> Sequence[str]:
    """List the names of policies, each once, the newest first."""
    return list(dict.fromkeys(each.name for each in reversed(policies)))


async def router(request: Request) -> Response:
    """Show what the router has learned, whom it asked, and under which policies."""
    tally, query = site_of(request).tally, request.query_params
    await asyncio.to_thread(tally.ready)

    def read() -> tuple[RouterModel, TallyState]:
        with tally.lock:
            scope = query.get("scope") or ALL_SUBJECTS
            return router_model(tally, scope, query.get("before", ""), query.get("after", "")), tally.state()

    model, state = await asyncio.to_thread(read)
    shown = model.policies[: -SHOWN_ADOPTIONS - 1 : -1]
    return page(request, "figures/router.html", model=model, state=state, names=named_once(model.policies), shown=shown)


PAGES = (SitePage("/router", router, "Router"),)
