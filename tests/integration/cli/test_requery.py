"""`orch replay --requery`: match rates of live agents."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.models.behaviour import Behaviour
from infra.models.server import ModelServer
from streams.audit.match_rate import spread

from ...e2e.live import KEY, MODELS, config, leaks, outputs, questions
from ..command_in_process import Inside

QUESTIONS = 12
ENVIRONMENT = {"PLANTED_KEY": KEY}


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Inside, int]:
    """A directory with a log of live agents under a budget, and the port of their provider, which is gone."""
    place = Inside(tmp_path_factory.mktemp("requery"))
    asked = questions(QUESTIONS)
    place.write("questions.jsonl", asked)
    with ModelServer(asked, outputs(asked), Behaviour(key=KEY)) as server:
        limits = "timeout_ms = 20_000, max_attempts = 1"
        text = config(dict.fromkeys(MODELS, "openai"), server.url, '[budget]\nrun_nusd = "$1"', limits=limits)
        place.write("orch.toml", [text.encode()])
        done = place.orch("run", "questions.jsonl", env=ENVIRONMENT)
        assert done.code == 0, done.err
        return place, int(server.url.rpartition(":")[2].partition("/")[0])


@pytest.fixture
def later(decided: tuple[Inside, int]) -> Iterator[tuple[Inside, ModelServer]]:
    """The provider a day later: one model is as it was, one always says B, one is gone."""
    place, port = decided
    asked = questions(QUESTIONS)
    said = [
        {**line, "text": "The answer is (B)." if line["model"] == "brisk" else line["text"]}
        for line in outputs(asked)
        if line["model"] != "crude"
    ]
    with ModelServer(asked, said, Behaviour(key=KEY), port=port) as server:
        yield place, server


def bytes_of(place: Inside) -> dict[str, bytes]:
    """Read every file of a directory."""
    return {path.name: path.read_bytes() for path in Path(place.path).iterdir()}


def test_match_rates_are_told_by_agent(later: tuple[Inside, ModelServer]) -> None:
    """Equal, other and unreadable answers, and failed calls, are counted by agent; the log is left as it was."""
    place, server = later
    before = bytes_of(place)
    done = place.orch("--format", "json", "replay", "--requery", "100", env=ENVIRONMENT)
    assert done.code == 0, done.err
    found = done.object
    able, brisk, crude = (found["agents"][name] for name in MODELS)
    assert (able["equal"], able["same_text"], able["match_rate"]) == (QUESTIONS, QUESTIONS, 1)
    assert brisk["answered"] == QUESTIONS
    # Every fifth question asks for a number.
    assert brisk["unreadable"] == 3
    assert brisk["equal"] + brisk["different"] == QUESTIONS - 3
    assert brisk["different"] > 0 < brisk["equal"]
    assert brisk["match_rate"] == brisk["equal"] / QUESTIONS
    assert (crude["failed"], crude["match_rate"], crude["errors"]) == (QUESTIONS, None, {"not_found": QUESTIONS})
    assert (found["asked"], found["answered"]) == (3 * QUESTIONS, 2 * QUESTIONS)
    assert found["match_rate"] == (able["equal"] + brisk["equal"]) / (2 * QUESTIONS)
    assert [line["agent"] for line in found["changed"]] == ["brisk"] * (brisk["different"] + brisk["unreadable"])
    assert found["cost_nusd"] == able["cost_nusd"] + brisk["cost_nusd"] > 0
    assert found["limit_nusd"] == 10**9, "the budget of a run"
    assert found["cost_nusd"] < found["most_cost_nusd"]
    assert server.stats()["requests"]["total"] == 3 * QUESTIONS
    assert bytes_of(place) == before
    assert not leaks(place, done.out, done.err)


def test_it_says_first_what_it_costs(later: tuple[Inside, ModelServer]) -> None:
    """On stderr, with the limit; --dry-run says no more and calls nobody."""
    place, server = later
    done = place.orch("replay", "--requery", "5", "--max-cost", "$0.25", "--dry-run", env=ENVIRONMENT)
    assert done.code == 0
    assert done.out == ""
    assert done.err.startswith("5 of 36 requests: they cost $0.00")
    assert "the limit is $0.2500." in done.err
    assert server.stats()["requests"]["total"] == 0


def test_what_the_limit_has_no_room_for_is_refused(later: tuple[Inside, ModelServer]) -> None:
    """A call that could cost more than what is left is not made; where nothing was answered the exit code is 3."""
    place, server = later
    done = place.orch("replay", "--requery", "4", "--max-cost", "$0.000001", env=ENVIRONMENT)
    assert done.code == 3
    assert "4 ended in run_budget" in done.out
    assert "No request was answered." in done.err
    assert server.stats()["requests"]["total"] == 0


def test_text_says_match_rate_and_promises_no_more(later: tuple[Inside, ModelServer]) -> None:
    """The same requests are asked each time; the table calls their shares what they are."""
    place, _ = later
    one, two = (place.orch("replay", "--requery", "6", env=ENVIRONMENT) for _ in range(2))
    assert one.out == two.out
    assert "Match rate of 6 requests" in one.out
    rows = {line.split()[0]: line.split() for line in one.out.splitlines() if line.strip()}
    assert (rows["able"][1:3], rows["crude"][1]) == (["100.0%", "2"], "-"), one.out
    assert "reproduc" not in one.out + one.err
    assert "It proves no decision" in one.err


def test_a_log_without_live_agents_has_nothing_to_ask(recorded: Inside) -> None:
    """Recorded agents are refused with the reason; so are the options without the one that they are about."""
    done = recorded.orch("replay", "--requery", "3")
    assert done.code == 2
    assert "no counted answer of a live agent" in done.err
    assert recorded.orch("replay", "--max-cost", "$1").code == 2
    assert recorded.orch("replay", "--dry-run").code == 2


def test_a_key_must_be_there(decided: tuple[Inside, int]) -> None:
    """A missing key ends it before the first call, and is named."""
    place, _ = decided
    done = place.orch("replay", "--requery", "3")
    assert done.code == 3
    assert "PLANTED_KEY" in done.err


@given(st.integers(1, 1_000), st.integers(1, 1_000))
def test_requests_are_spread_over_the_log(eligible: int, wanted: int) -> None:
    """As many as wanted, or all; from equal parts of the log, one of each."""
    chosen = sorted(spread(eligible, wanted))
    parts = min(eligible, wanted)
    assert len(chosen) == parts
    assert all(
        part * eligible // parts <= place <= ((part + 1) * eligible - 1) // parts for part, place in enumerate(chosen)
    )
