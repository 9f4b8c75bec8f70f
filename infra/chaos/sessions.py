"""Session timeouts of workers, and a program with shorter ones."""

import sys
from collections.abc import Sequence

from infra.chaos.workers import SCRIPT

SESSION_TIMEOUT_S = 6.0
"""Session timeout of a worker: after so long without a heartbeat the group rebalances."""

# Fails if the program no longer has these constants.
_SHORTER = """
from streams.cli.main import main
from streams.runtimes.kafka.client import group_member
group_member.SESSION_TIMEOUT_MS = round(group_member.SESSION_TIMEOUT_MS * {factor})
group_member.HEARTBEAT_MS = round(group_member.HEARTBEAT_MS * {factor})
main()
"""


def worker_program(factor: float) -> Sequence[str]:
    """Give the command of a worker on the engine `aiokafka`, whose sessions last this part of their usual time."""
    return (str(SCRIPT),) if factor == 1 else (sys.executable, "-c", _SHORTER.format(factor=factor))
