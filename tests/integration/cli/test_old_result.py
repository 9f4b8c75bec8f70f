"""Runs of one file under several policies, and their summaries."""

import pytest

from ...e2e.command import Place, ids, outputs, prepare, question, run
from ...e2e.conftest import RECORDED

TEXT = ("run", "questions.jsonl", "--outputs", "outputs.jsonl")


def test_result_of_another_policy_is_not_reported(recorded: Place) -> None:
    """A decided file under another preset: who decided it is said, exit code 2, and nothing changes."""
    before = ids(recorded)
    done = recorded.orch(*TEXT, "--preset", "reference")
    assert (done.code, done.out) == (2, "")
    assert f"{RECORDED} of {RECORDED} were decided under 'default'; 'reference' decided none" in done.err
    assert "--again reference" in done.err
    assert ids(recorded) == before


def test_questions_are_asked_again_under_new_ids(recorded: Place) -> None:
    """`--again` asks under new ids, with the recorded outputs and right answers of the old ones, once."""
    line = ("--preset", "reference", "--again", "ref", "--feedback", "gold")
    found = run(recorded, *line).object
    assert (found["questions"], found["decided"], found["already_asked"]) == (RECORDED, RECORDED, 0)
    assert (found["graded"], found["policy"], list(found["policies"])) == (RECORDED, "reference", ["reference"])
    assert found["agents"]["ace"]["accuracy"] == 1.0
    asked = {event["question_id"] for event in recorded.events("questions")}
    assert asked == {f"q{n}{end}" for n in range(RECORDED) for end in ("", "~ref")}
    assert sum(event["question_id"].endswith("~ref") for event in recorded.events("feedback")) == RECORDED
    again = run(recorded, *line).object
    assert (again["already_asked"], again["decided_now"]) == (RECORDED, 0)
    assert recorded.orch("replay").code == 0


def test_second_content_of_a_name_is_another_policy(recorded: Place) -> None:
    """Other models under the same name are `default#2`; the result of the first is not reported as theirs."""
    recorded.write("outputs.jsonl", [line for line in outputs(RECORDED) if line["model"] != "cat"])
    done = recorded.orch(*TEXT)
    assert done.code == 2
    assert "were decided under 'default'; 'default#2' decided none" in done.err
    found = run(recorded, "--again", "two").object
    assert (found["policy_id"], found["policy"]) == ("default", "default#2")


def test_rates_of_several_policies_stay_apart(place: Place) -> None:
    """If a file was decided under two policies, each has a share of its own, and the speed is that of this run."""
    prepare(place, 6)
    assert run(place).code == 0
    place.write("questions.jsonl", [question(number) for number in range(9)])
    place.write("outputs.jsonl", outputs(9))
    done = place.orch(*TEXT, "--preset", "reference")
    assert done.code == 0, done.err
    assert "policies          default 6, reference 3" in done.out
    assert "right, default" in done.out
    assert "right, reference" in done.out
    assert "(6 asked before)" in done.out
    found = run(place, "--preset", "reference").object
    assert (found["policies"]["default"]["decided"], found["policies"]["reference"]["decided"]) == (6, 3)
    assert found["decided_now"] == 0
    assert "questions/s" not in place.orch(*TEXT, "--preset", "reference").out


def test_share_is_printed_as_it_is(place: Place) -> None:
    """70.55 % is not printed as 70.5 or 70.6."""
    prepare(place, 800)
    golds = ["ABC"[n % 3] if n < 411 else "BCA"[n % 3] for n in range(800)]
    place.write("questions.jsonl", [question(n, gold=golds[n]) for n in range(800)])
    place.write("outputs.jsonl", [line for line in outputs(800) if line["model"] == "ace"])
    done = place.orch(*TEXT)
    assert "51.38% (411 of 800;" in done.out
    assert "ace" in done.out


@pytest.mark.parametrize("name", ["", "a b", "x~y", "n" * 61])
def test_name_that_ends_no_id_is_refused(name: str, recorded: Place) -> None:
    """Before anything is asked."""
    done = recorded.orch(*TEXT, "--again", name)
    assert done.code == 2
    assert "is no name for questions that are asked again" in done.err


def test_again_needs_a_file(recorded: Place) -> None:
    """Without a file there is nothing to ask again."""
    assert recorded.orch("run", "--again", "x").code == 2


def test_result_under_older_rules_is_reported(place: Place) -> None:
    """The same settings under other versions of the rules are no other policy: the command repeats its result."""
    prepare(place, 6)
    (place.path / "orch.toml").write_text('[policy]\nrules = "v1"\n')
    first = run(place, "--preset", "reference").object
    (place.path / "orch.toml").unlink()
    again = run(place, "--preset", "reference").object
    assert (again["decided"], again["decided_now"]) == (first["decided"], 0)
