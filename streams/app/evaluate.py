"""Evaluation of panels and rules on data sets."""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from streams.agents.recorded import VERDICT_SUFFIX
from streams.app import evaluate_arm
from streams.app.evaluate_arm import ArmRunner, ArmWork, needs_calls, remove_scratch, tokens_of
from streams.app.evaluation_data import EvalData, prepare
from streams.app.evaluation_report import ReportInputs, build_report
from streams.app.reporter import SILENT, Reporter
from streams.app.run import Job, do
from streams.app.setup import EPOCH
from streams.app.workspace import Workspace
from streams.errors import UsageError
from streams.evaluation.arms import (
    EVERY_PART,
    PUBLISHED,
    Arm,
    ArmRouting,
    NotRun,
    Panel,
    Plan,
    arms_of,
    parse_panel,
    random_panels,
)
from streams.evaluation.long_form import write_long_form
from streams.evaluation.outcomes import Answers, Given, given_by
from streams.evaluation.page import report_page
from streams.evaluation.report import EvalReport
from streams.evaluation.resampling import RESAMPLES
from streams.evaluation.run_folder import EVERYBODY, OUTPUTS, PAGE, QUESTIONS, REPORT, ROWS, RunFolder
from streams.evaluation.sampling import Sampling
from streams.log import LogReader, read_event
from streams.settings import Config, build_policy
from streams.topology import ANALYSES, DECISIONS

DEFAULT_RULES = ("vote", "weighted", "cascade", "odds", "odds-cascade")
SIMULATED_MERGER = (
    "the outputs hold none, so it is simulated: the most frequent answer of the panel, on a tie the first one read; the"
    " panels are those of the experiment"
)
"""What a report says of the arm `published` on recorded outputs."""
ROUTINGS: tuple[ArmRouting, ...] = (ArmRouting("static"), ArmRouting("ema"))
Replays = Literal["all", "first", "none"]
PARALLEL_FROM = 2_000
"""Decisions from which further processes pay for their start of about a second each."""
_FINISHED = "everybody.json"


@dataclass(frozen=True, slots=True)
class EvalJob:
    """Parameters of an evaluation."""

    datasets: tuple[str, ...]
    """Files and folders of questions and outputs."""
    folder: Path
    """The run folder."""
    config: Config
    """Its agents are asked if the data sets hold no outputs."""
    panels: tuple[str, ...] = ()
    """As `parse_panel` reads them; none, and none drawn: all agents."""
    random_panels: int = 0
    """Panels drawn beside them."""
    rules: tuple[str, ...] = DEFAULT_RULES
    routings: tuple[ArmRouting, ...] = ROUTINGS
    orders: int = 20
    seed: int = 42
    window: int = 1
    sampling: Sampling | None = None
    resamples: int = RESAMPLES
    processes: int = 2
    replays: Replays = "first"
    """Whose logs are derived again: all, those of the first order, or none."""
    keep_logs: bool = False
    """Whether the logs of the first order stay in the run folder."""
    command: str = ""
    """Command line that makes the report again."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Result of an evaluation."""

    report: EvalReport
    folder: RunFolder
    rows: int
    """Rows of the long form."""


def evaluate(job: EvalJob, reporter: Reporter = SILENT) -> Evaluation:
    """
    Measure single agents, votes and rules on the questions of some data sets.

    Everybody is asked once, in one log. Single agents, votes of any panel and the oracle are counted from it. Each
    other arm is a run of its own for each order of the questions: what the agents said is asked, decided and learned
    through the same stages as in a run, with the right answer fed back after each question. What an earlier call in the
    same folder finished is not done again.

    Raises:
        UsageError: A data set or an option is wrong, or the folder holds another evaluation.
        OperatorError: The folder cannot be written, or another process works on it.
    """
    folder = RunFolder(job.folder)
    with folder.held():
        remove_scratch(folder)
        try:
            return _evaluated(job, folder, reporter)
        finally:
            remove_scratch(folder)


def _evaluated(job: EvalJob, folder: RunFolder, reporter: Reporter) -> Evaluation:
    data = prepare(job.datasets, job.config, job.sampling, job.seed, reporter)
    everybody = _everybodys_config(job, folder, data)
    # Before anything is written: a key that stands where a variable's name belongs is refused here.
    build_policy(everybody, EPOCH)
    folder.keep_plan(
        {
            "data": data.digest,
            "seed": job.seed,
            "window": job.window,
            "agents": [dict(spec) for spec in data.specs],
            "panels": [*job.panels, job.random_panels],
        }
    )
    for name, content in data.files.items():
        folder.write(folder.file(name), content)
    names = [str(spec["name"]) for spec in data.specs]
    panels = [parse_panel(text, names) for text in job.panels]
    panels += random_panels(names, job.random_panels, job.seed)
    panels = panels or [Panel(f"all {len(names)}", {name: name for name in names})]
    plan = _plan(job, panels, data)
    answers = _everybody(everybody, folder, data, reporter)
    _run_arms(job, folder, plan, data, reporter)
    with reporter.progress("statistics") as advance:
        inputs = ReportInputs(folder, plan, data, answers, job.datasets, job.sampling, job.resamples, job.command)
        series, report = build_report(inputs, advance)
    rows = write_long_form(folder.file(ROWS), series, {question.question_id: question for question in data.asked})
    folder.write(folder.file(REPORT), report.model_dump_json(indent=1).encode() + b"\n")
    folder.write(folder.file(PAGE), report_page(report).encode())
    return Evaluation(report, folder, rows)


def _plan(job: EvalJob, panels: Sequence[Panel], data: EvalData) -> Plan:
    """List the arms; an arm that cannot be run is named with the reason."""
    arms: list[Arm] = []
    not_run: list[NotRun] = []
    verdicts = any(str(line.get("question_id", "")).endswith(VERDICT_SUFFIX) for line in data.found.outputs)
    for arm in arms_of(panels, job.rules, job.routings):
        if needs_calls(arm) and data.recorded and not (verdicts and arm.rule == "agent"):
            missing = "no merge verdicts" if arm.rule == "agent" else "whole answers and none to sub-questions"
            not_run.append(NotRun(arm.name, f"the outputs hold {missing}; run it with live or simulated agents"))
            continue
        probe = [{"kind": "recorded", "name": name, "model": model} for name, model in arm.members.items()]
        try:
            build_policy(Config(fields=arm.policy()), EPOCH, agents=probe)
        except UsageError as error:
            reason = str(error).splitlines()[0]
            unknown = "merge.rule" in reason
            not_run.append(NotRun(arm.name, "this version has no such merge rule" if unknown else reason))
        else:
            arms.append(arm)
            if arm.rule == PUBLISHED and data.recorded and not verdicts:
                not_run.append(NotRun(f"{arm.name}: a merge model's verdicts", SIMULATED_MERGER))
    if not any("@2" in str(spec["name"]) for spec in data.specs):
        not_run.append(NotRun("self-consistency K=2", "no model has a second sample among the outputs"))
    if data.recorded and EVERY_PART not in job.rules:
        reason = "the outputs hold none to sub-questions; with live or simulated agents it is --rule every-part"
        not_run.append(NotRun("every agent on every sub-question", reason))
    return Plan(arms, panels, job.seed, job.orders, job.window, tuple(not_run))


def _base_specs(data: EvalData) -> list[dict[str, Any]]:
    """Give the agents as the run folder knows them: outputs in it stand under the agents' names."""
    if not data.recorded:
        return [dict(spec) for spec in data.specs]
    return [{"kind": "recorded", "name": spec["name"], "model": spec["name"]} for spec in data.specs]


def _everybodys_config(job: EvalJob, folder: RunFolder, data: EvalData) -> Config:
    """Give the settings under which every agent is asked every question."""
    given = job.config
    fields: dict[str, Any] = {name: given.fields[name] for name in ("prompts", "budget") if name in given.fields}
    fields |= {
        "policy_id": "everybody",
        "agents": _base_specs(data),
        "routing": {
            "rule": "static",
            "panel_size": len(data.specs),
            "exploration": {"kind": "none", "warm_up": 0},
        },
        "merge": {"rule": "vote"},
    }
    outputs = (str(folder.file(OUTPUTS)),) if data.recorded else given.run.outputs
    run = given.run.model_copy(update={"outputs": outputs})
    return Config(fields=fields, run=run, path=given.path)


def _everybody(config: Config, folder: RunFolder, data: EvalData, reporter: Reporter) -> Answers:
    """Ask every agent every question, in one log; go on with one that was begun."""
    work = Workspace(f"sqlite:///{folder.file(EVERYBODY).absolute()}")
    if not folder.file(_FINISHED).exists():
        outcome = do(work, Job(str(folder.file(QUESTIONS)), config, teach=True), reporter)
        proof = {"events": outcome.replay.events, "different": outcome.replay.different}
        folder.write_json(folder.file(_FINISHED), proof)
    answers: dict[str, Mapping[str, Given]] = {}
    with work.open_reader() as reader:
        tokens = tokens_of(reader)
        for record in reader.records((DECISIONS,)):
            event = read_event(record)
            if isinstance(event, DecisionMade):
                answers.setdefault(event.question_id, given_by(event, tokens))
        if not data.recorded:
            folder.write_lines(OUTPUTS, _said(reader))
    return answers


def _said(reader: LogReader) -> list[dict[str, Any]]:
    """Give what the agents said as outputs, so that every other arm plays the same answers back."""
    found = []
    for record in reader.records((ANALYSES,)):
        event = read_event(record)
        if isinstance(event, AnalysisPublished) and event.status == "ok":
            last = event.attempts[-1]
            line = {
                "question_id": event.question_id,
                "model": event.agent,
                "text": event.text,
                "answer": event.answer,
                "latency_ms": event.latency_ms,
                "cost_nusd": last.cost_nusd,
                "input_tokens": last.input_tokens,
                "output_tokens": last.output_tokens,
            }
            found.append({name: value for name, value in line.items() if value is not None})
    return found


def _run_arms(job: EvalJob, folder: RunFolder, plan: Plan, data: EvalData, reporter: Reporter) -> None:
    """Run what is not there yet, in several processes."""
    works = [
        ArmWork(
            arm,
            order,
            replayed=job.replays == "all" or (job.replays == "first" and order == 1),
            keep=job.keep_logs and order == 1,
        )
        for order in range(1, plan.orders + 1)
        for arm in plan.arms
    ]
    left = [work for work in works if not folder.arm_file(work.arm.file_name, work.order).exists()]
    given = (folder.path, plan.seed, plan.window, {str(spec["name"]): spec for spec in _base_specs(data)})
    questions = len(data.lines)
    with reporter.progress("arms, questions decided", len(works) * questions) as advance:
        advance((len(works) - len(left)) * questions)
        if len(left) < 2 or job.processes == 1 or len(left) * questions < PARALLEL_FROM:
            runner = ArmRunner.of(*given) if left else None
            for work in left:
                assert runner is not None, "there is a runner where there is work"
                advance(runner.run(work))
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(job.processes, len(left)), context, evaluate_arm.start_worker, given) as pool:
            try:
                for done in as_completed([pool.submit(evaluate_arm.run_in_worker, work) for work in left]):
                    advance(done.result())
            except BaseException:
                # What an arm has begun is done again; what is written stays.
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
                raise


def default_processes() -> int:
    """Give the number of processes to use: one for each core that this process may use."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
