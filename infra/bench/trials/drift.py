"""Trial of alarms: models swapped behind an agent's name."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from infra.bench.odds.__main__ import by_accuracy
from infra.bench.odds.play import Known
from infra.bench.odds.recorded import lines
from schemas.questions import LETTERS
from streams.audit.behaviour import SIGNALS, BehaviourWatch, Measure, Seen, against_others

LATENCY_MS = 2_000
"""Median latency of a simulated call; recorded outputs have none."""
SPREAD = 0.6
"""Standard deviation of the natural logarithm of a simulated latency."""
LETTER: Mapping[str, Measure] = {"letter": against_others(lambda seen: float(LETTERS.find(seen.answer or "")))}
"""Place of the letter among all letters, tried as one more signal: a model that guesses has letters it likes."""
Said = Mapping[str, Mapping[str, Seen]]
"""By question, then model."""


@dataclass(slots=True)
class Alarms:
    """What the alarms of many courses came to."""

    courses: int = 0
    noticed: int = 0
    """Courses in which the first alarm behind the swap names the swapped agent."""
    another: int = 0
    """Courses in which it names another agent."""
    early: int = 0
    """Alarms before any swap."""
    watched: int = 0
    """Agents times questions without a swap, which could have given a false alarm."""
    delays: list[int] = field(default_factory=list)
    by: dict[str, int] = field(default_factory=dict)

    def line(self) -> str:
        """Sum up in one line."""
        late = sorted(self.delays)
        delay = f"{median(late):4.0f} (90 % within {late[len(late) * 9 // 10]:4})" if late else "none"
        by = ", ".join(f"{signal} {count}" for signal, count in sorted(self.by.items(), key=lambda item: -item[1]))
        per = f"{1e6 * self.early / self.watched:.1f}" if self.watched else "-"
        return (
            f"{self.noticed:4} of {self.courses:4} noticed, {self.another:3} blamed on another; delay {delay};"
            f" false alarms {self.early} = {per} in a million answers; first by {by or 'none'}"
        )


def said_in(folder: Path, known: Sequence[Known], seed: int) -> Said:
    """Read what the models did; latencies are drawn."""
    chance = random.Random(seed)
    voices = {one.question_id: one.voices for one in known}
    found: dict[str, dict[str, Seen]] = {}
    for output in lines(folder / "outputs.jsonl.gz"):
        question, model = output["question_id"], output["model"]
        if question in voices:
            voice = voices[question][model]
            latency = round(LATENCY_MS * chance.lognormvariate(0, SPREAD))
            seen = Seen(None if voice is None else voice.answer, len(output["text"]), latency)
            found.setdefault(question, {})[model] = seen
    return found


def measure(folder: Path, known: Sequence[Known], orders: int) -> None:
    """
    Swap each model for another in the middle of the stream, and leave all as they are; print what is noticed.

    The best, a middling and the weakest model take the places of the others in turn.
    """
    said = said_in(folder, known, seed=1)
    models = by_accuracy(known)
    newcomers = [models[0], models[len(models) // 2], models[-1]]
    subjects = {line["question_id"]: line["subject"] for line in lines(folder / "questions.jsonl.gz")}
    for name, size in (("all but one", len(models) - 1), ("three", min(3, len(models) - 1))):
        for arrangement in ("random", "by subject"):
            calm, swapped, slower, letters, quiet = (Alarms() for _ in range(5))
            for order in range(orders):
                asked = [one.question_id for one in known]
                random.Random(order).shuffle(asked)
                if arrangement == "by subject":
                    asked.sort(key=lambda question: subjects[question])
                stream = [(question, subjects[question]) for question in asked]
                for newcomer in newcomers:
                    # The newcomer is no member: a swap that makes a clone of one is noticed in the one as well.
                    panel = [model for model in models if model != newcomer][:size]
                    play(stream, said, panel, calm)
                    play(stream, said, panel, quiet, signals=LETTER)
                    for agent in panel:
                        play(stream, said, panel, swapped, (agent, newcomer))
                        play(stream, said, panel, letters, (agent, newcomer), signals=LETTER)
                        if newcomer == newcomers[-1]:
                            play(stream, said, panel, slower, (agent, agent), factor=2)
            print(f"{folder.name}, {name}, questions {arrangement}")
            print(f"  no swap:            {calm.line()}")
            print(f"  swapped models:     {swapped.line()}")
            print(f"  half as fast:       {slower.line()}")
            print(f"  letters, no swap:   {quiet.line()}")
            print(f"  letters, swapped:   {letters.line()}")


def play(
    stream: Sequence[tuple[str, str]],
    said: Said,
    panel: Sequence[str],
    alarms: Alarms,
    swap: tuple[str, str] | None = None,
    *,
    factor: int = 1,
    signals: Mapping[str, Measure] = SIGNALS,
) -> None:
    """
    BehaviourWatch one panel over all questions.

    Args:
        stream: Questions and their subjects.
        swap: An agent, and the model that answers under its name from the middle on.
        factor: By how much the agent's latency grows with the swap.
        signals: What is watched.
    """
    watch = BehaviourWatch(signals)
    half = len(stream) // 2 if swap is not None else len(stream)
    alarms.courses += swap is not None
    alarms.watched += half * len(panel)
    is_open = swap is not None
    for place, (question, subject) in enumerate(stream):
        outputs = said[question]
        seats = {agent: outputs[agent] for agent in panel}
        if swap is not None and place >= half:
            agent, model = swap
            seats[agent] = outputs[model]._replace(latency_ms=outputs[model].latency_ms * factor)
        for change in watch.see(question, subject, seats):
            if place < half:
                alarms.early += 1
            elif is_open and swap is not None:
                is_open = False
                if change.agent == swap[0]:
                    alarms.noticed += 1
                    alarms.delays.append(place - half + 1)
                    alarms.by[change.signal] = alarms.by.get(change.signal, 0) + 1
                else:
                    alarms.another += 1
        if place > half and not is_open:
            return
