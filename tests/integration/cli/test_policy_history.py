"""`orch policy history` and `diff`: names, contents and settings."""

import json

import pytest

from ...e2e.command import Place

FIRST = """
[policy]
policy_id = "first"
{policy}
[[agents]]
kind = "simulated"
name = "a"
[[agents]]
kind = "simulated"
name = "b"
{agent}
"""


def adopt(place: Place, policy: str = "", agent: str = "") -> str:
    """Adopt a configuration, and decide under it; give the id of its event."""
    place.write("orch.toml", [FIRST.format(policy=policy, agent=agent).encode()])
    done = place.orch("ask", "How many?", "--number", "--id", f"{policy} {agent}".strip().replace("\n", " ") or "plain")
    assert done.code == 0, done.err
    return str(place.orch("--format", "json", "policy").object["event_id"])


@pytest.fixture
def ids(place: Place) -> list[str]:
    """Ids of policies under one name: a content, another one, the first again, and a third."""
    return [
        adopt(place),
        adopt(place, agent="latency_ms = 400"),
        adopt(place),
        adopt(place, "deadline_ms = 60_000", 'skill_ppb = "0.9"'),
    ]


def test_history_tells_contents_apart(ids: list[str], place: Place) -> None:
    """Each adoption has the name of its content; one that comes back has the name that it had."""
    lines = place.orch("--format", "json", "policy", "history").lines
    assert [(line["name"], line["policy_id"]) for line in lines] == [
        ("first", "first"),
        ("first#2", "first"),
        ("first", "first"),
        ("first#3", "first"),
    ]
    assert [line["event_id"] for line in lines] == ids
    assert lines[0]["rules"]["extractor"] == "answers.v2"
    text = place.orch("policy", "history").out
    assert all(event_id[:12] in text for event_id in ids)
    assert text.count("first#2") == 1
    narrow = place.orch("policy", "history", env={"COLUMNS": "80"}).out
    assert max(map(len, narrow.splitlines())) <= 80
    assert "policy_id = " not in text


def test_diff_shows_the_settings_that_differ(ids: list[str], place: Place) -> None:
    """By name, by name and number, or by the beginning of an id; text and JSON."""
    found = place.orch("--format", "json", "policy", "diff", "first", "first#2").lines
    assert found == [{"setting": "agent.b.latency_ms", "before": 800, "after": 400}]
    found = place.orch("--format", "json", "policy", "diff", ids[1][:8], "first#3").lines
    assert {line["setting"]: (line["before"], line["after"]) for line in found} == {
        "deadline_ms": (300_000, 60_000),
        "agent.b.latency_ms": (400, 800),
        "agent.b.skill_ppb": (700_000_000, 900_000_000),
    }
    text = place.orch("policy", "diff", "first#1", "first#3").out
    assert ids[2][:12] in text
    assert ids[3][:12] in text
    assert "deadline_ms" in text
    assert "60000" in text
    assert "are the same policy" in place.orch("policy", "diff", ids[0], ids[2]).out
    assert place.orch("--format", "json", "policy", "diff", ids[0], ids[2]).out == ""


def test_ids_and_settings_are_whole_on_narrow_terminals(place: Place) -> None:
    """At 60 columns no id of a policy is broken, which somebody may copy, and no name of a setting."""
    ids = [adopt(place), adopt(place, 'preset = "reference"')]
    history = place.orch("policy", "history", env={"COLUMNS": "60"}).out
    difference = place.orch("policy", "diff", *ids, env={"COLUMNS": "60"}).out
    for shown in (history, difference):
        assert all(event_id[:12] in shown for event_id in ids)
        assert max(map(len, shown.splitlines())) <= 60
    assert "routing.exploration.warm_up" in difference


def test_agent_that_is_there_once_is_a_difference(place: Place) -> None:
    """Of an agent in one policy alone every setting is listed, and the order of the agents."""
    adopt(place)
    adopt(place, agent='[[agents]]\nkind = "simulated"\nname = "c"')
    found = {
        line["setting"]: line for line in place.orch("--format", "json", "policy", "diff", "first", "first#2").lines
    }
    assert found["agents"]["after"] == ["a", "b", "c"]
    assert (found["agent.c.kind"]["before"], found["agent.c.kind"]["after"]) == (None, "simulated")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("diff", "first"), "takes two policies"),
        (("history", "first"), "takes two policies"),
        (("adopt", "first"), "takes two policies"),
        (("diff", "first", "second"), "no policy is called 'second'"),
        (("diff", "first", "first#9"), "There are first ("),
        (("diff", "first", "abc"), "no policy is called 'abc'"),
    ],
)
def test_policy_that_is_not_there_is_told(arguments: tuple[str, ...], words: str, place: Place) -> None:
    """With exit code 2, and the policies that there are."""
    adopt(place)
    done = place.orch("policy", *arguments)
    assert done.code == 2
    assert words in done.err


def test_log_without_a_policy_has_no_history(place: Place) -> None:
    """As `orch policy` says."""
    place.write("q.jsonl", [{"question_id": "q", "text": "?", "options": ["x", "y"]}])
    assert place.orch("produce", "q.jsonl").code == 0
    assert "holds no policy" in place.orch("policy", "history").err


def test_spelling_of_amounts_adopts_nothing(place: Place) -> None:
    """The same amounts as texts are the same policy, and its event stays as it is in the log."""
    first = adopt(place, "deadline_ms = 60_000", "skill_ppb = 900_000_000")
    assert adopt(place, 'deadline_ms = "1 min"', 'skill_ppb = "90 %"') == first
    assert len(place.events("policies")) == 1


def test_implausible_share_is_told_with_what_was_meant(place: Place) -> None:
    """`accept_ppb = 80` in orch.toml is refused with both right spellings."""
    place.write("orch.toml", [FIRST.format(policy="[merge]\naccept_ppb = 80", agent="").encode()])
    done = place.orch("policy", "adopt")
    assert done.code == 2
    assert "orch.toml: merge.accept_ppb = 80 is 0.00000008" in done.err
    assert 'Write "0.8" or 800_000_000' in done.err
    assert not (place.path / "orch.db").exists()


def test_events_keep_the_configured_name(ids: list[str], place: Place) -> None:
    """The number is for readers; no event holds it."""
    assert {event["policy_id"] for event in place.events("policies")} == {"first"}
    assert "#2" not in json.dumps(place.events("policies"))
