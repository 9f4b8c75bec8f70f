"""
Memory of a worker that holds many large states.

Run `python -m infra.bench.kafka.memory kafka://HOST:PORT`: it asks questions that stay open under a name of its own,
starts `orch worker merge` on them, and prints the worker's resident memory until all is folded, as one line of JSON.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from infra.bench.workload import AT, questions
from schemas.agents import SimulatedAgent
from schemas.analyses import AnalysisPublished, Attempt
from schemas.event import Event
from schemas.policies import MergeV2, PolicyAdoptedV2, RoutingV2
from schemas.rules import NEWEST_RULES
from streams.errors import OperatorError
from streams.processors.fold import Tables
from streams.processors.route import assign
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.consumer_lag import group_lags
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topics import create_topics

SEATS = 5
"""Agents of a panel; one of them says nothing, so every question stays open."""

_ORCH = "from streams.cli.main import main; main()"
_LOOK_S = 0.25
_BATCH = 200


def events(asked: int, state_bytes: int) -> Iterator[Event]:
    """Generate panels, each with analyses that make a state of about so many bytes."""
    agents = tuple(SimulatedAgent(name=f"agent-{number}") for number in range(SEATS))
    policy = PolicyAdoptedV2(
        occurred_at=AT,
        policy_id="memory",
        agents=agents,
        routing=RoutingV2(rule="weighted", panel_size=SEATS),
        merge=MergeV2(rule="weighted"),
        rules=NEWEST_RULES,
        deadline_ms=86_400_000,
    )
    text = "A line of an analysis, whose words do not matter here. " * (state_bytes // (SEATS - 1) // 55)
    for question in islice(questions(), asked):
        panel = assign(question, policy, Tables(policy, {}))
        yield panel
        for seat in panel.stage.seats[1:]:
            yield AnalysisPublished(
                causes=(panel.event_id,),
                occurred_at=AT,
                question_id=panel.question_id,
                stage=0,
                role="analyst",
                agent=seat.agent,
                status="ok",
                answer="A",
                text=text,
                attempts=(Attempt(outcome="ok", latency_ms=1),),
                latency_ms=1,
            )


async def measure(log: Connection, asked: int, state_bytes: int, options: list[str]) -> dict[str, object]:
    """Write the events, run the worker on them, and give its memory in MiB."""
    await create_topics(log)
    async with RecordProducer(log) as producer:
        made = events(asked, state_bytes)
        while batch := list(islice(made, _BATCH)):
            await producer.publish(map(message_of, batch))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _ORCH, "--log", log.url, "worker", "merge", "--state", folder]
        began = time.monotonic()
        worker = await asyncio.create_subprocess_exec(
            *command, *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            while worker.returncode is None and not await _is_folded(log):
                await asyncio.sleep(_LOOK_S)
            seconds = time.monotonic() - began
            settled, peak = _status_mib(worker.pid, "VmRSS"), _status_mib(worker.pid, "VmHWM")
        finally:
            if worker.returncode is None:
                worker.terminate()
            await worker.wait()
    return {
        "questions": asked,
        "state_bytes": state_bytes,
        "options": options,
        "seconds": round(seconds, 1),
        "peak_mib": round(peak),
        "settled_mib": round(settled),
    }


async def _is_folded(log: Connection) -> bool:
    try:
        (merge,) = await group_lags(log, ["merge"])
    except OperatorError:
        # A new broker finds a coordinator for its first group.
        return False
    return merge.members.number > 0 and merge.lag == 0


def _status_mib(pid: int, name: str) -> float:
    """Read a figure of Linux's /proc."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Measure, and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", help="kafka://HOST:PORT")
    parser.add_argument("--questions", type=int, default=5_000)
    parser.add_argument("--state-bytes", type=int, default=50_000)
    parser.add_argument("options", nargs="*", help="options of the worker, behind --")
    given = parser.parse_args()
    log = parse_connection(f"{given.log.removeprefix('kafka://')}/memory-{uuid.uuid4().hex[:8]}", {})
    print(json.dumps(asyncio.run(measure(log, given.questions, given.state_bytes, given.options))))


if __name__ == "__main__":
    main()
