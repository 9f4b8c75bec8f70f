"""The progress display of live agents on a terminal."""

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from fcntl import ioctl
from struct import pack
from termios import TIOCSWINSZ

import pytest

from streams.agents.calls.progress import CallProgress
from streams.cli.render.live_progress import numbers, spent, time_left

from ...e2e.command import ORCH, Place, question

BUSY = CallProgress(in_flight=8, ended=40, failed=3, refused=2, cost_nusd=12_300_000)

AGENT = b"""
[[agents]]
kind = "simulated"
name = "slow"
waits = true
latency_ms = 1_500
failure_ppb = 300_000_000
"""


@pytest.mark.parametrize(
    ("room", "line"),
    [
        (80, "12 of 200  8 in flight  3 failed  2 refused  $0.0123  0:01:20 left"),
        (60, "12 of 200  3 failed  2 refused  $0.0123  0:01:20 left"),
        (40, "12 of 200  3 failed  2 refused  $0.0123"),
        (30, "12 of 200  3 failed  $0.0123"),
        (20, "12 of 200  $0.0123"),
        (5, "12 of 200"),
    ],
)
def test_what_matters_least_is_left_out_first(room: int, line: str) -> None:
    """The line is never longer than the room; how far it is stays to the last."""
    assert numbers(BUSY, "12 of 200", "0:01:20 left", room) == line


def test_nought_is_not_told() -> None:
    """Where nothing failed, nothing is under way and nothing was spent, only the rest is told."""
    assert numbers(CallProgress(), "0 of 9", "0:00:02", 80) == "0 of 9  0:00:02"


@pytest.mark.parametrize(
    ("cost_nusd", "unpriced", "told"),
    [
        (0, 0, ""),
        (12_300_000, 0, "$0.0123"),
        (1_234_567_890_000, 0, "$1,234.5679"),
        (100, 0, "<$0.0001"),
        (12_300_000, 1, "$0.0123 + unknown"),
        (0, 1, "unknown cost"),
    ],
)
def test_spend_is_what_is_known(cost_nusd: int, unpriced: int, told: str) -> None:
    """What is known of the cost is told, and that there is more."""
    assert spent(CallProgress(cost_nusd=cost_nusd, unpriced=unpriced)) == told


@pytest.mark.parametrize(("done", "total", "left_s"), [(0, 10, None), (5, 10, 20.0), (1, 10, 180.0), (10, 10, None)])
def test_time_left_follows_from_the_pace(done: int, total: int, left_s: float | None) -> None:
    """Questions done against time passed; nothing before the first is done."""
    assert time_left(done, total, 20.0) == left_s


def screen(place: Place, columns: int, *arguments: str) -> tuple[list[str], int]:
    """Run `orch` with its stderr on a terminal; give what stood in its line, time after time."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, pack("HHHH", 24, columns, 0, 0))
    environment = {**place.environment(), "TERM": "xterm"}
    with subprocess.Popen(
        [*ORCH, *arguments], cwd=place.path, env=environment, stdout=subprocess.DEVNULL, stderr=theirs
    ) as running:
        os.close(theirs)
        shown = b"".join(_read(ours))
        running.wait()
    os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    return [line for line in re.split(r"[\r\n]+", plain) if line.strip()], running.returncode


def _read(terminal: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(terminal, 65_536):
            yield chunk
    except OSError:
        # Linux says so where the other end is closed.
        return


@pytest.mark.process
def test_line_is_tidy_on_a_terminal(place: Place) -> None:
    """Questions, calls, failures, spend and time stand in one line that fits, and nothing is left of it at the end."""
    place.write("orch.toml", [AGENT])
    place.write("questions.jsonl", [question(number) for number in range(6)])
    lines, code = screen(place, 80, "run", "questions.jsonl")
    assert code == 0
    assert any(re.search(r"deciding .*\d of 6  \d in flight", line) for line in lines)
    assert any(re.search(r"\d failed  .*unknown", line) for line in lines)
    assert max(map(len, lines)) <= 80
    lines, code = screen(place, 80, "ask", "How many?", "--number")
    assert code in (0, 4)
    assert any(re.search(r"asking +1 in flight", line) for line in lines)


def test_no_terminal_no_line(place: Place) -> None:
    """In a pipe nothing is shown of the way there."""
    place.write("orch.toml", [AGENT.replace(b"1_500", b"10")])
    assert "in flight" not in place.orch("ask", "How many?", "--number").err
