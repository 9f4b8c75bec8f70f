"""A log as an object for programs."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.registry import decode_canonical
from streams import Orch
from streams.app.ask import ask, question_of
from streams.app.workspace import Workspace
from streams.errors import ConflictError, NoFeedbackError, OperatorError, PendingError, UsageError
from streams.topology import FEEDBACK

PURE = """
import sys
import streams.processors, streams.topology, schemas.registry
heavy = [name for name in sys.modules if name.startswith(("streams.app", "streams.api", "streams.runtimes"))]
assert not heavy, heavy
import streams
assert "Orch" in dir(streams)
sys.modules |= dict.fromkeys(("click", "rich", "streams.cli"))
from streams import AsyncOrch, Orch
assert Orch.__module__ == "streams.api.orch"
assert not [name for name in ("aiokafka", "litellm", "pandas") if name in sys.modules]
"""


def slow(latency_ms: int) -> dict[str, Any]:
    """Configure one agent whose calls take wall time."""
    return {"agents": [{"kind": "simulated", "name": "slow", "waits": True, "latency_ms": latency_ms}]}


@pytest.mark.process
def test_pure_rooms_load_nothing(tmp_path: Path) -> None:
    """`import streams` loads no runtime; `Orch` is loaded when it is named, and needs no click."""
    done = subprocess.run([sys.executable, "-c", PURE], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_unknown_name_of_the_package_is_an_attribute_error() -> None:
    """Laziness hides no misspelling."""
    import streams

    with pytest.raises(AttributeError, match="has no attribute 'Orhc'"):
        streams.Orhc  # noqa: B018 (it is the test)


def test_same_question_has_the_same_decision_on_every_way(folder: Path) -> None:
    """Asked again, by another object, or by the command line's function, a question keeps its one decision."""
    with Orch() as orch:
        first = orch.ask("Which?", ["the first", "the second"], subject="law", question_id="mine")
        assert orch.ask("Which?", ["the first", "the second"], subject="law", question_id="mine") == first
        assert orch.decision("mine") == first
    question = question_of("Which?", ["the first", "the second"], subject="law", question_id="mine")
    again = ask(Workspace(), question)
    assert (again.decision, again.known) == (first, True)
    with Orch() as orch:
        assert [each.event_id for each in orch.decisions()] == [first.event_id]
        assert orch.replay().different == 0


def test_id_of_another_question_is_refused(folder: Path) -> None:
    """Other content under a known id is a conflict that names the id; the log stays as it is, and usable."""
    with Orch() as orch:
        first = orch.ask("Which?", ["a", "b"], question_id="mine")
        for subject in (None, "law"):
            with pytest.raises(ConflictError, match="'mine' stands for another question") as caught:
                orch.ask("Which?", ["a", "c"] if subject is None else ["a", "b"], subject=subject, question_id="mine")
            assert (caught.value.exit_code, caught.value.place) == (2, {"key": "mine"})
        assert list(orch.decisions()) == [first]
        assert orch.ask("Else?", ["a", "b"]).question_id != "mine"


def test_many_threads_share_one_writer(folder: Path) -> None:
    """Thirty questions from eight threads, some of them equal: each is decided once, and the log replays."""
    with Orch() as orch, ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(orch.ask, f"Question {number % 20}?", ["a", "b"]) for number in range(30)]
        found = [each.result() for each in asked]
        assert found[0] == found[20]
        assert len({each.question_id for each in found}) == len(list(orch.decisions())) == 20
        assert orch.replay().different == 0


def test_wait_ends_and_the_question_stays_open(folder: Path) -> None:
    """After `wait_s` there is a PendingError that says what to do; the answer comes under the same id later."""
    with Orch(config=slow(700)) as orch:
        with pytest.raises(PendingError, match=r"'q' has no decision after 0\.1 s.*same id") as caught:
            orch.ask("How many?", number=True, question_id="q", wait_s=0.1)
        assert caught.value.retriable
        assert orch.decision("q", wait_s=None).question_id == "q"
        assert orch.decision("q").question_id == "q"


def test_close_ends_open_asks_and_the_next_one_goes_on(folder: Path) -> None:
    """Who waits while the log is closed is told so; another object decides what was left open."""
    refused: list[Exception] = []
    orch = Orch(config=slow(600_000))

    def wait() -> None:
        try:
            orch.ask("How many?", number=True, question_id="q")
        except PendingError as error:
            refused.append(error)

    orch.submit("How many?", number=True, question_id="q")
    with pytest.raises(PendingError, match="has no decision yet"):
        orch.decision("q")
    thread = threading.Thread(target=wait)
    thread.start()
    keeper = orch._keeper
    assert keeper is not None
    while not keeper.users:
        time.sleep(0.005)
    orch.close()
    thread.join()
    assert "was closed" in str(refused[0])
    with pytest.raises(UsageError, match="was closed"):
        orch.ask("Else?", number=True)
    with Orch(config=slow(10)) as other:
        assert other.ask("How many?", number=True, question_id="q").question_id == "q"
        assert other.replay().different == 0


def test_second_writer_is_refused_and_a_reader_is_not(folder: Path) -> None:
    """A file has one writer; its name is told, and reading works beside it."""
    with Orch() as orch, Orch() as other:
        orch.ask("Which?", ["a", "b"], question_id="q")
        with pytest.raises(OperatorError, match="is being written by process"):
            other.ask("Which?", ["a", "b"], question_id="r")
        assert [each.question_id for each in other.decisions()] == ["q"]
        orch.close()
        assert other.ask("Which?", ["a", "b"], question_id="r").question_id == "r"


def test_wrong_settings_and_questions_are_told(folder: Path) -> None:
    """An error comes at the first use, names what is wrong, and makes no file."""
    with Orch("new.db", config={"agents": [{"kind": "nosuch", "name": "a"}]}) as orch:
        with pytest.raises(UsageError, match=r"config: agents"):
            orch.ask("Which?", ["a", "b"])
        with pytest.raises(UsageError, match="options: 1 given"):
            orch.ask("Which?", ["a"])
    assert not Path("new.db").exists()
    with Orch("new.db", config={"nosuch": 1}) as orch, pytest.raises(UsageError, match="config: nosuch"):
        orch.ask("Which?", ["a", "b"])
    with Orch() as orch:
        orch.ask("Which?", ["a", "b"])
        with pytest.raises(UsageError, match="holds no question 'nosuch'"):
            orch.explain("nosuch")
        with pytest.raises(UsageError, match="holds no question 'nosuch'"):
            orch.decision("nosuch")


def test_feedback_teaches_and_is_taken_back(folder: Path) -> None:
    """Feedback is durable when it returns; its effect is in the router's table, and goes when it is retracted."""
    with Orch() as orch:
        orch.ask("Which?", ["the first", "the second"], question_id="q")
        given = orch.feedback("q", answer="the second", author="ann")
        assert (given.answer, given.source) == ("B", "human")
        taught = orch.router(scope="*")
        assert orch.router(at="q", scope="*") != taught
        orch.retract("q", given.event_id)
        assert orch.router(scope="*") != taught
        with pytest.raises(UsageError, match="feedback on 'q': answer"):
            orch.feedback("q", answer="the third")
        with pytest.raises(UsageError, match="either answer"):
            orch.feedback("q")
        assert orch.replay().different == 0


def test_feedback_is_taken_back_once(folder: Path) -> None:
    """Taken back again, or by the id of its repetition, it is the same event: whoever is unsure retracts again."""
    with Orch() as orch:
        orch.ask("Which?", ["x", "y"], question_id="q")
        given, again = (orch.feedback("q", verdict="right", author="ann") for _ in range(2))
        taken_back = orch.retract("q", given.event_id[:12])
        assert taken_back.feedback_id == given.event_id
        assert orch.retract("q", given.event_id) == orch.retract("q", again.event_id) == taken_back
        other = orch.feedback("q", verdict="wrong", author="ann")
        assert orch.retract("q", other.event_id).feedback_id == other.event_id
        assert orch.replay().different == 0


def test_only_feedback_that_counts_is_taken_back(folder: Path) -> None:
    """What is missing is told with what stands there, before anything is written."""
    with Orch() as orch:
        orch.ask("Which?", ["x", "y"], question_id="q")
        orch.ask("What?", ["x", "y"], question_id="r")
        early = orch.feedback("early", answer="A")
        given = orch.feedback("q", answer="A", author="ann")
        with pytest.raises(UsageError, match="stands already"):
            orch.feedback("q", answer="B", author="ann")
        (refused,) = (each["event_id"] for each in feedback_in(orch) if each.get("answer") == "B")
        before = orch.explain("q")
        for question_id, feedback_id, message in (
            ("nosuch", given.event_id, "the log holds no question 'nosuch'"),
            ("r", given.event_id, "nothing was said of question 'r'"),
            ("q", early.event_id, f"no feedback on 'q' has the id .*What stands: {given.event_id}"),
            ("q", refused, f"never counted.*What stands: {given.event_id}"),
        ):
            with pytest.raises(NoFeedbackError, match=message):
                orch.retract(question_id, feedback_id)
        with pytest.raises(UsageError, match="'the first' is no event id"):
            orch.retract("q", "the first")
        assert orch.explain("q") == before
        assert orch.retract("early", early.event_id).feedback_id == early.event_id


def feedback_in(orch: Orch) -> list[dict[str, Any]]:
    """Give what the topic of feedback holds."""
    with Workspace(orch.log_url).open_reader() as view:
        return [json.loads(record.value) for record in view.records((FEEDBACK,))]


class Pandas:
    """What of a pandas.DataFrame is used, with the cells it gives."""

    columns = ("question_id",)

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def iloc(self) -> "Pandas":
        return self

    def __getitem__(self, part: slice) -> "Pandas":
        return Pandas(self.rows[part])

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        assert orient == "records"
        return self.rows


class Polars:
    """What of a polars.DataFrame is used."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def to_dicts(self) -> list[dict[str, Any]]:
        raise AssertionError("all rows at once")

    def iter_rows(self, *, named: bool) -> Any:
        assert named
        return iter(self._rows)


class Arrow:
    """What of a pyarrow.Table is used."""

    column_names = ("question_id",)

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def slice(self, at: int, length: int) -> "Arrow":
        return Arrow(self._rows[at : at + length])

    def to_pylist(self) -> list[dict[str, Any]]:
        return self._rows


class Scalar:
    """A number of numpy: no Python number, with `tolist`."""

    def __init__(self, value: object) -> None:
        self._value = value

    def tolist(self) -> object:
        return self._value


@pytest.mark.parametrize("frame", [Pandas, Polars, Arrow, list, iter])
def test_rows_of_any_frame_are_questions(frame: Any, folder: Path) -> None:
    """Missing cells are absent, arrays are lists, numbers of numpy are numbers; a bad row is told, the others run."""
    rows = [
        {"question_id": "q0", "text": "w", "options": Scalar(["x", "y"]), "gold": "A", "subject": float("nan")},
        {"question_id": "q1", "text": "How many?", "answer_type": "number", "gold": Scalar(16), "options": None},
        {"question_id": "q2", "text": "w", "A": "x", "B": "y", "gold": 1.0},
        {
            "question_id": "q3",
            "text": "w",
            "options": ("x", "y"),
            "occurred_at": datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC),
        },
    ]
    told: list[str] = []
    with Orch("rows.db", tell=told.append) as orch:
        outcome = orch.run(frame(rows), teach=True)
        assert (outcome.summary.decided, outcome.summary.graded) == (3, 2)
        (problem,) = outcome.problems
        assert (problem.file, problem.line) == ("questions", 3)
        assert told[0].startswith("questions:3: gold")
        assert orch.explain("q3")["question"]["asked_at"] == "2026-01-02T03:04:05.678Z"


def test_rows_that_are_none_are_refused(folder: Path) -> None:
    """What is no row, or holds what JSON cannot, is named with its number."""
    with Orch() as orch:
        for rows, words in (
            (5, "questions: a int"),
            ({"question_id": "q"}, "questions: a dict"),
            ([{"question_id": "q"}, 7], "questions, row 2: a int"),
            ([{"text": object()}], "questions, row 1: Object of type object"),
            ("nosuch.jsonl", "no such file"),
        ):
            with pytest.raises(UsageError, match=words):
                orch.run(rows)


def test_run_waits_for_those_who_ask_and_then_they_go_on(folder: Path) -> None:
    """`run` and `ask` of one object take turns at the file; recorded outputs become the agents of the run alone."""
    outputs = [{"question_id": "q", "model": "ann b", "text": "The answer is (A)."}]
    with Orch() as orch:
        orch.ask("Which?", ["a", "b"])
        outcome = orch.run([{"question_id": "q", "text": "w", "options": ["x", "y"]}], outputs=outputs)
        assert [*outcome.summary.agents] == ["ann-b"]
        assert orch.ask("Else?", ["a", "b"]).policy_id == "first"
        assert orch.run().replay.different == 0


def test_decisions_are_chosen_by_conditions(folder: Path) -> None:
    """Status, subject, question, time, place and fields choose; a misspelt field is told with what it means."""
    with Orch() as orch:
        orch.run(
            [{"question_id": f"q{n}", "text": "w", "options": ["x", "y"], "subject": "sl"[n % 2]} for n in range(6)]
        )
        every = list(orch.decisions())
        assert len(every) == 6
        assert [each.question_id for each in orch.decisions(question_id="q3")] == ["q3"]
        assert {each.scopes[1] for each in orch.decisions(subject="l")} == {"l"}
        assert list(orch.decisions(status="undecided")) == []
        assert list(orch.decisions(since="2 h")) == every
        assert list(orch.decisions(since="2100-01-01")) == []
        agreed = [each for each in every if each.agreement.agreeing == 3]
        assert list(orch.decisions(where={"agreement.agreeing": 3})) == agreed
        assert list(orch.decisions(where=["counted.agent=quick", "status=decided"])) == every
        news = orch.follow(after="0")
        places = [next(news).place for _ in every]
        assert list(orch.decisions(after=places[3])) == every[4:]
        for wrong, words in (
            ({"where": {"statsu": "x"}}, "Did you mean status"),
            ({"where": ["status"]}, "is no condition"),
            ({"since": "soon"}, "neither a time nor an age"),
            ({"after": "here"}, "is no place"),
        ):
            with pytest.raises(UsageError, match=words):
                list(orch.decisions(**wrong))  # type: ignore[arg-type]


def test_events_are_those_of_the_log(folder: Path) -> None:
    """What the API gives is the event itself: the same model with the same bytes."""
    with Orch() as orch:
        made = orch.ask("Which?", ["a", "b"])
        with Workspace().open_reader() as reader:
            (record,) = reader.records(("orch.decisions",))
        assert decode_canonical("orch.decisions", record.value) == made
        assert record.value == made.encode()


def test_decision_of_old_rules_has_no_text(folder: Path) -> None:
    """A decision of v1 knows the letter alone; asking for the text gives None, and for anything else an error."""
    config = {"agents": [{"kind": "simulated", "name": name} for name in ("a", "b", "c")], "policy": {"rules": "v1"}}
    with Orch(config=config) as orch:
        made = orch.ask("Which?", ["x", "y"])
        assert (made.kind, made.answer_text, made.answer in ("A", "B")) == ("decision.made.v1", None, True)
        with pytest.raises(AttributeError, match="nosuch"):
            made.nosuch  # type: ignore[attr-defined]  # noqa: B018
        assert "answer_text" not in made.model_dump()
