"""`orch ask`: one question, its decision and the reasons."""

import shlex
from collections.abc import Mapping
from typing import Any

import click
import orjson

from schemas.decisions import DecisionMade, Exclusion
from streams.app import amounts
from streams.app.ask import Answered, question_of
from streams.app.ask import ask as ask_panel
from streams.audit.figures import usd
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, App, pass_app
from streams.cli.render.terminal import Terminal


@command(
    examples=(
        'orch ask "Which planet is closest to the Sun?" --option Venus --option Mercury --option Mars',
        'orch ask "What is 17 times 23?" --number --subject arithmetic',
        'orch --format json ask "Is 91 a prime number?" --option yes --option no',
    )
)
@click.argument("text")
@click.option("--option", "options", multiple=True, metavar="ANSWER", help="An answer to choose from; give 2 to 26.")
@click.option("--number", is_flag=True, help="The answer is a number, so there are no options.")
@click.option("--subject", metavar="NAME", help="Subject; the router keeps averages of its own for each.")
@click.option("--id", "question_id", metavar="ID", help="Id of the question; by default it follows from the content.")
@pass_app
def ask(
    app: App, text: str, options: tuple[str, ...], number: bool, subject: str | None, question_id: str | None
) -> int:
    """
    Ask one question and print the decision with its reasons.

    The agents are those of the configuration, or else those of the log's newest policy. A question that was asked
    before is not asked again: its decision is printed; another --id makes it a new question. If it stays undecided, the
    exit code is 4. On Kafka the workers answer, under the policy in force.
    """
    question = question_of(text, options, number=number, subject=subject, question_id=question_id)
    app.if_interrupted(f"The question {question.question_id!r} is safe in {app.log_url}; ask again to go on.")
    answered = ask_panel(app, question, Terminal())
    decision = answered.decision
    if answered.known:
        output.say("Asked before; this is the decision from then. --id asks it as a new question.")
    if answered.made_up:
        output.say("All agents are simulated: their answers are generated and carry no knowledge.")
    if app.json:
        output.print_json({**orjson.loads(decision.encode()), "option": answered.option})
    else:
        _print(answered, app)
    return 0 if decision.status == "decided" else EXIT_DIFFERENCE


def _left_out(seat: Exclusion, failures: Mapping[str, str]) -> str:
    """Format the reason of an exclusion: `failed (rate_limited, 3 attempts)`."""
    reason = seat.reason.replace("_", " ")
    failure = failures.get(seat.analysis_id or "")
    if failure is None:
        return f"left out: {reason}"
    calls = amounts.counted(seat.conduct.attempts, "attempt")
    return f"left out: {reason} ({failure}, {calls})" if seat.conduct.attempts else f"left out: {reason} ({failure})"


def _print(answered: Answered, app: App) -> None:
    decision = answered.decision
    agreement = decision.agreement
    if decision.status == "decided":
        head = f"{decision.answer}  {answered.option}" if answered.option else str(decision.answer)
    else:
        head = "Undecided: too few readable answers."
    output.print_text(output.clean(head), style="bold")
    output.print_text(f"{agreement.agreeing} of {agreement.counted} agreed; {decision.rule}, {decision.reason}")
    output.print_text()
    counted = [
        (ballot.agent, ballot.answer, weight_of(decision.rule, ballot.weight), ballot.read_as, _took(ballot.conduct))
        for ballot in decision.counted
    ]
    excluded = [
        (seat.agent, "-", "-", _left_out(seat, answered.failures), _took(seat.conduct)) for seat in decision.excluded
    ]
    output.print_table(
        ("agent", "answer", "weight", "read as", "took"), (*counted, *excluded), right=("weight", "took")
    )
    output.print_text()
    tally = sorted(decision.tally.items(), key=lambda item: (-item[1], item[0]))
    unpriced = f", without {decision.unpriced_calls} whose cost is not known" if decision.unpriced_calls else ""
    output.print_pairs(
        [
            ("tally", ", ".join(f"{given} {weight_of(decision.rule, weight)}" for given, weight in tally) or "empty"),
            *_tie(decision),
            ("cost", f"{usd(decision.cost_nusd)} for {amounts.counted(decision.calls, 'call')}{unpriced}"),
            ("policy", decision.policy_id),
            ("question", f"{decision.question_id} in {app.log_url}"),
            ("more", f"{app.orch} explain {shlex.quote(decision.question_id)}"),
        ]
    )


def _tie(decision: DecisionMade) -> list[tuple[str, str]]:
    tie = decision.tie_break
    if tie is None:
        return []
    return [("tie", f"{', '.join(tie.tied)} were tied; {tie.agent} comes first in the priority list")]


def weight_of(rule: str, weight: int) -> str:
    """Write a ballot's weight: votes and those of other distributions' rules as they are, log-odds in nats."""
    return str(weight) if rule.startswith(("vote", "own:")) else f"{weight / 1_000_000:.2f}"


def _took(conduct: Any) -> str:
    return "-" if conduct.latency_ms is None else f"{conduct.latency_ms:,} ms"
