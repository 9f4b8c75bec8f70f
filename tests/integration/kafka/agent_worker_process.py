"""
A script: `agent_worker_process.py CONNECTION TAKES_S`.

It is one member of the consumer group of the `agents` stage.

Its agents a, b and c take so many seconds for every answer. It writes a line for each thing that is asked of one of
them, and ends in order at SIGTERM.
"""

import asyncio
import os
import signal
import sys

from schemas.agents import CallLimits, SimulatedAgent
from streams.agents.agent import Reply, Task
from streams.log import wall_clock_ms
from streams.logs import configure
from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.group_member import GroupMember
from streams.runtimes.kafka.client.producer import RecordProducer
from streams.workers.agent_worker import WorkLimits, run_agents


class WaitingAgent:
    """An agent that prints the question it was asked, then waits."""

    virtual = False
    live = None

    def __init__(self, name: str, takes_s: float) -> None:
        self.spec = SimulatedAgent(name=name, limits=CallLimits(max_attempts=1))
        self.takes_s = takes_s

    async def reply(self, task: Task) -> Reply:
        os.write(1, f"{task.question_id} {self.spec.name}\n".encode())
        await asyncio.sleep(self.takes_s)
        return Reply(f"The answer is (A), says {os.getpid()}.")


async def main() -> None:
    """Work until told to stop."""
    connection = parse_connection(sys.argv[1], {})
    agents = {name: WaitingAgent(name, float(sys.argv[2])) for name in "abc"}
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with RecordProducer(connection) as producer:
        subscription = GroupMember(connection, producer, "agents")
        await run_agents(
            subscription, lambda policy_id: agents, clock=wall_clock_ms, stop=stop, limits=WorkLimits(grace_s=5)
        )


if __name__ == "__main__":
    configure(verbose=False)
    asyncio.run(main())
