"""`orch list`, and the conditions of `orch consume`."""

import json

import pytest

from ...worlds import UNREADABLE, gold, policy, question, said
from ..command_in_process import Inside
from ..played_log import Played


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """A log, only read, with a right, a wrong, a disputed, an undecided and an open question."""
    place = Inside(tmp_path_factory.mktemp("listed"))
    log = Played(place.path / "orch.db")
    log.put(policy("a", "b"))
    log.ask([question("right"), question("wrong")], said(a="The answer is (A)", b="The answer is (A)"))
    log.ask([question("disputed")], said(a="The answer is (A)", b="The answer is (B)"))
    log.ask([question("undecided")], said(a=UNREADABLE, b=UNREADABLE))
    log.put(question("open"))
    log.put(gold("A", "right"), gold("B", "wrong"))
    log.close()
    return place


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ((), {"right", "wrong", "disputed", "undecided", "open"}),
        (("--open",), {"open"}),
        (("--undecided",), {"undecided"}),
        (("--disagreed",), {"disputed"}),
        (("--wrong",), {"wrong"}),
        (("--wrong", "--open", "--undecided"), {"wrong", "open", "undecided"}),
        (("--since", "2100-01-01"), set()),
        (("--since", "1970-01-01", "--open"), {"open"}),
        (("--subject", "nosuch"), set()),
    ],
)
def test_questions_are_listed_by_state(flags: tuple[str, ...], found: set[str], played: Inside) -> None:
    """States are alternatives, subject and time are conditions besides."""
    done = played.orch("--format", "json", "list", *flags)
    assert (done.code, {line["question_id"] for line in done.lines}) == (0, found)


def test_line_says_what_became_of_a_question(played: Inside) -> None:
    """Answer, its text, agreement and whether it was right; as text the same on one line; an archive gives the same."""
    done = played.orch("--format", "json", "list", "--wrong")
    line = done.object
    assert (line["state"], line["answer"], line["correct"]) == ("decided", "A", False)
    assert (line["agreeing"], line["counted"]) == (2, 2)
    assert line["answer_text"] == question("wrong").options[0]
    text = played.orch("list", "--wrong").out
    assert "wrong" in text
    assert "2 of 2" in text
    assert played.orch("list", "--subject", "nosuch").err == "No such question.\n"
    assert played.orch("export", "archive").code == 0
    assert played.orch("--log", "parquet:archive", "--format", "json", "list", "--wrong").object == line


def places(place: Inside, *flags: str) -> list[tuple[str, str]]:
    """Give place and question of each event that is consumed."""
    done = place.orch("consume", "decisions", "--places", *flags)
    assert done.code == 0, done.err
    return [(line["place"], line["event"]["question_id"]) for line in done.lines]


def test_consumer_goes_on_after_a_place(played: Inside) -> None:
    """The place of an event is printed on demand; after it comes the next one, by number or by partition and offset."""
    every = places(played)
    assert [name for _, name in every] == ["right", "wrong", "disputed", "undecided"]
    assert places(played, "--after", every[1][0]) == every[2:]
    assert places(played, "--after", every[-1][0]) == []
    texts = played.orch("--format", "text", "consume", "decisions", "--places").out.splitlines()
    assert [line.split()[0] for line in texts] == [place for place, _ in every]
    first = texts[0].split()[2].removeprefix("decisions/")
    assert len(places(played, "--after", first)) == 3


def test_conditions_choose_events(played: Inside) -> None:
    """Question, status, time and fields, also inside lists; what is misspelt is told with what is meant."""
    assert [name for _, name in places(played, "--question", "wrong")] == ["wrong"]
    assert [name for _, name in places(played, "--where", "agreement.agreeing=1")] == ["disputed"]
    assert [name for _, name in places(played, "--where", "excluded.reason=unreadable")] == ["undecided"]
    assert len(places(played, "--where", "counted.agent=a", "--where", "status=decided")) == 3
    assert places(played, "--since", "2100-01-01") == []
    analyses = played.orch("consume", "analyses", "--question", "right", "--where", "agent=b")
    assert [json.loads(line)["agent"] for line in analyses.out.splitlines()] == ["b"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--where", "anwser=A"), "Did you mean answer"),
        (("--where", "answer"), "is no condition"),
        (("--since", "yesterday"), "neither a time nor an age"),
        (("--after", "x"), "is no place"),
        (("--group", "mine"), "is a file, and keeps no places"),
    ],
)
def test_wrong_condition_is_told(flags: tuple[str, ...], words: str, played: Inside) -> None:
    """Exit code 2, with what was meant."""
    done = played.orch("consume", "decisions", *flags)
    assert (done.code, words in done.err) == (2, True), done.err
