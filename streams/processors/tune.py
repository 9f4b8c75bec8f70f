"""
Processor `tune`: lessons in, entries of weights out.

Each policy has a table of its own, moved by one lesson at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.canonical import canonical_json, content_id
from schemas.event import Event, latest
from schemas.lessons import LessonGiven
from schemas.origins import WeightsCarried
from schemas.weights import WeightsEntry
from streams.processors.fold import GATHER_MS, Processor, Rejection, Step, Tables, guarded
from streams.processors.odds.agreement import agreement_step
from streams.processors.odds.step import Fared, Move, StepTaken, apply, step_of
from streams.processors.odds.table import Table
from streams.processors.origin import first_entry
from streams.processors.rank import RECALLED

MEMORY = 64
"""
Latest lessons of one policy whose steps are kept, some 30 kB, and which the fold recognises when they are repeated. A
lesson is taken back exactly as long as its step is kept; later the step that it would take now is subtracted.
"""


@dataclass(frozen=True, slots=True)
class KeptStep:
    """The step that a lesson took, as long as it is remembered."""

    names_hash: str
    """Hash of the names of its weights and agents, which follow from the lesson: first 16 hex digits."""
    moves: tuple[tuple[int, int], ...]
    """Change of each weight and of its precision, in order of the names."""
    fared: tuple[tuple[int, int, int], ...]
    """Change of each agent's average, count and mean weight, in order of the agents."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The table of one policy."""

    entry: WeightsEntry | None
    recent: Mapping[str, KeptStep | None] = field(default_factory=dict)
    """
    The last lessons applied, at most `MEMORY`, oldest first, with their steps; None where a lesson took another one
    back, or was taken back. Never changed in place.
    """


def fold(state: Tuned | None, event: Event, key: str, tables: Tables) -> Step[Tuned]:
    """
    Decide the next table of weights of one policy.

    Args:
        state: The table so far; None before the first lesson.
        event: A lesson, or the table that an earlier log ended with; other kinds change nothing.
        key: The policy's name.
        tables: Not used.

    Returns:
        The new table, with its one WeightsEntry. A repeat of one of the last `MEMORY` lessons changes nothing. A lesson
        that takes back another one is rejected as `invalid` where its answers are not those of the other. A
        carried table is the first of its policy; behind others it is rejected as a `conflict`.

    Reads lesson.given.v1 and weights.carried.v1; writes weights.entry.v1; order per policy.
    """
    state = state or Tuned(None)
    if not isinstance(event, LessonGiven | WeightsCarried) or event.event_id in state.recent:
        return Step(state)
    if isinstance(event, WeightsCarried):
        return _carried(state, event)
    table = Table.of(state.entry)
    recent = dict(state.recent)
    if event.corrects is None:
        step = agreement_step(event, table) if _is_agreement(event) else step_of(event, table)
        recent[event.event_id] = _kept(apply(table, event, step, 1))
    else:
        step = agreement_step(event, table) if _is_agreement(event) else step_of(event, table)
        kept = recent.get(event.corrects)
        if event.corrects in recent and kept is None:
            return Step(state)
        if kept is not None:
            if kept.names_hash != _names_hash(step):
                detail = f"{event.tune}: its answers are not those of lesson {event.corrects}, which it takes back"
                return Step(state, rejection=Rejection("invalid", detail))
            step = _taken(kept, step)
            recent[event.corrects] = None
        apply(table, event, step, -1)
        recent[event.event_id] = None
    entry = _entry(state.entry, event, table)
    while len(recent) > MEMORY:
        del recent[next(iter(recent))]
    return Step(Tuned(entry, recent), (entry,))


def _carried(state: Tuned, event: WeightsCarried) -> Step[Tuned]:
    """Begin with the table that an earlier log ended with; the steps of its lessons are not kept."""
    if state.entry is not None:
        if event.event_id in state.entry.causes:
            return Step(state)
        detail = f"{event.scope} has weights already, entry {state.entry.sequence}; only an empty log is started"
        return Step(state, rejection=Rejection("conflict", detail))
    entry = first_entry(event)
    return Step(Tuned(entry, {event.event_id: None}), (entry,))


def _is_agreement(lesson: LessonGiven) -> bool:
    return lesson.right is None and lesson.wrong is None


def _entry(previous: WeightsEntry | None, lesson: LessonGiven, table: Table) -> WeightsEntry:
    """Write the table as the entry that follows *previous*."""
    sequence = 1 if previous is None else previous.sequence + 1
    table.note(tuple(taught.agent for taught in lesson.answers), sequence)
    lessons = 0 if previous is None else previous.lessons
    return WeightsEntry(
        causes=(lesson.event_id,) if previous is None else (lesson.event_id, previous.event_id),
        occurred_at=lesson.occurred_at if previous is None else latest(lesson.occurred_at, previous.occurred_at),
        scope=lesson.scope,
        question_id=lesson.question_id,
        lesson_id=lesson.event_id,
        sequence=sequence,
        previous=None if previous is None else previous.event_id,
        lessons=max(lessons + (1 if lesson.corrects is None else -1), 0),
        agents=table.lines(),
        shared=table.shared(),
        tune=lesson.tune,
    )


def _names_hash(step: StepTaken) -> str:
    names = [[move.switch for move in step.moves], [fared.agent for fared in step.fared]]
    return content_id(canonical_json(names))[:16]


def _kept(step: StepTaken) -> KeptStep:
    moves = tuple((move.weight, move.precision) for move in step.moves)
    return KeptStep(_names_hash(step), moves, tuple((f.right, f.asked, f.mean) for f in step.fared))


def _taken(kept: KeptStep, step: StepTaken) -> StepTaken:
    """Give the step that was taken, with the names of the step that the same lesson would take now."""
    moves = tuple(Move(move.switch, *taken) for move, taken in zip(step.moves, kept.moves, strict=True))
    fared = tuple(Fared(now.agent, *taken) for now, taken in zip(step.fared, kept.fared, strict=True))
    return StepTaken(moves, fared)


def _keys(event: Event) -> tuple[str, ...]:
    return (event.scope,) if isinstance(event, LessonGiven | WeightsCarried) else ()


def _dump(state: Tuned) -> Any:
    if state.entry is None:
        return None
    recent = [
        [lesson_id, None if kept is None else [kept.names_hash, kept.moves, kept.fared]]
        for lesson_id, kept in state.recent.items()
    ]
    return {"entry": state.entry.encode().decode(), "recent": recent}


def _load(dumped: Any) -> Tuned:
    if dumped is None:
        return Tuned(None)
    recent = {lesson_id: None if kept is None else _load_kept(*kept) for lesson_id, kept in dumped["recent"]}
    return Tuned(WeightsEntry.decode(dumped["entry"].encode()), recent)


def _load_kept(names_hash: str, moves: Any, fared: Any) -> KeptStep:
    pairs = tuple((weight, precision) for weight, precision in moves)
    return KeptStep(names_hash, pairs, tuple((right, asked, mean) for right, asked, mean in fared))


def _version(state: Tuned | None, event: Event, tables: Tables) -> str:
    return event.tune if isinstance(event, LessonGiven) else "tune.v1"


TUNE = Processor(
    name="tune",
    reads=(LessonGiven.topic,),
    keys=_keys,
    fold=guarded(fold, _version),
    dump=_dump,
    load=_load,
    open=lambda state: False,
    recalled=RECALLED,
    gather_ms=GATHER_MS,
)
