"""`orch ask`: one question, answered while one waits, with the reasons."""

import shlex
from collections.abc import Mapping
from typing import Any

import click

from schemas.agents import SimulatedAgent
from schemas.analyses import AnalysisPublished
from schemas.canonical import canonical_json, content_id
from schemas.decisions import DecisionMade, Exclusion
from schemas.policies import PolicyAdopted
from schemas.quantities import instant_of_ms
from schemas.questions import LETTERS, QuestionAsked
from schemas.registry import InvalidRecord, build
from streams.agents.calls.progress import Activity
from streams.app.setup import answer, hire, keep
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, App, pass_app
from streams.cli.render.live_progress import watched
from streams.cli.require_kafka import connection_of
from streams.errors import InvariantError, UsageError
from streams.log import Appender, LogReader, read_event, wall_clock_ms
from streams.topology import ANALYSES, DECISIONS, QUESTIONS

ID_DIGITS = 16
"""Hex digits of the content hash in an id made here: enough for 10^8 questions without two alike."""


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
@click.option("--subject", metavar="NAME", help="Subject, in which the router learns on its own.")
@click.option("--id", "question_id", metavar="ID", help="Id of the question; by default it follows from the content.")
@pass_app
def ask(
    app: App, text: str, options: tuple[str, ...], number: bool, subject: str | None, question_id: str | None
) -> int:
    """
    Ask one question and print the decision with its reasons.

    The agents are those of the configuration, or else those the log was used with last. The same question asked again
    is not asked again: it has its decision; an --id of its own makes it a new one. Without a decision the exit code
    is 4. On Kafka the workers answer, by the policy in force.
    """
    question = _question(text, options, number, subject, question_id)
    now = instant_of_ms(wall_clock_ms())
    staff = hire(app.config, (), now)
    if not app.log_exists:
        keep(staff, None, app.config)
    app.if_interrupted(f"The question {question.question_id!r} is safe in {app.log_url}; ask again to go on.")
    with app.open_writer() as log:
        with app.open_reader(about=question.question_id) as view:
            known = _find(view, QUESTIONS, question.question_id)
        if isinstance(known, QuestionAsked) and known.statement_id != question.statement_id:
            raise UsageError(f"--id {question.question_id!r} stands for another question", remedy="Choose another id")
        folding = log.folding()
        if folding is None:
            policy = _await_on_kafka(app, log, question)
        else:
            staff = keep(staff, log.policy, app.config)
            policy, activity = staff.policy, Activity()
            live = not all(agent.virtual for agent in staff.agents.values())
            with watched("asking", None, activity, live=live):
                answer(folding, staff, () if known else (question,), run=app.config.run, activity=activity)
    with app.open_reader(about=question.question_id) as reader:
        decision = _find(reader, DECISIONS, question.question_id)
        failures = _failures(reader, decision) if isinstance(decision, DecisionMade) else {}
    if not isinstance(decision, DecisionMade):
        raise InvariantError(f"question {question.question_id!r} has no decision after all questions were decided")
    if known:
        output.say("Asked before; this is the decision of then. --id asks it as a new question.")
    if all(isinstance(spec, SimulatedAgent) for spec in policy.agents):
        output.say("All agents are simulated: they know nothing, and their answers are made up.")
    if app.json:
        output.print_json({**decision.model_dump(mode="json"), "option": _option(decision.answer, question)})
    else:
        _print(decision, question, failures, app)
    return 0 if decision.status == "decided" else EXIT_DIFFERENCE


def _await_on_kafka(app: App, log: Appender, question: QuestionAsked) -> PolicyAdopted:
    """Publish the question, and wait for what the workers make of it; asked once more, it is the same question."""
    from streams.runtimes.kafka.reading.tail import decision_of

    policy = log.policy
    if policy is None:
        raise UsageError(f"{app.log_url} holds no policy", remedy="`orch policy adopt` writes the configured one")

    def ask() -> None:
        log.append(question)
        log.commit()

    def tell() -> None:
        output.say("No decision yet. Are workers running? `orch worker all` runs all stages.")

    decision_of(connection_of(app, "ask"), question.question_id, ask, tell)
    return policy


def _question(
    text: str, options: tuple[str, ...], number: bool, subject: str | None, question_id: str | None
) -> QuestionAsked:
    fields: dict[str, Any] = {
        "text": text,
        "options": options,
        "answer_type": "number" if number else "choice",
        "subject": subject,
    }
    if question_id is None:
        question_id = f"ask-{content_id(canonical_json(fields))[:ID_DIGITS]}"
    try:
        question = build(QUESTIONS, {**fields, "question_id": question_id}, wall_clock_ms())
    except InvalidRecord as error:
        raise UsageError(str(error)) from error
    if not isinstance(question, QuestionAsked):
        raise InvariantError(f"{QUESTIONS} holds a {question.kind}")
    return question


def _find(reader: LogReader, topic: str, question_id: str) -> QuestionAsked | DecisionMade | None:
    """Find the first record about a question in one topic: the one that counts."""
    for record in reader.about(question_id):
        if record.topic == topic:
            event = read_event(record)
            return event if isinstance(event, QuestionAsked | DecisionMade) else None
    return None


def _failures(reader: LogReader, decision: DecisionMade) -> dict[str, str]:
    """Say of each analysis that was left out what its last attempt failed with; a reply that did not count has none."""
    left_out = {seat.analysis_id for seat in decision.excluded}
    found: dict[str, str] = {}
    for record in reader.about(decision.question_id) if any(left_out) else ():
        if record.topic == ANALYSES:
            event = read_event(record)
            if isinstance(event, AnalysisPublished) and event.event_id in left_out and event.status == "failed":
                last = event.attempts[-1]
                found[event.event_id] = last.error or last.outcome
    return found


def _left_out(seat: Exclusion, failures: Mapping[str, str]) -> str:
    """Say why a seat did not count: `failed (rate_limited, 3 attempts)`."""
    reason = seat.reason.replace("_", " ")
    failure = failures.get(seat.analysis_id or "")
    if failure is None:
        return f"left out: {reason}"
    calls = output.counted(seat.conduct.attempts, "attempt")
    return f"left out: {reason} ({failure}, {calls})" if seat.conduct.attempts else f"left out: {reason} ({failure})"


def _option(given: str | None, question: QuestionAsked) -> str | None:
    """Give the text of an option by its letter."""
    return question.options[LETTERS.index(given)] if given is not None and question.options else None


def _print(decision: DecisionMade, question: QuestionAsked, failures: Mapping[str, str], app: App) -> None:
    agreement = decision.agreement
    if decision.status == "decided":
        option = _option(decision.answer, question)
        head = f"{decision.answer}  {option}" if option else str(decision.answer)
    else:
        head = "Undecided: too few readable answers."
    output.print_text(output.clean(head), style="bold")
    output.print_text(f"{agreement.agreeing} of {agreement.counted} agreed; {decision.rule}, {decision.reason}")
    output.print_text()
    counted = [
        (ballot.agent, ballot.answer, weight_of(decision.rule, ballot.weight), ballot.read_as, _took(ballot.conduct))
        for ballot in decision.counted
    ]
    excluded = [(seat.agent, "-", "-", _left_out(seat, failures), _took(seat.conduct)) for seat in decision.excluded]
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
            ("cost", f"{output.usd(decision.cost_nusd)} for {output.counted(decision.calls, 'call')}{unpriced}"),
            ("policy", decision.policy_id),
            ("question", f"{decision.question_id} in {app.log_url}"),
            ("more", f"{app.orch} explain {shlex.quote(decision.question_id)}"),
        ]
    )


def _tie(decision: DecisionMade) -> list[tuple[str, str]]:
    tie = decision.tie_break
    if tie is None:
        return []
    return [("tie", f"{', '.join(tie.tied)} stood equal; {tie.agent} comes first in the priority list")]


def weight_of(rule: str, weight: int) -> str:
    """Write a ballot's weight: votes as they are, log-odds in nats."""
    return str(weight) if rule.startswith("vote") else f"{weight / 1_000_000:.2f}"


def _took(conduct: Any) -> str:
    return "-" if conduct.latency_ms is None else f"{conduct.latency_ms:,} ms"
