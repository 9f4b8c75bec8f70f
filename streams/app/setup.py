"""The policy that the settings describe, and its agents."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from schemas.agents import RecordedAgent
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from streams.agents.agent import Agent, dismiss
from streams.agents.calls.progress import CallProgress
from streams.agents.factory import make_agents
from streams.agents.recorded import read_outputs
from streams.agents.reply_cache import ReplyCache
from streams.app.merge_rules import require_rule
from streams.app.metrics import NOT_COUNTED, AgentReadings, Counted, RunReadings
from streams.errors import UsageError
from streams.instruments.metered_log import MeteredLog
from streams.jsonlines import LineProblem, Rows, source_name
from streams.log import Clock, FoldingWriter, wall_clock_ms
from streams.settings import Config, RunSettings, build_policy, same_policy, succeeding
from streams.workers.embedded_session import CallAccounting, EmbeddedSession, Listener

MOST_AGENTS, MOST_NAME_CHARACTERS = 64, 128
"""Limits of a policy and of an agent's name (`schemas.policies`, `schemas.quantities.AgentName`)."""

_NO_NAME = re.compile(r"[^A-Za-z0-9._:/@+-]+")

EPOCH = "1970-01-01T00:00:00.000Z"


class Setup(NamedTuple):
    """A policy with its agents."""

    policy: PolicyAdopted
    agents: Mapping[str, Agent]
    problems: Sequence[LineProblem]
    """Lines of outputs files that could not be used."""
    replies: ReplyCache | None = None
    """Cache of live agents' replies, if one is configured."""


def hire(config: Config, outputs: Sequence[str | Rows], occurred_at: str) -> Setup | None:
    """
    Build the policy that the settings describe, and its agents.

    Args:
        config: Its agents are used, unless outputs are given.
        outputs: Files of recorded outputs. Each model in them becomes an agent, in code point order. Its name is the
            model's; characters that an agent's name cannot hold, such as spaces, become `-`.
        occurred_at: Time of the policy.

    Returns:
        None if the settings name no agents; `keep` then takes those of the log.

    Raises:
        UsageError: A setting is invalid, or a file cannot be read.
    """
    if outputs:
        recorded = read_outputs(outputs)
        named = ", ".join(map(source_name, outputs))
        if not recorded.by_model:
            raise UsageError(
                "\n".join([f"{named}: no output could be read", *map(str, recorded.problems[:3])]),
                remedy='A line is {"question_id": ..., "model": ..., "text": ...}',
            )
        names = agent_names(sorted(recorded.by_model), named)
        specs = [{"kind": "recorded", "name": name, "model": model} for name, model in names.items()]
        policy = build_policy(config, occurred_at, agents=specs)
        return Setup(policy, make_agents(policy, recorded), recorded.problems)
    if "agents" not in config.fields:
        return None
    return _equipped(build_policy(config, occurred_at), config)


def agent_names(models: Sequence[str], place: str) -> dict[str, str]:
    """
    Map a name of an agent to each model.

    Raises:
        UsageError: There are too many models, or two would be agents of one name.
    """
    if len(models) > MOST_AGENTS:
        raise UsageError(
            f"{place}: {len(models)} models; a panel is chosen from {MOST_AGENTS} agents at most",
            remedy="Give fewer files, or leave some models out of them",
        )
    names: dict[str, str] = {}
    for model in models:
        name = _NO_NAME.sub("-", model).strip("-").lstrip("._:/@+-")
        if not name or len(name) > MOST_NAME_CHARACTERS:
            raise UsageError(
                f"{place}: no agent can be named after model {model[:200]!r}",
                remedy=f"A name holds 1 to {MOST_NAME_CHARACTERS} letters, digits and ._:/@+-; rename the model, or"
                " configure an agent for it: [[agents]] with kind, name and model, and the file under [run]",
            )
        if name in names:
            raise UsageError(
                f"{place}: models {names[name]!r} and {model!r} would both be agent {name!r}",
                remedy="Rename one, or configure agents for them: [[agents]] with kind, name and model",
            )
        names[name] = model
    return names


def keep(setup: Setup | None, in_force: PolicyAdopted | None, config: Config) -> Setup:
    """
    Keep the policy in force if the settings do not differ from it or name no agents.

    Raises:
        UsageError: Neither the settings nor the log name any agents.
        OperatorError: The merge rule of the policy in force is not installed, or not as it was.
    """
    if in_force is None:
        return setup or _equipped(build_policy(config, EPOCH), config)
    if setup is None:
        require_rule(in_force)
        return _equipped(in_force, config)
    policy = in_force if same_policy(setup.policy, in_force) else succeeding(setup.policy, in_force)
    return setup._replace(policy=policy)


def _equipped(policy: PolicyAdopted, config: Config) -> Setup:
    files = config.run.outputs if any(isinstance(spec, RecordedAgent) for spec in policy.agents) else ()
    recorded = read_outputs(files) if files else None
    replies = None if config.run.replies is None else ReplyCache(config.run.replies)
    agents = make_agents(policy, recorded, replies=replies)
    return Setup(policy, agents, recorded.problems if recorded else (), replies)


def window_of(setup: Setup, run: RunSettings) -> int:
    """Choose the number of open questions: few if all agents are virtual, because learning lags by this number."""
    return run.window if all(agent.virtual for agent in setup.agents.values()) else run.live_window


def answer(
    log: FoldingWriter,
    setup: Setup,
    questions: Iterable[QuestionAsked],
    *,
    run: RunSettings,
    listener: Listener = lambda event: (),
    clock: Clock = wall_clock_ms,
    counted: Counted = NOT_COUNTED,
) -> None:
    """Adopt the policy if it is new, ask *questions*, and work until every question in the log has its decision."""
    activity, instruments = counted.activity or CallProgress(), counted.instruments
    if instruments is not None:
        log = MeteredLog(log, instruments.meters)
    if log.policy != setup.policy:
        log.append(setup.policy)
    session = EmbeddedSession(
        log,
        setup.agents,
        clock=clock,
        window=window_of(setup, run),
        calls_in_flight=run.calls_in_flight,
        listener=listener,
        books=CallAccounting(setup.policy, activity, counted.tracer),
    )

    async def work() -> None:
        looking = None
        if instruments is not None:
            RunReadings(instruments, AgentReadings(instruments, activity, setup.agents.values), session)
            looking = asyncio.create_task(instruments.health.keep_looking())
        try:
            await session.run(questions)
        finally:
            if looking is not None:
                looking.cancel()
            await dismiss(setup.agents)
            if setup.replies is not None:
                setup.replies.close()

    asyncio.run(work())
