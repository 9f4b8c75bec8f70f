"""Jobs of the program without its command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.decisions import DecisionMadeV2
from streams.app.ask import ask, question_of
from streams.app.configuration_file import write_configuration
from streams.app.consume import events_of, topic_name
from streams.app.dead_letters import letters_of
from streams.app.policies import adopt_policy, policy_in_force
from streams.app.produce import append_feedback, append_questions
from streams.app.replay import replay
from streams.app.reporter import Reporter
from streams.app.run import Job, do
from streams.app.topics import events_by_topic
from streams.app.workspace import Workspace
from streams.errors import UsageError

from ...e2e.command import Place, question

WITHOUT_CLICK = """
import importlib, pkgutil, sys
sys.modules |= dict.fromkeys(("click", "rich", "streams.cli"))
import streams.app
for module in pkgutil.walk_packages(streams.app.__path__, "streams.app."):
    importlib.import_module(module.name)
from streams import logs
from streams.app.demo import demonstrate
from streams.app.workspace import Workspace
logs.configure(verbose=False)
print(demonstrate(Workspace(log="sqlite:///mine.db"), 8, 7).outcome.as_json()["decided"])
"""


class Remarks(Reporter):
    """Keeps what a job says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.said.append(text)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Give a workspace with simulated agents and no log yet."""
    monkeypatch.chdir(tmp_path)
    write_configuration(tmp_path / "orch.toml", simulated=True, replace=False)
    return Workspace()


@pytest.mark.process
def test_jobs_need_no_click(tmp_path: Path) -> None:
    """Without click, rich and the command line, everything is imported and a demonstration runs."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_CLICK], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout, done.stderr) == ("8\n", "")


def test_program_asks_and_reads_what_was_decided(work: Workspace) -> None:
    """A question gets its decision once, and the events of a topic can be read."""
    asked = question_of("What is 17 times 23?", number=True, subject="arithmetic", question_id="sum")
    answered = ask(work, asked)
    assert (answered.decision.question_id, answered.known, answered.made_up) == ("sum", False, True)
    assert ask(work, asked).known
    (decision,) = events_of(work, topic_name("decisions"))
    assert decision.value == answered.decision.encode()
    assert policy_in_force(work).policy_id == "first"
    assert not adopt_policy(work).changed
    with pytest.raises(UsageError, match="stands for another question"):
        ask(work, question_of("What else?", number=True, subject=None, question_id="sum"))


def test_program_runs_a_file(work: Workspace) -> None:
    """A file is asked, taught and proved; bad lines are told to whoever listens, and to nobody else."""
    place, remarks = Place(Path.cwd()), Remarks()
    file = place.write("questions.jsonl", [question(0), question(1), b"{"])
    assert events_by_topic(work) is None
    assert append_questions(work, str(file), remarks)[:3] == (2, 0, 1)
    outcome = do(work, Job(str(file), work.config, teach=True), remarks)
    assert (outcome.summary.decided, outcome.known, outcome.replay.different) == (2, 2, 0)
    assert [said.partition(": ")[0] for said in remarks.said] == [f"{file}:3"] * 2
    told = place.write("told.jsonl", [{"question_id": "q0", "source": "human", "verdict": "right"}])
    assert append_feedback(work, str(told)).appended == 1
    with work.open_reader() as reader:
        assert replay(reader).different == 0
    assert list(letters_of(work)) == []
    counts = events_by_topic(work)
    assert counts is not None
    assert counts["orch.decisions"] == 2
    events = [DecisionMadeV2.decode(record.value) for record in events_of(work, "orch.decisions")]
    assert {event.question_id for event in events} == {"q0", "q1"}
