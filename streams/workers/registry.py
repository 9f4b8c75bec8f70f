"""From the agents of a policy to agents that can be asked."""

from schemas.policies import AgentSpec, PolicyAdopted, RecordedAgent, SimulatedAgent
from streams.errors import UsageError
from streams.workers.agent import Agent
from streams.workers.recorded import Outputs, RecordedPlayer
from streams.workers.simulated import SimulatedPlayer

_MOST_NAMED = 20


def make_agents(policy: PolicyAdopted, outputs: Outputs | None) -> dict[str, Agent]:
    """
    Make every agent of a policy, by name, in the policy's order.

    Args:
        policy: Whom to make.
        outputs: What recorded agents play back; None where no file was given.

    Raises:
        UsageError: A recorded agent's model is not in the outputs.
    """
    return {spec.name: _make(spec, outputs) for spec in policy.agents}


def _make(spec: AgentSpec, outputs: Outputs | None) -> Agent:
    match spec:
        case RecordedAgent():
            return _recorded(spec, outputs)
        case SimulatedAgent():
            return SimulatedPlayer(spec)


def _recorded(spec: RecordedAgent, outputs: Outputs | None) -> RecordedPlayer:
    if outputs is None:
        raise UsageError(
            f"agent {spec.name!r} plays back outputs of {spec.model!r}, but no outputs were given",
            remedy="Name the file that holds them with --outputs",
        )
    found = outputs.by_model.get(spec.model)
    if found is None:
        raise UsageError(
            f"agent {spec.name!r} plays back outputs of {spec.model!r}, which are not in the files given;"
            f" these hold {_listed(sorted(outputs.by_model))}",
            remedy="Correct the agent's model, or name the file that holds it with --outputs",
        )
    return RecordedPlayer(spec, found)


def _listed(models: list[str]) -> str:
    more = len(models) - _MOST_NAMED
    return (", ".join(models[:_MOST_NAMED]) or "no outputs at all") + (f" and {more} more" if more > 0 else "")
