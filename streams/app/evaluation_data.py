"""Questions and outputs of an evaluation, in orch's forms."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from streams.app.question_file import QuestionLine, read_questions
from streams.app.reporter import Reporter
from streams.app.setup import EPOCH, agent_names
from streams.errors import UsageError
from streams.evaluation.outcomes import GradedQuestion
from streams.evaluation.readers.forms import read_datasets
from streams.evaluation.readers.found import Found
from streams.evaluation.run_folder import OUTPUTS, QUESTIONS, SAMPLE, json_lines
from streams.evaluation.sampling import Sampling, sample
from streams.settings import Config

Spec = Mapping[str, Any]


class EvalData(NamedTuple):
    """
    What an evaluation works on.

    Attributes:
        found: As the files gave it.
        lines: Its questions with a right answer, sampled.
        specs: Its agents, as a configuration file would give them.
        digest: SHA-256 of questions and outputs.
        ungraded: Questions left out because no right answer is known.
        files: Contents of the run folder: questions, outputs and the sampled ids.
    """

    found: Found
    lines: Sequence[QuestionLine]
    specs: Sequence[Spec]
    digest: str
    ungraded: int
    files: Mapping[str, bytes]

    @property
    def recorded(self) -> bool:
        """Whether the files hold the agents' outputs."""
        return bool(self.found.outputs)

    @property
    def asked(self) -> list[GradedQuestion]:
        """The questions, as outcomes name them."""
        return [
            GradedQuestion(
                line.question.question_id,
                line.gold or "",
                line.question.subject or "",
                str(self.found.questions[line.question.question_id].get("dataset") or ""),
            )
            for line in self.lines
        ]


def prepare(
    datasets: Sequence[str], config: Config, sampling: Sampling | None, seed: int, reporter: Reporter
) -> EvalData:
    """
    Read data sets and outputs, and sample the questions; nothing is written.

    Raises:
        UsageError: A file is wrong, or there is no question with a right answer, or no agent.
        OperatorError: A file cannot be read.
    """
    with reporter.progress("reading data sets"):
        found = read_datasets(datasets)
    place = ", ".join(datasets)
    read = _questions(found)
    reporter.refused(found.problems)
    graded = [line for line in read if line.gold is not None]
    if not graded:
        raise UsageError(
            f"{place}: no question with a right answer",
            remedy="An evaluation needs them; `orch run` asks questions without",
        )
    lines = graded if sampling is None else _sampled(graded, sampling, seed)
    specs = _specs(found, config, place)
    files = {
        QUESTIONS: json_lines(map(_as_line, lines)),
        SAMPLE: "".join(f"{line.question.question_id}\n" for line in lines).encode(),
    }
    if found.outputs:
        wanted = {line.question.question_id for line in lines}
        names = {spec["model"]: spec["name"] for spec in specs}
        kept = [line for line in found.outputs if str(line.get("question_id")).partition("#")[0] in wanted]
        files[OUTPUTS] = json_lines({**line, "model": names[str(line["model"])]} for line in kept)
    digest = hashlib.sha256(files[QUESTIONS] + files.get(OUTPUTS, b"")).hexdigest()
    return EvalData(found, lines, specs, digest, len(read) - len(graded), files)


def _questions(found: Found) -> list[QuestionLine]:
    """Read the questions as a run does; what it refuses joins the problems."""
    raw = io.BytesIO()
    for line in found.questions.values():
        raw.write(orjson.dumps({name: value for name, value in line.items() if value is not None}) + b"\n")
    raw.seek(0)
    return list(read_questions(raw, found.problems, lambda: 0))


def _sampled(lines: Sequence[QuestionLine], sampling: Sampling, seed: int) -> list[QuestionLine]:
    questions = [line.question for line in lines]
    fields = [{"question_id": q.question_id, "text": q.text, "subject": q.subject} for q in questions]
    chosen = {line["question_id"] for line in sample(fields, sampling, seed)}
    return [line for line in lines if line.question.question_id in chosen]


def _as_line(line: QuestionLine) -> dict[str, Any]:
    question = line.question
    given = {
        "question_id": question.question_id,
        "text": question.text,
        "options": list(question.options),
        "answer_type": question.answer_type,
        "gold": line.gold,
        # One time for all, so that the same questions give the same events.
        "occurred_at": EPOCH,
    }
    return given if question.subject is None else {**given, "subject": question.subject}


def _specs(found: Found, config: Config, place: str) -> list[Spec]:
    """Give the agents: one for each model of the outputs, else the configured ones."""
    if found.outputs:
        names = agent_names(sorted({str(line["model"]) for line in found.outputs}), place)
        return [{"kind": "recorded", "name": name, "model": model} for name, model in names.items()]
    given = config.fields.get("agents")
    if not given:
        raise UsageError(
            f"{place}: questions without outputs, and no agents are configured",
            remedy="Name a file of outputs too, or a configuration with [[agents]] (`orch init` writes one)",
        )
    return [dict(spec) for spec in given]
