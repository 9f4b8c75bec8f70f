"""
Untrusted text in prompts, with models that obey it.

Strangers' texts stay data: in the prompt, and where a model obeys them word for word.

What is enforced whatever a model does: a text stays in its block, adds no option, forges no tag; what a model gives
becomes one analysis of its own seat, read as an option of the question or as nothing; no event follows from it but
those that processors write, which replay to the byte; and no key that a worker knows gets into the log.

What a model that obeys can still do: change its own ballot, to another option or to none; as dispatcher, choose words
that lead its fellows astray; as merge agent, decide for any of the options, where the policy lets a merge agent decide.
It can also repeat what it was told, for instructions are no secret: they stand in the policy. A key that it gives
away in pieces or in a cipher is not recognised; models are never told one, only gateways see it.
"""

from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from schemas.prompts import Prompts
from schemas.questions import QuestionAsked
from streams.agents.prompts import MOST_ANALYSIS_CHARACTERS, messages_of, visible
from streams.audit.replay.replay import replay
from streams.log import read_event
from streams.processors.answers.v1 import canonical_number
from streams.processors.ballot import LONGEST_ANSWER
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import moment
from .injection_parrot import MASKED, PANEL, Parrot, panel_policy, run_panel
from .injection_payloads import CASES, FAMILIES, HARMLESS, KEY, Case, could_be_name
from .injection_prompts import check_characters, letters_in, mark_of, sections

KINDS = {
    "policy.adopted.v1",
    "question.asked.v1",
    "panel.assigned.v1",
    "stage.opened.v1",
    "analysis.published.v1",
    "decision.made.v1",
    "agent.observed.v1",
    "router.entry.v1",
}
"""What there is in a log of questions that were asked and decided, and of no feedback."""

MERGED = {("ask merge agent", "decide"), ("ask merge agent", "fall back")}

WORLDS = {
    # Policy, the rules that can have decided, and the outcomes that a trace can have.
    "vote": (panel_policy(merge={"rule": "vote"}), {"vote.v1"}, {("decide",)}),
    "all roles": (
        panel_policy(merge={"rule": "agent"}, decomposition="dispatcher"),
        {"agent.v1", "weighted.v1"},
        MERGED,
    ),
    "cascade": (
        panel_policy(merge={"rule": "cascade", "stages": (2, 1), "accept_ppb": 10**9, "merge_agent": True}),
        {"agent.v1", "weighted.v1"},
        # "ask reserve": neither of the first two gave an answer.
        {(first, *end) for first in ("next stage", "ask reserve") for end in MERGED},
    ),
}
"""Ways to a decision; in all of them together an obeying agent has every role there is."""


def test_there_are_enough_of_them() -> None:
    """Hundreds of texts in places, each family in each place where it fits."""
    assert len(CASES) == len(set(map(str, CASES))) >= 200
    assert {case.carrier for case in CASES} == set(HARMLESS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_text_stays_in_its_block(case: Case) -> None:
    """Blocks and instruction are those of a harmless question; the text is where it belongs, and nowhere else."""
    harmless = messages_of(HARMLESS[case.carrier], Prompts(), alone=False)
    messages = messages_of(case.task, Prompts(), alone=False)
    instruction = messages[0].content.replace(mark_of(messages), "MARK")
    assert instruction == harmless[0].content.replace(mark_of(harmless), "MARK")

    found, plain = sections(messages), sections(harmless)
    check_characters(messages)
    assert [block[:2] for block in found] == [block[:2] for block in plain]
    changed = [(now.name, now.text) for now, before in zip(found, plain, strict=True) if now != before]
    if case.carrier in ("subject", "question_id"):
        assert messages == harmless
        return
    ((name, text),) = changed
    shown = visible(case.payload)
    if case.carrier == "option":
        assert letters_in(text) == "ABCD"
        assert text.replace("\n   | ", "\n") == f"A: first\nB: {shown}\nC: third\nD: fourth"
    elif case.carrier == "analysis" and len(shown) > MOST_ANALYSIS_CHARACTERS:
        assert text.endswith(f" characters are left out.]\n{shown[-MOST_ANALYSIS_CHARACTERS:]}")
    else:
        assert (name, text) == ("question" if case.carrier == "text" else case.carrier.replace("_", "-"), shown)


def asked(family: str) -> list[QuestionAsked]:
    """Ask each text of a family as a question, as an option, for a number, and where it can be as subject and id."""
    questions = []

    def ask(question_id: str, text: str, option: str | None = "second", subject: str | None = None) -> None:
        options = () if option is None else ("first", option, "third", "fourth")
        questions.append(
            QuestionAsked(
                occurred_at=moment(10),
                question_id=question_id,
                text=text,
                options=options,
                answer_type="choice" if options else "number",
                subject=subject,
            )
        )

    for number, payload in enumerate(FAMILIES[family]):
        ask(f"text-{number}", f"Case {number}: which is it? {payload}")
        ask(f"option-{number}", f"Case {number}: which is it?", payload)
        ask(f"number-{number}", f"Case {number}: how many? {payload}", None)
        if could_be_name(payload):
            ask(f"{number} {payload}", f"Case {number}: which is it?", subject=payload)
    return questions


def events_of(path: Path) -> list[Event]:
    """Read a whole log."""
    with EmbeddedReader(path) as reader:
        return [read_event(record) for record in reader.records()]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_obedience_changes_no_more_than_an_answer(family: str, world: str, tmp_path: Path) -> None:
    """A model that gives the text back gets at most one ballot, for an option; the rest is as the policy says."""
    (policy, rules, outcomes), parrot, questions = WORLDS[world], Parrot(FAMILIES[family]), asked(family)
    with capture_logs() as lines:
        run_panel(tmp_path / "orch.db", policy, parrot, questions)
    events = events_of(tmp_path / "orch.db")

    kinds = Counter(event.kind for event in events)
    assert kinds.keys() <= KINDS
    assert kinds["policy.adopted.v1"] == 1
    assert kinds["question.asked.v1"] == kinds["panel.assigned.v1"] == kinds["decision.made.v1"] == len(questions)
    openers = [event for event in events if isinstance(event, PanelAssigned | StageOpened)]
    seats = Counter((e.question_id, e.stage.number, seat.agent) for e in openers for seat in e.stage.seats)
    taken = Counter((e.question_id, e.stage, e.agent) for e in events if isinstance(e, AnalysisPublished))
    assert taken == seats

    by_id = {question.question_id: question for question in questions}
    for decision in events:
        if isinstance(decision, DecisionMade):
            check_decision(decision, by_id[decision.question_id])
            assert decision.rule in rules
            assert tuple(step.outcome for step in decision.trace) in outcomes
            assert decision.policy_id == policy.policy_id

    # A call that failed, because nothing was said, is an outcome; one that raised is a fault of ours.
    assert not [line for line in lines if line["event"] == "agent_raised"]
    assert KEY not in str(lines)
    for request in parrot.heard:
        assert not [name for name in PANEL if f"<{name}" in request.messages[1].content]
        sections(request.messages)
        check_characters(request.messages)

    with EmbeddedReader(tmp_path / "orch.db") as reader:
        found = replay(reader)
    assert (found.different, found.pending) == (0, 0)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert MASKED.encode() in written


def check_decision(decision: DecisionMade, asked: QuestionAsked) -> None:
    """See that the answers are answers to the question, and that everybody had one ballot or none."""
    heard = [ballot.agent for ballot in decision.counted] + [exclusion.agent for exclusion in decision.excluded]
    assert sorted(heard) == sorted(PANEL)
    answers = {decision.answer, *decision.tally, *(ballot.answer for ballot in decision.counted)} - {None}
    if asked.answer_type == "choice":
        assert answers <= set("ABCD")
    else:
        assert all(canonical_number(answer) == answer for answer in answers if answer)
        assert all(len(answer) <= LONGEST_ANSWER for answer in answers if answer)
    honest = [ballot.answer for ballot in decision.counted if ballot.agent == "honest"]
    assert honest == ["A" if asked.options else "7"]
