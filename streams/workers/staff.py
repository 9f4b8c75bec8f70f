"""Who is asked: the policy that the settings stand for, and its agents, ready to work."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from schemas.policies import PolicyAdopted, RecordedAgent
from schemas.questions import QuestionAsked
from streams.errors import UsageError
from streams.jsonlines import LineProblem
from streams.runtimes.contract import Clock, LogWriter, wall_clock_ms
from streams.settings import Config, RunSettings, build_policy, same_policy
from streams.workers.agent import Agent
from streams.workers.recorded import read_outputs
from streams.workers.registry import make_agents
from streams.workers.session import Listener, Session

EPOCH = "1970-01-01T00:00:00.000Z"


class Staff(NamedTuple):
    """A policy with its agents."""

    policy: PolicyAdopted
    agents: Mapping[str, Agent]
    problems: Sequence[LineProblem]
    """Lines of outputs files that could not be used."""


def hire(config: Config, outputs: Sequence[str], occurred_at: str) -> Staff | None:
    """
    Settle who is asked, as far as the settings say.

    Args:
        config: Its agents count, unless outputs are given.
        outputs: Files of recorded outputs. Each model in them becomes an agent of its name, in code point order.
        occurred_at: Time of the policy.

    Returns:
        None where the settings name no agents; `keep` then takes those of the log.

    Raises:
        UsageError: A setting that cannot be, or a file that cannot be read.
    """
    if outputs:
        recorded = read_outputs(outputs)
        if not recorded.by_model:
            raise UsageError(
                "\n".join([f"{', '.join(outputs)}: no output could be read", *map(str, recorded.problems[:3])]),
                remedy='A line is {"question_id": ..., "model": ..., "text": ...}',
            )
        specs = [{"kind": "recorded", "name": model, "model": model} for model in sorted(recorded.by_model)]
        policy = build_policy(config, occurred_at, agents=specs)
        return Staff(policy, make_agents(policy, recorded), recorded.problems)
    if "agents" not in config.fields:
        return None
    return _equipped(build_policy(config, occurred_at), config)


def keep(staff: Staff | None, in_force: PolicyAdopted | None, config: Config) -> Staff:
    """
    Keep the policy in force where the settings change nothing in it, or say nothing at all.

    Raises:
        UsageError: There are no agents anywhere.
    """
    if in_force is None:
        return staff or _equipped(build_policy(config, EPOCH), config)
    if staff is None:
        return _equipped(in_force, config)
    return staff._replace(policy=in_force) if same_policy(staff.policy, in_force) else staff


def _equipped(policy: PolicyAdopted, config: Config) -> Staff:
    files = config.run.outputs if any(isinstance(spec, RecordedAgent) for spec in policy.agents) else ()
    recorded = read_outputs(files) if files else None
    return Staff(policy, make_agents(policy, recorded), recorded.problems if recorded else ())


def answer(
    log: LogWriter,
    staff: Staff,
    questions: Iterable[QuestionAsked],
    *,
    run: RunSettings,
    listener: Listener = lambda event: (),
    clock: Clock = wall_clock_ms,
) -> None:
    """Adopt the policy if it is new, ask *questions*, and work until every question in the log has its decision."""
    if log.policy != staff.policy:
        log.append(staff.policy)
    virtual = all(agent.virtual for agent in staff.agents.values())
    session = Session(
        log,
        staff.agents,
        clock=clock,
        window=run.window if virtual else run.live_window,
        calls_in_flight=run.calls_in_flight,
        listener=listener,
    )
    asyncio.run(session.run(questions))
