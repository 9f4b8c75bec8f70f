"""Options, settings with their precedence, and exit codes."""

import subprocess
import sys

from .command import Place

CRASH = """
import sys, types, click
from streams.cli import main
def broken(): raise KeyError("no such thing")
module = types.ModuleType("broken")
module.command = click.command(broken)
sys.modules["broken"] = module
main.COMMANDS["broken"] = main.Entry("broken:command", "Break.")
sys.exit(main.run(sys.argv[1:]))
"""


def test_our_bug_is_1_and_asks_for_a_report() -> None:
    """What nobody foresaw: exit code 1, what to report, and a traceback only on request."""
    quiet, verbose = (
        subprocess.run([sys.executable, "-c", CRASH, *options], capture_output=True, text=True, check=False)
        for options in (["broken"], ["--verbose", "broken"])
    )
    assert quiet.returncode == verbose.returncode == 1
    assert "KeyError: 'no such thing'" in quiet.stderr
    assert "report" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in verbose.stderr


def test_full_disk_behind_stdout_is_the_environment(recorded: Place) -> None:
    """A pipe into a full disk ends with exit code 3 and no traceback."""
    from .command import ORCH

    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*ORCH, "consume", "router"],
            cwd=recorded.path,
            env=recorded.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 3
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr
