"""Match rates as text for people."""

from streams.app import amounts
from streams.audit.figures import usd
from streams.audit.match_rate import MatchRate, Requery
from streams.cli import output

SHOWN = 20


def print_match_rate(found: Requery) -> None:
    """Print the match rate of each agent and of all."""
    rows = [_row(name, rate) for name, rate in sorted(found.agents.items())]
    chosen = amounts.counted(found.chosen, "request")
    output.print_text(f"Match rate of {chosen}, asked again: the share of the answers that are equal", style="bold")
    columns = ["agent", "match rate", "equal", "same text", "different", "unreadable", "failed", "refused", "cost"]
    output.print_table(
        columns,
        [*rows, _row("all", found.total)],
        right=columns[1:],
        names=1,
    )
    if found.total.fates["other request"]:
        output.print_text(
            f"  {found.total.fates['other request']:,} not sent: this version would write another request than recorded"
        )
    for error, times in sorted(found.total.errors.items()):
        output.print_text(f"  {times:,} ended in {error}")
    if found.changed:
        output.print_text()
        output.print_table(
            ["question", "agent", "recorded", "again"],
            [
                [question, agent, before, after or "unreadable"]
                for question, agent, before, after in found.changed[:SHOWN]
            ],
            title="Other answers",
        )
    if len(found.changed) > SHOWN:
        output.say(f"The first {SHOWN} of {len(found.changed):,}; --format json lists all.")
    output.say(
        "A match rate says how often a model gives its answer again. It proves no decision; `orch replay` does, without"
        " asking anybody."
    )


def _row(name: str, rate: MatchRate) -> list[str]:
    fates = rate.fates
    unpriced = f" and {amounts.counted(rate.unpriced_calls, 'unpriced call')}" if rate.unpriced_calls else ""
    return [
        name,
        amounts.share(fates["equal"], rate.answered),
        f"{fates['equal']:,}",
        f"{rate.same_text:,}",
        f"{fates['different']:,}",
        f"{fates['unreadable']:,}",
        f"{fates['failed']:,}",
        f"{fates['refused']:,}",
        f"{usd(rate.cost_nusd)}{unpriced}",
    ]
