"""
The explanation of one question, from a real log.

The tests cover every part of its tree.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schemas.analyses import AnalysisPublished, Attempt, ProviderCall
from schemas.policies import Averaging, PolicyAdopted
from streams.audit import entry_lookup
from streams.audit.explain.explain import explain
from streams.audit.explain.explanation import Explanation, SeatTaken
from streams.cli.main import run
from streams.errors import DifferenceError, UsageError
from streams.processors.ema import move
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import FAILED, OUTSIDE, Opener, analysis, gold, overdue, policy, question, retraction, said, verdict
from ..played_log import Played


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Played]:
    """An empty log."""
    played = Played(tmp_path / "orch.db")
    yield played
    played.close()


def told(log: Played, question_id: str = "q") -> Explanation:
    """Explain a question, and make sure that what is told is plain JSON."""
    with EmbeddedReader(log.path) as reader:
        explanation = explain(reader, question_id)
    assert json.loads(json.dumps(explanation)) == explanation
    return explanation


def seats(explanation: Explanation) -> dict[str, SeatTaken]:
    """Give the seats of the first stage by agent."""
    return {seat["agent"]: seat for seat in explanation["stages"][0]["seats"]}


def weighted(*names: str, **fields: object) -> PolicyAdopted:
    """Build a policy that routes by subject with a bonus, so that a score has all its terms."""
    routing = {"rule": "weighted", "by_subject": True, "shrinkage": 2, "exploration": {"warm_up": 0, "kind": "ucb"}}
    return policy(*names, routing={**routing, "panel_size": 2}, **fields)


def test_decided(log: Played) -> None:
    """A decision is told with its question, policy, ballots, tally and agreement, under whole ids."""
    log.put(policy("ann", "bob", "cyd"), question(options=3))
    log.play(said(ann="B", bob="B", cyd="A"))
    told_all = told(log)
    assert told_all["state"] == "decided"
    assert [option["letter"] for option in told_all["question"]["options"]] == ["A", "B", "C"]
    decision = told_all["decision"]
    assert decision is not None
    assert (decision["answer"], decision["answer_text"]) == ("B", "option 1")
    assert decision["agreement"] == {"agreeing": 2, "counted": 3}
    assert (decision["calls"], decision["cost_nusd"]) == (3, 15_000)
    assert len(decision["event_id"]) == 64
    assert [(seat["answer"], seat["status"]) for seat in seats(told_all).values()] == [
        ("B", "counted"),
        ("B", "counted"),
        ("A", "counted"),
    ]
    tally = decision["tally"]
    assert sum(tally.values()) == sum(seat["weight"] or 0 for seat in seats(told_all).values())
    assert told_all["waiting"] is None


def test_score_is_the_sum_of_its_terms(log: Played) -> None:
    """Each candidate's terms add up to the score that the panel records, under averages that are not trivial."""
    log.put(weighted("ann", "bob", "cyd"))
    for number in range(4):
        log.ask([question(f"q{number}", subject="law")], said(ann="A", bob="B", cyd="A"))
        log.put(gold("A", f"q{number}"))
    log.put(question("last", subject="law"))
    routing = told(log, "last")["routing"]
    assert routing is not None
    assert routing["scopes"] == ["*", "law"]
    for candidate in routing["candidates"]:
        terms = candidate["terms"]
        assert terms is not None
        assert candidate["score_ppb"] == sum(terms.values())  # type: ignore[arg-type]
        assert terms["bonus"] > 0
        assert terms["latency"] < 0 or candidate["entries"][0]["event_id"] is None
        assert [entry["scope"] for entry in candidate["entries"]] == ["*", "law"]
    assert [c["seat"] for c in routing["candidates"]] == ["panel", "panel", None]
    assert routing["warm_up"] is False


def test_warm_up(log: Played) -> None:
    """A panel of everybody says that somebody was hardly known."""
    log.put(policy("ann", "bob", "cyd", routing={"panel_size": 1, "exploration": {"warm_up": 1, "kind": "none"}}))
    log.put(question())
    routing = told(log)["routing"]
    assert routing is not None
    assert routing["warm_up"] is True
    assert {candidate["seat"] for candidate in routing["candidates"]} == {"panel"}


def test_excluded(log: Played) -> None:
    """Who does not count is told with the reason, and with the calls that were made."""
    log.put(policy("ann", "bob", "cyd"), question())
    log.play(said(ann="A", bob=FAILED, cyd=OUTSIDE))
    found = seats(told(log))
    assert (found["bob"]["status"], found["bob"]["reason"]) == ("excluded", "failed")
    assert found["bob"]["attempts"][0]["outcome"] == "error"
    assert found["bob"]["attempts"][0]["cost_nusd"] is None
    assert found["bob"]["unpriced_calls"] == 1
    assert (found["cyd"]["status"], found["cyd"]["reason"]) == ("excluded", "outside_options")


CALLED = ProviderCall(
    model="openai/gpt-4.1-mini",
    request_hash="0" * 64,
    reported_model="gpt-4.1-mini-2025-04-14",
    fingerprint="fp_1",
    finish_reason="stop",
    cached=True,
)
LIMITED = Attempt(
    outcome="error",
    error="rate_limited",
    latency_ms=20,
    cost_nusd=0,
    provider=CALLED.model_copy(
        update={"reported_model": None, "fingerprint": None, "finish_reason": None, "cached": False}
    ),
)
REPLIED = Attempt(
    outcome="ok", latency_ms=1_234, cost_nusd=700_000, input_tokens=1_300, output_tokens=40, provider=CALLED
)
REFUSED = Attempt(outcome="refused", error="run_budget", latency_ms=0, cost_nusd=0)


def called(opener: Opener, agent: str) -> AnalysisPublished:
    """Answer as a live agent: ann at the second attempt, bob not at all."""
    said_it = analysis(opener, agent, "A" if agent == "ann" else FAILED)
    made = (LIMITED, REPLIED) if agent == "ann" else (REFUSED,)
    return AnalysisPublished.model_validate({**said_it.model_dump(exclude={"event_id"}), "attempts": made})


def test_calls_of_providers(log: Played) -> None:
    """Each attempt is told with what its provider was asked and said of itself; a refused one called nobody."""
    log.put(policy("ann", "bob"), question())
    log.play(called)
    found = seats(told(log))
    limited, replied = found["ann"]["attempts"]
    assert (limited["error"], limited["cost_nusd"]) == ("rate_limited", 0)
    assert replied["provider"] == CALLED.model_dump()
    assert found["bob"]["attempts"][0]["provider"] is None
    assert (found["bob"]["status"], found["bob"]["reason"]) == ("excluded", "refused")


def test_calls_of_providers_in_text(log: Played, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """The text names model asked and served, finish reason, error class, tokens, cost, and whether it was cached."""
    log.put(policy("ann", "bob"), question())
    log.play(called)
    capfdbinary.readouterr()
    assert run(["--log", f"sqlite:///{log.path}", "explain", "q"]) == 0
    text = " ".join(capfdbinary.readouterr().out.decode().replace("│", " ").split())
    assert "attempt 1: error (rate_limited), 20 ms, $0.0000, asked openai/gpt-4.1-mini" in text
    assert "attempt 2: ok, 1,234 ms, $0.0007, 1,300 + 40 tokens, asked openai/gpt-4.1-mini" in text
    assert "served by gpt-4.1-mini-2025-04-14, finish stop, cached" in text
    assert "attempt 1: refused (run_budget), not called" in text


def test_tie_break(log: Played) -> None:
    """A tie names the answers and the agent that settled it."""
    log.put(policy("ann", "bob", merge={"rule": "vote"}), question())
    log.play(said(ann="C", bob="B"))
    decision = told(log)["decision"]
    assert decision is not None
    assert decision["tie_break"] == {"tied": ["B", "C"], "agent": "ann"}


def test_lessons(log: Played) -> None:
    """Feedback is told with each router line before and after it; a retraction with the correction."""
    log.put(policy("ann", "bob"), question("q", subject="law"))
    log.play(said(ann="A", bob="B"))
    given = gold("A")
    log.put(given, retraction(given))
    calls, feedback, back = told(log)["lessons"]
    assert [lesson["cause"] for lesson in (calls, feedback, back)] == ["decision", "feedback", "retraction"]
    assert [(c["agent"], c["scope"]) for c in calls["changes"]] == [
        (agent, scope) for agent in ("ann", "bob") for scope in ("*", "law")
    ]
    assert all(change["before"] is None for change in calls["changes"])
    assert feedback["answer"] == "A"
    for change in feedback["changes"]:
        assert change["before"] is not None
        seen = change["observed"]["quality_ppb"]
        assert change["after"]["quality_ppb"] == move(0, seen, Averaging(), 0)
    assert back["retracts"] == given.event_id
    assert all(change["corrects"] for change in back["changes"])
    assert [c["after"]["quality_ppb"] for c in back["changes"]] == [500_000_000] * 4


def test_feedback_that_was_set_aside(log: Played) -> None:
    """Feedback that contradicts an earlier one taught nothing, and the dead letter says why."""
    log.put(policy("ann"), question())
    log.play(said(ann="A"))
    log.put(gold("A"), gold("B", at=2_500))
    told_all = told(log)
    assert [lesson["set_aside"] for lesson in told_all["lessons"]] == [None, None, "conflict"]
    assert [letter["reason"] for letter in told_all["set_aside"]] == ["conflict"]


def test_entry_far_back(log: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router entry made long before is found, and the one before it."""
    monkeypatch.setattr(entry_lookup, "_FIRST_WINDOW", 3)
    log.put(policy("ann", "bob", routing={"panel_size": 1}))
    log.ask([question("first")], said(ann="A"))
    log.put(gold("A", "first"))
    log.ask([question(f"q{number}") for number in range(10)], said(ann="A"))
    log.put(verdict("right", "first"))
    candidates = told(log, "q0")["routing"]["candidates"]  # type: ignore[index]
    assert candidates[0]["entries"][0]["averages"] is not None
    assert told(log, "first")["lessons"][-1]["changes"][0]["before"] is not None


def test_waits_for_seats(log: Played) -> None:
    """A question without a decision says whom it waits for, and until when."""
    log.put(policy("ann", "bob", deadline_ms=60_000), question(at=10))
    log.play(said(ann="A"))
    told_all = told(log)
    assert told_all["state"] == "waiting"
    assert told_all["waiting"] == {
        "on": "seats",
        "seats": ["bob"],
        "stage": 0,
        "deadline_at": "2026-01-01T00:01:10.000Z",
    }
    assert [seat["status"] for seat in seats(told_all).values()] == ["heard", "waiting"]


def test_waits_for_a_policy(log: Played) -> None:
    """A question in a log without a policy says so."""
    log.put(question())
    told_all = told(log)
    assert (told_all["state"], told_all["routing"], told_all["stages"]) == ("unassigned", None, [])
    assert told_all["waiting"] is not None
    assert told_all["waiting"]["on"] == "policy"


def test_cascade_and_merge_agent(log: Played) -> None:
    """Stages are told in order with the posterior of each step, and the merge agent's verdict with what it read."""
    merge = {"rule": "cascade", "stages": (1, 1), "accept_ppb": 999_000_000, "merge_agent": True}
    log.put(policy("ann", "bob", merge=merge, routing={"panel_size": 2}), question())
    log.play(said(ann="A", bob="A"))
    told_all = told(log)
    assert [(stage["role"], stage["reason"]) for stage in told_all["stages"]] == [
        ("analyst", "assigned"),
        ("analyst", "window"),
        ("merger", "merge"),
    ]
    decision = told_all["decision"]
    assert decision is not None
    assert decision["reason"] == "merge agent"
    assert decision["verdict_id"] == told_all["stages"][2]["seats"][0]["analysis_id"]
    assert [step["posterior_ppb"] is None for step in decision["trace"]] == [False, False, True]
    assert len(told_all["stages"][2]["material"]) == 2


def test_unknown_question(log: Played) -> None:
    """An unknown id is answered with ids that look like it."""
    log.put(policy("ann"), *(question(f"mmlu-{number}") for number in range(20)))
    with EmbeddedReader(log.path) as reader:
        with pytest.raises(UsageError, match=r"no question 'mmlu-71'. Close to it: mmlu-"):
            explain(reader, "mmlu-71")
        with pytest.raises(UsageError, match=r"orch consume orch\.questions"):
            explain(reader, "xyz")


def test_changed_record(log: Played) -> None:
    """A record that was changed after it was written is not explained away."""
    log.put(policy("ann"), question())
    log.play(said(ann="A"))
    with closing(sqlite3.connect(log.path)) as changed:
        forged = ('"answer":"A"', '"answer":"B"')
        changed.execute("UPDATE records SET value = replace(value, ?, ?) WHERE key = 'q'", forged)
        changed.commit()
    with EmbeddedReader(log.path) as reader, pytest.raises(DifferenceError, match="changed after it was written"):
        explain(reader, "q")


def test_text(log: Played, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The text fits 80 columns, has no colours in a pipe, ids of 12 digits, and the words of people."""
    monkeypatch.setenv("COLUMNS", "80")
    log.put(weighted("ann", "bob", "cyd"), question("q", subject="law"))
    log.play(said(ann="A", bob=FAILED))
    log.put(gold("B"))
    capfdbinary.readouterr()
    assert run(["--log", f"sqlite:///{log.path}", "explain", "q"]) == 0
    text = capfdbinary.readouterr().out.decode()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    whole = told(log)
    assert whole["decision"] is not None
    assert whole["decision"]["event_id"][:12] in text
    assert whole["decision"]["event_id"] not in text
    for words in ("1 of 1 agreed", "excluded: failed", "unknown cost", "feedback, gold", "1 call of unknown cost"):
        assert words in text
    assert "confidence" not in text


def test_json(log: Played, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`--format json` prints the explanation as one object."""
    log.put(policy("ann"), question())
    capfdbinary.readouterr()
    assert run(["--format", "json", "--log", f"sqlite:///{log.path}", "explain", "q"]) == 0
    assert json.loads(capfdbinary.readouterr().out) == told(log)


def test_exit_codes(log: Played, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """An open question is no error, an unknown one is the user's."""
    log.put(policy("ann"), question())
    where = ["--log", f"sqlite:///{log.path}", "explain"]
    assert run([*where, "q"]) == 0
    assert "waits for ann" in capfdbinary.readouterr().out.decode()
    assert run([*where, "p"]) == 2


def test_analysis_after_the_decision(log: Played) -> None:
    """What comes after the decision is told as late."""
    log.put(policy("ann", "bob"))
    (opener,) = log.put(question())
    log.play(said(ann="A"))
    log.put(overdue(), analysis(opener, "bob", "B"))  # type: ignore[arg-type]
    told_all = told(log)
    assert told_all["decision"] is not None
    assert told_all["decision"]["reason"] == "deadline"
    bob = seats(told_all)["bob"]
    assert (bob["status"], bob["reason"], bob["late"]) == ("excluded", "no_reply", True)
    assert bob["attempts"]
