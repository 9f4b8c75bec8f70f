"""The commands' output, for people and for programs."""

import json
import re
import sqlite3
from base64 import b64decode
from typing import Any

import pytest

from schemas.agents import LiteLLMAgent, OpenAIAgent
from streams.agents.families import family_of
from streams.app import workspace
from streams.log import LogReader
from streams.runtimes.urls import open_reader
from streams.settings import build_policy, load_config

from ...e2e.command import Place, question


def test_init_leaves_a_file_alone(place: Place) -> None:
    """`init` writes a configuration; a second one refuses, --force replaces."""
    assert place.orch("init").code == 0
    (place.path / "orch.toml").write_text("# mine")
    done = place.orch("init", "--simulated")
    assert done.code == 2
    assert "orch.toml is there already" in done.err
    assert (place.path / "orch.toml").read_text() == "# mine"
    assert place.orch("init", "--simulated", "--force").code == 0
    assert place.orch("ask", "How many?", "--number").code == 0


def test_init_asks_models_of_several_families(place: Place) -> None:
    """The file of `init` names variables and no keys: three hosted models of different families, and a local one."""
    done = place.orch("init")
    config = load_config(place.path / "orch.toml", required=True)
    agents = build_policy(config, "2026-01-01T00:00:00.000Z").agents
    assert [agent.kind for agent in agents] == ["litellm"] * 3 + ["openai"]
    assert len({family_of(agent) for agent in agents}) == 4
    for agent in agents:
        assert isinstance(agent, LiteLLMAgent | OpenAIAgent)
        assert agent.price is not None
        assert (agent.key_env is None) == (agent.base_url is not None)
        assert agent.key_env is None or agent.key_env in done.out


def test_live_agents_without_keys_are_told_at_once(place: Place) -> None:
    """Without its key an agent is not asked: exit code 3, the variable's name, and no log."""
    place.orch("init")
    for command in (("ask", "How many?", "--number"), ("run", place.write("q.jsonl", [question(0)]))):
        done = place.orch(*command, env={"ANTHROPIC_API_KEY": "sk-ant-0123456789", "OPENAI_API_KEY": ""})
        assert done.code == 3
        assert "OPENAI_API_KEY" in done.err
        assert "Traceback" not in done.err
        assert "sk-ant" not in done.err
    assert not (place.path / "orch.db").exists()


def test_ask_gives_the_decision_with_its_reasons(place: Place) -> None:
    """The text says who said what; the JSON is the decision's event, and the answer's text."""
    place.orch("init", "--simulated")
    line = ("ask", "Which?", "--option", "the first", "--option", "the second", "--subject", "law")
    done = place.orch(*line)
    assert done.code == 0, done.err
    assert re.search(r"\d of 3 agreed", done.out)
    assert "confidence" not in done.out
    again = place.orch("--format", "json", *line)
    assert "Asked before" in again.err
    (decision,) = place.events("decisions")
    assert again.object == {**decision, "option": again.object["option"]}
    assert again.object["option"] in ("the first", "the second")
    assert place.orch(*line, "--id", "mine").code == 0
    assert len(place.events("decisions")) == 2
    assert "stands for another question" in place.orch("ask", "Why?", "--number", "--id", "mine").err


def test_ask_says_why_an_agent_was_left_out(place: Place) -> None:
    """Of an agent that failed, `ask` tells the class of the error and the number of attempts."""
    frail = b'name = "frail"\nfailure_ppb = 1_000_000_000\nlimits = { max_attempts = 2 }'
    place.write(
        "orch.toml", [b'[[agents]]\nkind = "simulated"\n', frail, b'[[agents]]\nkind = "simulated"\nname = "a"']
    )
    done = place.orch("ask", "How many?", "--number")
    assert done.code == 0, done.err
    assert "left out: failed (server_error, 2 attempts)" in done.out


def test_ask_without_an_answer_is_undecided(place: Place) -> None:
    """If no agent gives an answer, `ask` says so and ends with exit code 4."""
    place.write("orch.toml", [b'[[agents]]\nkind = "simulated"\nname = "mute"\nmalformed_ppb = 1_000_000_000'])
    done = place.orch("ask", "Why?", "--option", "so", "--option", "because")
    assert done.code == 4
    assert "Undecided" in done.out
    assert "unreadable" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask", "Why?"), "options"),
        (("ask", "Why?", "--option", "one"), "options"),
        (("ask", "Why?", "--number", "--option", "1"), "options"),
        (("ask", "", "--number"), "text"),
    ],
)
def test_ask_refuses_what_is_no_question(arguments: tuple[str, ...], words: str, place: Place) -> None:
    """Too few options, both options and number, or nothing asked: exit code 2."""
    place.orch("init", "--simulated")
    done = place.orch(*arguments)
    assert done.code == 2
    assert words in done.err


def test_nobody_to_ask_is_said_with_the_way_out(place: Place) -> None:
    """Without a configuration and without a log, `ask` names the command that helps."""
    done = place.orch("ask", "Why?", "--number")
    assert done.code == 2
    assert "orch init" in done.err


def test_ask_uses_the_agents_of_the_log(place: Place) -> None:
    """Without a configuration the policy in force goes on."""
    place.orch("--log", "sqlite:///x.db", "demo", "--questions", "5")
    done = place.orch("--log", "sqlite:///x.db", "--format", "json", "ask", "How many?", "--number")
    assert done.object["policy_id"] == "demo-7"


def test_consume_gives_events_as_stored(recorded: Place) -> None:
    """Each line is the event to the byte; --max ends early; the prefix may be left out."""
    connection = sqlite3.connect(recorded.path / "orch.db")
    stored = [v for (v,) in connection.execute("SELECT value FROM log WHERE topic = 'orch.decisions' ORDER BY seq")]
    connection.close()
    assert recorded.orch("consume", "orch.decisions").out.splitlines() == stored
    assert recorded.orch("--format", "json", "consume", "decisions").out.splitlines() == stored
    assert recorded.orch("consume", "decisions", "--max", "3").out.splitlines() == stored[:3]
    readable = recorded.orch("--format", "text", "consume", "decisions").out.splitlines()
    assert len(readable) == len(stored)
    assert "status=decided" in readable[0]


def test_unknown_topic_is_answered_with_the_list(recorded: Place) -> None:
    """A topic that does not exist: exit code 2, and those that do."""
    done = recorded.orch("consume", "decision")
    assert done.code == 2
    assert "decisions" in done.err


def test_missing_log_is_the_environment(place: Place) -> None:
    """A log that is not there: exit code 3, and nothing is made."""
    for command in (("replay",), ("consume", "decisions"), ("dead-letters",)):
        done = place.orch(*command)
        assert done.code == 3
        assert "no such log" in done.err
    assert list(place.path.iterdir()) == []


def test_replay_finds_what_was_changed(recorded: Place) -> None:
    """A changed record is found by place and field, with both values; the exit code is 4."""
    assert recorded.orch("--format", "json", "replay").object["different"] == 0
    connection = sqlite3.connect(recorded.path / "orch.db")
    connection.execute(
        "UPDATE records SET value = CAST(replace(CAST(value AS TEXT), '\"calls\":3', '\"calls\":2') AS BLOB)"
        " WHERE seq = (SELECT seq FROM log WHERE topic = 'orch.decisions' LIMIT 1)"
    )
    connection.commit()
    connection.close()
    done = recorded.orch("--format", "json", "replay")
    assert done.code == 4
    first = done.object["first_difference"]
    assert (first["topic"], first["field"], first["expected"], first["actual"]) == ("orch.decisions", "calls", 3, 2)
    text = recorded.orch("replay")
    assert text.code == 4
    assert (
        f"Difference in orch.decisions, partition {first['partition']}, offset {first['offset']}, field calls"
        in text.err
    )


def test_replay_opens_the_log_once(recorded: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress and proof are about one view: on Kafka each opening is a round of administration."""
    opened: list[str] = []

    def counted(url: str, **wanted: Any) -> LogReader:
        opened.append(url)
        return open_reader(url, **wanted)

    monkeypatch.setattr(workspace, "open_reader", counted)
    assert recorded.orch("replay").code == 0
    assert len(opened) == 1


def test_replay_keeps_its_contract(recorded: Place) -> None:
    """The JSON has the promised fields."""
    found = recorded.orch("replay", "--format", "json").object
    assert found.keys() >= {"events", "derived", "different", "seconds", "first_difference", "proved", "not_proved"}
    assert found["first_difference"] is None


def test_produce_appends_once(place: Place) -> None:
    """Questions are appended; those that are there are not again; gold stays outside, with a note."""
    place.write("q.jsonl", [question(0), question(1), b"{", question(0)])
    done = place.orch("--format", "json", "produce", "q.jsonl")
    assert done.code == 2
    assert done.object == {"appended": 2, "already_there": 1, "rejected": 1}
    assert "q.jsonl:3: not JSON" in done.err
    assert "gold" in done.err
    stdin = b"".join(json.dumps(question(n, occurred_at=None)).encode() + b"\n" for n in (1, 2))
    done = place.orch("--format", "json", "produce", "-", stdin=stdin)
    assert (done.code, done.object) == (0, {"appended": 1, "already_there": 1, "rejected": 0})
    assert [event["question_id"] for event in place.events("questions")] == ["q0", "q1", "q2"]


def test_feedback_teaches_at_once(recorded: Place) -> None:
    """Feedback moves the router; early, repeated, contradicting and wrong lines are told apart."""
    entries = len(recorded.events("router"))
    human = {"question_id": "q2", "source": "human", "author": "eve", "occurred_at": "2026-03-02T00:00:00Z"}
    recorded.write(
        "f.jsonl",
        [
            {**human, "answer": "third"},
            {**human, "answer": "third"},
            {**human, "answer": "A"},
            {**human, "answer": "D"},
            {**human, "verdict": "right", "answer": "C"},
            {**human, "question_id": "later", "verdict": "right"},
            {"question_id": "q2", "source": "nobody", "verdict": "right"},
        ],
    )
    done = recorded.orch("--format", "json", "feedback", "f.jsonl")
    assert done.code == 2
    assert done.object == {"appended": 3, "already_there": 1, "awaited": 1, "rejected": 4}
    assert [line.split(": ")[0] for line in done.err.splitlines() if line.startswith("f.jsonl")] == [
        "f.jsonl:3",
        "f.jsonl:4",
        "f.jsonl:5",
        "f.jsonl:7",
    ]
    assert len(recorded.events("router")) > entries
    given = [event for event in recorded.events("feedback") if event["source"] == "human"]
    assert given[0]["answer"] == "C"
    retraction = {"kind": "feedback.retracted.v1", "question_id": "q2", "feedback_id": given[0]["event_id"]}
    stdin = json.dumps(retraction).encode()
    assert recorded.orch("feedback", "-", stdin=stdin).code == 0
    assert recorded.orch("replay").code == 0


def test_dead_letters_say_what_and_why(recorded: Place) -> None:
    """The list names place and reason; the JSON is the event, which holds the record's bytes."""
    assert "No dead letters" in recorded.orch("dead-letters").out
    recorded.write("q.jsonl", [question(3, text="Another \u001b[31mred?")])
    assert recorded.orch("run", "q.jsonl", "--outputs", "outputs.jsonl").code == 2
    assert "conflict" in recorded.orch("dead-letters", "list").out
    verbose = recorded.orch("dead-letters", "--verbose").out
    assert "Another" in verbose
    assert "\x1b" not in verbose
    (letter,) = recorded.orch("--format", "json", "dead-letters").lines
    assert json.loads(b64decode(letter["value_base64"]))["question_id"] == "q3"


def test_retry_says_what_it_did(recorded: Place) -> None:
    """How many letters there were, where their records went, how many were the same, and were rejected again."""
    assert recorded.orch("dead-letters", "retry", "--all").out == "No dead letters: nothing to retry.\n"
    recorded.write("q.jsonl", [question(3, text="Another?"), question(4, text="Another?")])
    assert recorded.orch("run", "q.jsonl", "--outputs", "outputs.jsonl").code == 2
    told = recorded.orch("dead-letters", "retry", "--all").out
    assert "2 letters: 2 records appended once more to sqlite:///orch.db (2 to orch.questions)" in told
    assert told.endswith("; 2 records rejected again\n")
    again = recorded.orch("--format", "json", "dead-letters", "retry", "--all").object
    assert (again["letters"], again["retried"], again["same"], again["rejected"]) == (4, 2, 2, 2)


def test_topics_and_schemas_describe_the_log(recorded: Place) -> None:
    """Every topic is listed with its events; every event in the log keeps its schema."""
    jsonschema = pytest.importorskip("jsonschema")
    topics = {line["topic"]: line for line in recorded.orch("--format", "json", "topics").lines}
    schemas = {line["kind"]: line["schema"] for line in recorded.orch("--format", "json", "schemas").lines}
    assert {kind for topic in topics.values() for kind in topic["kinds"]} == schemas.keys()
    for name, topic in topics.items():
        events = recorded.events(name.removeprefix("orch."))
        assert len(events) == topic["events"]
        for event in events[:20]:
            jsonschema.validate(event, schemas[event["kind"]])
    jsonschema.validate({"question_id": "q", "text": "t", "options": ["a", "b"]}, schemas["question.asked.v1"])
    one = recorded.orch("schemas", "decision.made.v1")
    assert json.loads(one.out) == schemas["decision.made.v1"]
    document = recorded.orch("--format", "json", "schemas", "--asyncapi").object
    assert document["asyncapi"] == "3.0.0"
    assert document["channels"].keys() == topics.keys()
    references = set(re.findall(r'"\$ref":"#/([^"]+)"', json.dumps(document, separators=(",", ":"))))
    for reference in references:
        place: object = document
        for part in reference.split("/"):
            assert isinstance(place, dict)
            place = place[part]
    assert recorded.orch("schemas", "decision.made").code == 2


def test_commands_leave_nothing_behind(recorded: Place) -> None:
    """Reading commands change nothing in the directory."""
    before = {path.name: path.read_bytes() for path in recorded.path.iterdir()}
    for command in (("replay",), ("topics",), ("consume", "decisions"), ("dead-letters",), ("doctor",)):
        assert recorded.orch(*command).code == 0
    assert {path.name: path.read_bytes() for path in recorded.path.iterdir()} == before
