"""Evaluations from data sets to report, in this process."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.decisions import Ballot, DecisionMade, DecisionMadeV2, Exclusion, Shadow
from schemas.feedback import FeedbackGiven
from schemas.panels import PanelAssigned, PanelAssignedV2
from schemas.questions import QuestionAsked
from streams.app.evaluate import EvalJob, Evaluation, evaluate
from streams.app.evaluate_arm import IN_MEMORY
from streams.app.workspace import Workspace
from streams.audit.replay.replay import replay
from streams.errors import OperatorError, UsageError
from streams.evaluation.arms import NEED_CALLS, parse_panel, parse_routing, random_panels
from streams.evaluation.ordering import permuted
from streams.evaluation.report import ArmResult
from streams.evaluation.sampling import Sampling
from streams.log import read_event
from streams.processors.decompose import FIXED_SUB_QUESTIONS
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.settings import Config
from streams.topology import ASSIGNMENTS

from ...published_scripts import Scripts, Seen
from .small_world import SKILLS, write_world


def _job(folder: Path, questions: int = 36) -> EvalJob:
    files = write_world(folder, questions)
    rules = ("vote", "weighted", "cascade", "agent", "published")
    return EvalJob(
        tuple(map(str, files)), folder / "run", Config(), rules=rules, orders=2, resamples=200, processes=1, command="x"
    )


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> EvalJob:
    """An evaluation of four models on 36 questions, with its logs."""
    return replace(_job(tmp_path_factory.mktemp("small")), keep_logs=True, replays="all")


@pytest.fixture(scope="module")
def done(job: EvalJob) -> Evaluation:
    """What it found."""
    return evaluate(job)


def _arm(found: Evaluation, name: str) -> ArmResult:
    return next(arm for arm in found.report.arms if arm.name == name)


def test_singles_are_counted_from_the_outputs(job: EvalJob, done: Evaluation) -> None:
    """A single agent's accuracy is the share of its outputs that say the right answer; a missing one is wrong."""
    asked = [json.loads(line) for line in Path(job.datasets[0]).read_text().splitlines()]
    said = [json.loads(line) for line in Path(job.datasets[1]).read_text().splitlines()]
    golds = {line["question_id"]: line["gold"] for line in asked}
    for model in SKILLS:
        right = sum(f"({golds[line['question_id']]})" in line["text"] for line in said if line["model"] == model)
        assert _arm(done, model).accuracy == right / len(asked)


def test_the_counted_vote_is_the_rule_vote(done: Evaluation) -> None:
    """The vote counted from what everybody said is the decision that the rule `vote` made in that log."""
    rows = [row.split(",") for row in done.folder.file("rows.csv").read_text().splitlines()]
    counted = {row[5]: row[9] for row in rows if row[1] == "vote of all"}
    with Workspace(str(done.folder.file("everybody.db"))).open_reader() as reader:
        decisions = [read_event(record) for record in reader.records(("orch.decisions",))]
    assert counted == {d.question_id: d.answer or "" for d in decisions if isinstance(d, DecisionMade)}


def test_each_question_is_learned_before_the_next_is_asked(job: EvalJob, done: Evaluation) -> None:
    """In an arm's log the questions come in the seeded order, each after the right answer to the one before it."""
    (kept,) = (done.folder.path / "logs").glob("all_4_weighted.order-001.db")
    seen: list[str] = []
    with Workspace(str(kept)).open_reader() as reader:
        for record in reader.records(("orch.questions", "orch.feedback")):
            event = read_event(record)
            if isinstance(event, QuestionAsked):
                seen.append(f"asked {event.question_id}")
            elif isinstance(event, FeedbackGiven):
                seen.append(f"taught {event.question_id}")
    ids = [f"q{number:03}" for number in range(36)]
    order = permuted(ids, ids, seed=job.seed, order=1)
    assert order != ids
    assert seen == [f"{what} {question_id}" for question_id in order for what in ("asked", "taught")]


def test_kept_logs_are_derived_again(done: Evaluation) -> None:
    """Every log of an evaluation replays without a difference, in the evaluation and again from the folder."""
    assert (done.report.replayed, done.report.different) == (done.report.logs, 0)
    kept = sorted((done.folder.path / "logs").glob("*.db"))
    # Cascade and the routed rules; the vote and the single agents need no log of their own.
    assert len(kept) == 6
    for log in kept:
        with Workspace(str(log)).open_reader() as reader:
            assert replay(reader).different == 0


def test_arm_of_the_experiment_seats_the_scripts_panels(done: Evaluation) -> None:
    """Its log has the panels that an implementation of the scripts seats, and the other agents beside them."""
    (kept,) = (done.folder.path / "logs").glob("all_4_published.order-001.db")
    with Workspace(str(kept)).open_reader() as reader:
        events = [read_event(r) for r in reader.records(("orch.assignments", "orch.analyses", "orch.decisions"))]
        golds = {e.question_id: e.answer for r in reader.records(("orch.feedback",)) if (e := read_event(r))}
    scripts = Scripts("weighted", sorted(SKILLS))
    decided = [event for event in events if isinstance(event, DecisionMadeV2)]
    panels = {event.question_id: event for event in events if isinstance(event, PanelAssignedV2)}
    for decision in decided:
        panel = panels[decision.question_id]
        if scripts.is_sharp():
            assert tuple(seat.agent for seat in panel.stage.seats) == scripts.panel()
        voices = [*decision.counted, *decision.excluded, *(decision.shadows or ())]
        assert sorted(voice.agent for voice in voices) == sorted(SKILLS)
        scripts.observe({voice.agent: _seen(voice, golds[decision.question_id]) for voice in voices})
    assert {decision.rule for decision in decided} == {"agent.v1"}
    assert "simulated" in done.report.not_run["all 4/published: a merge model's verdicts"]


def _seen(voice: Ballot | Exclusion | Shadow, gold: str) -> Seen:
    """Give what is observed of an agent: of a failed call no quality, and no cost where it is not known."""
    answer, how = getattr(voice, "answer", None), voice.conduct
    silent = getattr(voice, "reason", None) == "failed"
    cost = None if how.unpriced_calls else how.cost_nusd / 1e9
    return Seen(None if silent else float(answer == gold), how.latency_ms, cost, 0.0 if silent else 1.0)


def test_oracle_and_hindsight_bound_what_is_chosen(done: Evaluation) -> None:
    """The oracle is at least every arm counted from one log; the best single in hindsight is the vote of the best 1."""
    oracle = _arm(done, "oracle").accuracy
    assert all(arm.accuracy <= oracle for arm in done.report.arms if arm.kind != "rule")
    best = max(arm.accuracy for arm in done.report.arms if arm.kind == "single")
    assert _arm(done, "vote of the best 1").accuracy == best


def test_what_cannot_be_run_is_named_with_its_reason(done: Evaluation) -> None:
    """Recorded outputs without verdicts run no merge agent, and the report says so instead of leaving it out."""
    assert "no merge verdicts" in done.report.not_run["all 4/agent"]
    assert not any(arm.rule == "agent" for arm in done.report.arms)


def test_a_finished_evaluation_runs_nothing_again(job: EvalJob, done: Evaluation) -> None:
    """The same job in the same folder reads what is there; a lost arm alone is run again, with the same decisions."""
    arms = sorted((done.folder.path / "arms").glob("*.json"))
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in arms}
    lost = arms[0]
    lost.unlink()
    assert evaluate(replace(job, keep_logs=False)).report.arms == done.report.arms
    for file in arms:
        assert (file.stat().st_mtime_ns == before[file][0]) == (file != lost)
    stored, again = json.loads(before[lost][1]), json.loads(lost.read_bytes())
    assert (stored["decisions"], stored["rows"]) == (again["decisions"], again["rows"])


def test_another_evaluation_does_not_mix_in(job: EvalJob, done: Evaluation) -> None:
    """A folder that holds another seed's evaluation is refused, says in what it differs, and stays as it is."""
    before = {file: file.read_bytes() for file in done.folder.path.glob("*.*")}
    with pytest.raises(UsageError, match="differs in data, seed"):
        evaluate(replace(job, seed=7, sampling=Sampling("random", 1, 10)))
    assert {file: file.read_bytes() for file in done.folder.path.glob("*.*")} == before


def test_courses_of_routed_arms(done: Evaluation) -> None:
    """For every agent that averages choose from there is a course of its quality, between 0 and 1."""
    courses = {(curve.arm, curve.agent): curve for curve in done.report.curves if curve.quantity == "quality"}
    assert {agent for arm, agent in courses if arm == "weighted+ema"} == set(SKILLS)
    for curve in courses.values():
        assert all(0 <= value <= 1 for _, value in curve.points)
        assert [number for number, _ in curve.points] == sorted({number for number, _ in curve.points})


def test_no_key_reaches_the_run_folder(tmp_path: Path) -> None:
    """A configuration with a key where the name of a variable belongs is refused before anything is written."""
    questions, _ = write_world(tmp_path, 3)
    key = "sk-Abcdefghijklmnopqrstuvwxyz0123456789"
    agents = [{"kind": "openai", "name": "a", "model": "m", "base_url": "https://x.invalid/v1", "key_env": key}]
    with pytest.raises(UsageError):
        evaluate(EvalJob((str(questions),), tmp_path / "run", Config(fields={"agents": agents})))
    assert not any(key.encode() in file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file())


def test_no_log_of_an_arm_stays(done: Evaluation) -> None:
    """What stands in memory while an arm runs is gone after the evaluation."""
    left = IN_MEMORY / done.folder.scratch_name
    assert not left.exists()
    assert not Path(tempfile.gettempdir(), done.folder.scratch_name).exists()


def test_one_process_at_a_time(job: EvalJob, done: Evaluation) -> None:
    """A folder that another process works on is left alone."""
    with done.folder.held(), pytest.raises(OperatorError, match="another process"):
        evaluate(job)


def test_clones_and_labels(tmp_path: Path) -> None:
    """A clone says what its original says; the panel's label stands in the report."""
    job = replace(_job(tmp_path, 12), panels=("herd=weak*3,able",), rules=("weighted",), orders=1)
    found = evaluate(job)
    assert found.report.panels == {"herd": ("weak", "weak+clone2", "weak+clone3", "able")}
    assert _arm(found, "weak+clone3").accuracy == _arm(found, "weak").accuracy
    assert _arm(found, "weighted").calls == 4


def test_random_panels() -> None:
    """Panels are drawn without repeats, of two to five agents, the same for the same seed; too many are refused."""
    agents = [f"a{number}" for number in range(8)]
    drawn = random_panels(agents, 40, 42)
    assert drawn == random_panels(agents, 40, 42)
    assert len({panel.agents for panel in drawn}) == 40
    assert {len(panel.agents) for panel in drawn} == {2, 3, 4, 5}
    with pytest.raises(UsageError, match="make 4 panels"):
        random_panels(agents[:3], 5, 42)


def test_an_unknown_agent_in_a_panel() -> None:
    """A panel that names an agent without outputs is refused with those there are."""
    with pytest.raises(UsageError, match="'x'") as raised:
        parse_panel("x,y", ["a", "b"])
    assert "a, b" in (raised.value.remedy or "")


def test_numbers(tmp_path: Path) -> None:
    """Questions with numeric answers are evaluated like the others, without confusion of letters."""
    files = write_world(tmp_path, 12, numbers=True)
    job = EvalJob(tuple(map(str, files)), tmp_path / "run", Config(), rules=("weighted",), orders=1, processes=1)
    found = evaluate(replace(job, resamples=200))
    assert _arm(found, "weighted").questions == 12
    assert found.report.confusion == ()


def test_simulated_agents_are_asked_once(tmp_path: Path) -> None:
    """Without outputs the configured agents are asked, and what they said is played back; a merge agent is called."""
    questions, _ = write_world(tmp_path, 12)
    agents = [
        {"kind": "simulated", "name": name, "skill_ppb": skill} for name, skill in (("a", 9 * 10**8), ("b", 5 * 10**8))
    ]
    job = EvalJob(
        (str(questions),), tmp_path / "run", Config(fields={"agents": agents}), rules=("weighted", *NEED_CALLS)
    )
    found = evaluate(replace(job, orders=1, processes=1, resamples=200))
    said = [json.loads(line) for line in found.folder.file("outputs.jsonl").read_text().splitlines()]
    assert len(said) == 24
    # Two analysts each; the merge agent, or the dispatcher, comes on top.
    assert {rule: _arm(found, rule).calls for rule in NEED_CALLS} == {
        "agent": 3,
        "fixed-parts": 2,
        "dispatched-parts": 3,
        "every-part": 6,
    }


def test_every_agent_is_asked_every_part(tmp_path: Path) -> None:
    """Under `every-part` each agent has a seat for each fixed sub-question, as itself under another name."""
    questions, _ = write_world(tmp_path, 3)
    agents = [{"kind": "simulated", "name": name, "skill_ppb": 8 * 10**8} for name in ("a", "b")]
    job = EvalJob((str(questions),), tmp_path / "run", Config(fields={"agents": agents}), rules=("every-part",))
    found = evaluate(replace(job, orders=1, processes=1, resamples=200, keep_logs=True, replays="all"))
    assert found.report.different == 0
    (kept,) = (found.folder.path / "logs").glob("all_2_every-part.order-001.db")
    with EmbeddedReader(kept) as reader:
        panels = [read_event(record) for record in reader.records((ASSIGNMENTS,))]
    assert len(panels) == 3
    for panel in panels:
        assert isinstance(panel, PanelAssigned)
        seats = {(seat.agent.partition("+")[0], seat.sub_question) for seat in panel.stage.seats}
        assert seats == {(agent, part) for agent in ("a", "b") for part in FIXED_SUB_QUESTIONS}


def test_averages_seat_as_many_as_they_are_told(tmp_path: Path) -> None:
    """`ema=2` is the ablation with two agents, of a rule and of the published experiment, each named."""
    routings = tuple(map(parse_routing, ("static", "ema", "ema=2")))
    job = replace(_job(tmp_path, 12), rules=("vote", "published"), routings=routings, orders=1)
    found = evaluate(job)
    names = {arm.name: arm for arm in found.report.arms if arm.kind == "rule"}
    assert list(names) == ["vote+ema", "vote+ema2", "published", "published+ema2"]
    assert names["vote+ema2"].routing == "ema=2"
    with pytest.raises(UsageError, match="ema=0"):
        parse_routing("ema=0")


def test_questions_without_outputs_and_agents(tmp_path: Path) -> None:
    """Questions alone, without a configured agent, end in an error that says what to name."""
    questions, _ = write_world(tmp_path, 3)
    with pytest.raises(UsageError, match="no agents are configured"):
        evaluate(EvalJob((str(questions),), tmp_path / "run", Config()))
