"""
Counterfactuals over a log.

They are played into a scratch log, which is deleted; the log itself is only read.
"""

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import orjson

from schemas.policies import FeedbackSource, PolicyAdopted
from streams.app.policy_changes import changed_policy, parse_settings, policy_of_file
from streams.app.policy_history import policy_difference, policy_history, policy_named
from streams.app.reporter import SILENT, Advance, Reporter
from streams.app.workspace import Workspace
from streams.audit.whatif.near import Hanging, steps_of, value_at
from streams.audit.whatif.outcome import Compared, Multiplicity, Radius, WhatIf
from streams.audit.whatif.play import HELD, Play
from streams.audit.whatif.radius import Distrust, Taint, struck, without_sources
from streams.audit.whatif.schedule import Schedule
from streams.errors import OperatorError, UsageError
from streams.log import LogReader
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter

FLIP_FORMS = (".csv", ".json", ".jsonl", ".ndjson")
FLIP_COLUMNS = ("question_id", "coverage", "why", "recorded", "other", "right", "flip")

Policies = Mapping[str, PolicyAdopted]
Keep = Callable[[Compared], None]


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """
    What to play.

    Attributes:
        settings: `KEY=VALUE`, for each policy of the log.
        policy_file: A configuration whose policy stands in the place of all of them.
        target: File that takes every changed question.
    """

    settings: Sequence[str] = ()
    policy_file: Path | None = None
    target: Path | None = None


def what_if(work: Workspace, asked: Counterfactual, reporter: Reporter = SILENT) -> WhatIf:
    """
    Decide every decided question of a log again under other policies, from its recorded analyses.

    Raises:
        UsageError: The log holds no policy, or a setting, the file or the target's name is wrong.
        OperatorError: The log cannot be read, or there is no room for the scratch log.
    """
    policies = _policies(work)
    others, changes = _other_policies(policies, asked)
    with work.open_reader() as reader, _flips(asked.target) as keep, Schedule(reader) as schedule:
        found = WhatIf(changes, open=schedule.open)
        with reporter.progress("playing", schedule.questions) as advance:
            for row in played(reader, schedule, policies, others, advance):
                found.add(row)
                if row.changed:
                    keep(row)
    return found


def near(work: Workspace, reporter: Reporter = SILENT) -> Multiplicity:
    """
    Tell which answers hang on the choice among the policies near the one in force: each knob one step up and down.

    Raises:
        UsageError: The log holds no policy.
        OperatorError: The log cannot be read, or there is no room for the scratch log.
    """
    policies = _policies(work)
    newest = list(policies.values())[-1]
    hanging = Hanging.empty()
    steps = list(steps_of(newest))
    with work.open_reader() as reader, Schedule(reader) as schedule:
        plays = schedule.questions * len(steps)
        with reporter.progress("playing", plays) as advance:
            for key, value in steps:
                change = f"{key}: {value_at(newest, key):,} -> {value:,}"
                try:
                    others = {event: changed_policy(policy, {key: value}) for event, policy in policies.items()}
                except UsageError as error:
                    hanging.found.left_out.append(f"{change} ({error.message.removeprefix('--set: ')})")
                    advance(schedule.questions)
                    continue
                hanging.add(change, played(reader, schedule, policies, others, advance))
    return hanging.found


def without(
    work: Workspace,
    given: Sequence[str],
    target: Path | None = None,
    reporter: Reporter = SILENT,
    heard: Callable[[Compared, bool], None] = lambda row, tainted: None,
) -> Radius:
    """
    Tell which decisions stand on something no longer trusted, and which of them would differ without it.

    Args:
        given: `agent=X`, `source=Y` or `policy=Z`.
        target: File that takes every tainted and changed decision.
        heard: Receives each decision, and whether it is tainted.
        heard: Receives each decision, and whether it is tainted.

    Raises:
        UsageError: One of them is unknown, or agents stand beside sources or policies.
        OperatorError: The log cannot be read, or there is no room for the scratch log.
    """
    policies = _policies(work)
    distrust = _distrust(work, policies, given)
    found = Radius(tuple(given))
    with work.open_reader() as reader, _flips(target) as keep, Schedule(reader) as schedule:
        found.open = schedule.open
        with reporter.progress("deciding without it", schedule.questions) as advance:
            if distrust.agents:
                for one in struck(reader, dict(policies), distrust.agents):
                    advance(1)
                    heard(one.row, one.stood)
                    if found.add(one.row, tainted=one.stood, direct=one.stood):
                        keep(one.row)
                return found
            taint = Taint.of(reader, distrust)
            others = _without_policies(policies, distrust)
            for row in played(reader, schedule, policies, others, advance):
                direct, tainted = row.question_id in taint.direct, row.question_id in taint.tainted
                heard(row, tainted)
                if found.add(row, tainted=tainted, direct=direct):
                    keep(row)
    return found


def _policies(work: Workspace) -> dict[str, PolicyAdopted]:
    """Give the policies of a log by the ids of their events, in the order of adoption."""
    policies = {one.policy.event_id: one.policy for one in policy_history(work)}
    return policies


def _other_policies(policies: Policies, asked: Counterfactual) -> tuple[Policies, tuple[str, ...]]:
    """Give the policy in the place of each, and what differs from the newest."""
    settings = parse_settings(asked.settings)
    newest = list(policies.values())[-1]
    if asked.policy_file is None:
        others = {event: changed_policy(p, settings) if settings else p for event, p in policies.items()}
    else:
        other = changed_policy(policy_of_file(asked.policy_file, newest), settings)
        others = dict.fromkeys(policies, other)
    differences = policy_difference(newest, list(others.values())[-1])
    return others, tuple(f"{one.setting}: {_shown(one.before)} -> {_shown(one.after)}" for one in differences)


def _shown(value: Any) -> str:
    return "unset" if value is None else orjson.dumps(value).decode().strip('"')


def _without_policies(policies: Policies, distrust: Distrust) -> Policies:
    """
    Give the policy in the place of each: one without weight for a source, and for a distrusted one that before it.

    Before the first one that is trusted, that one holds, as a log's first policy does for questions before it.
    """
    weights = {event: changed_policy(p, without_sources(distrust.sources)) for event, p in policies.items()}
    trusted = [event for event in policies if event not in distrust.policies]
    if not trusted:
        raise UsageError("every policy of the log is distrusted", remedy="One must stay, to decide by")
    others, before = {}, trusted[0]
    for event in policies:
        before = before if event in distrust.policies else event
        others[event] = weights[before]
    return others


def _distrust(work: Workspace, policies: Policies, given: Sequence[str]) -> Distrust:
    agents, sources, events = set[str](), set[FeedbackSource](), set[str]()
    known = dict.fromkeys(agent.name for policy in policies.values() for agent in policy.agents)
    for text in given:
        what, _, name = text.partition("=")
        if what == "agent" and name in known:
            agents.add(name)
        elif what == "agent":
            raise UsageError(f"--without {text}: no agent is called so", remedy=f"There are {', '.join(known)}")
        elif what == "source":
            if name not in get_args(FeedbackSource):
                there = ", ".join(get_args(FeedbackSource))
                raise UsageError(f"--without {text}: no source of feedback", remedy=f"There are {there}")
            sources.update(source for source in get_args(FeedbackSource) if source == name)
        elif what == "policy":
            history = policy_history(work)
            label = policy_named(history, name).name
            events |= {one.policy.event_id for one in history if one.name == label}
        else:
            raise UsageError(f"--without {text}", remedy="Write agent=NAME, source=NAME or policy=NAME")
    if agents and (sources or events):
        raise UsageError(
            "--without agent= cannot stand beside source= or policy=",
            remedy="An agent's analyses are struck from panels as they were, the others change panels: ask twice",
        )
    return Distrust(frozenset(agents), frozenset(sources), frozenset(events))


def played(
    reader: LogReader, schedule: Schedule, recorded: Policies, others: Policies, advance: Advance
) -> Iterator[Compared]:
    """Play a log into a scratch log on disk."""
    with (
        TemporaryDirectory(prefix="orch-whatif-", ignore_cleanup_errors=True) as folder,
        EmbeddedWriter(Path(folder, "scratch.db"), PROCESSORS, clock=_no_clock, cached_states=HELD) as log,
    ):
        for row in Play(reader, log, recorded, others).run(schedule):
            advance(1)
            yield row


def _no_clock() -> int:
    return 0


@contextmanager
def _flips(target: Path | None) -> Iterator[Keep]:
    """Write changed questions to a file, which is there when all of them are; without a file, discard them."""
    if target is None:
        yield lambda row: None
        return
    suffix = target.suffix.lower()
    if suffix not in FLIP_FORMS:
        raise UsageError(f"{target}: the name does not tell the form", remedy=f"End it in {', '.join(FLIP_FORMS)}")
    draft = target.absolute().with_name(f".{target.name}.tmp")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            if suffix == ".csv":
                table = csv.DictWriter(file, FLIP_COLUMNS, lineterminator="\n")
                table.writeheader()
                yield lambda row: table.writerow(row.as_json())
            else:
                yield lambda row: _write_line(file, row)
        os.replace(draft, target)
    except OSError as error:
        raise OperatorError(f"{target}: {error.strerror}", remedy="Name a file that can be written") from error
    finally:
        draft.unlink(missing_ok=True)


def _write_line(file: Any, row: Compared) -> None:
    file.write(orjson.dumps(row.as_json()).decode() + "\n")
