"""Agents of each policy in a log, built on demand."""

from collections.abc import Mapping, Sequence

from schemas.agents import RecordedAgent
from schemas.policies import Budget, PolicyAdopted
from streams.agents.agent import Agent, dismiss
from streams.agents.factory import make_agents
from streams.agents.live import EarlierReplies
from streams.agents.recorded import RecordedOutputs, read_outputs
from streams.jsonlines import LineProblem, Source


class AgentsByPolicy:
    """
    Agents by policy: a question goes to the agents of the policy that its panel was chosen under.

    Args:
        policies: The policies read so far, by event id, oldest first; may grow.
        outputs: Files of recorded outputs, for agents that play them back.
        replies: Cache of live agents' replies, if one is configured.
    """

    def __init__(
        self, policies: dict[str, PolicyAdopted], outputs: Sequence[Source], replies: EarlierReplies | None = None
    ) -> None:
        self._replies = replies
        self.problems: Sequence[LineProblem] = ()
        """Lines of outputs files that could not be used."""
        self._policies = policies
        self._files = outputs
        self._outputs: RecordedOutputs | None = None
        self._agents: dict[str, Mapping[str, Agent]] = {}

    def agents_of(self, policy_event_id: str) -> Mapping[str, Agent]:
        """
        Give the agents of one policy by name; those of the newest policy if the given one is unknown.

        Raises:
            UsageError: An agent cannot be made, for example because its outputs are not in the files.
        """
        known = policy_event_id if policy_event_id in self._policies else next(reversed(self._policies), None)
        if known is None:
            return {}
        if known not in self._agents:
            policy = self._policies[known]
            if any(isinstance(spec, RecordedAgent) for spec in policy.agents) and self._outputs is None and self._files:
                self._outputs = read_outputs(self._files)
                self.problems = self._outputs.problems
            self._agents[known] = make_agents(policy, self._outputs, replies=self._replies)
        return self._agents[known]

    def budget_of(self, policy_event_id: str) -> Budget | None:
        """Give the budget of one policy; None if the policy is unknown."""
        policy = self._policies.get(policy_event_id)
        return None if policy is None else policy.budget

    def made(self) -> list[Agent]:
        """List the agents of all policies that were needed so far."""
        return [agent for agents in list(self._agents.values()) for agent in agents.values()]

    async def close(self) -> None:
        """Close all connections."""
        for agents in self._agents.values():
            await dismiss(agents)
