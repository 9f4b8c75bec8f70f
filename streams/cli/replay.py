"""`orch replay`: proof that derived events follow from inputs."""

from typing import Any

import orjson

from streams.app import amounts
from streams.app.replay import replay as replay_log
from streams.audit.replay.replay import Replay
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, App, pass_app
from streams.cli.render.terminal import Terminal


@command(examples=("orch replay", "orch --format json replay"))
@pass_app
def replay(app: App) -> int:
    """
    Derive every derived event again and compare it with the log.

    Reads the log, calls no model and writes nothing. If nothing differs, the exit code is 0. Otherwise the first
    difference is printed with its position, the expected and the actual value, and the exit code is 4. What no log of
    its kind can prove is listed under "not proved".
    """
    with app.open_reader() as reader:
        found = replay_log(reader, Terminal())
    if app.json:
        output.print_json(found.as_json())
    else:
        speed = f" ({found.events / found.seconds:,.0f} events/s)" if found.seconds else ""
        output.print_pairs(
            [
                ("events", f"{found.events:,}{_repeats(found)}"),
                ("derived again", f"{found.derived:,}"),
                ("different", f"{found.different:,}"),
                ("waiting", f"{amounts.counted(found.pending, 'question')} without a decision"),
                ("time", f"{amounts.duration(found.seconds)}{speed}"),
            ]
        )
        for claim in found.not_proved:
            output.print_text(f"not proved: {claim}")
    if not found.different:
        return 0
    print_difference(found)
    return EXIT_DIFFERENCE


def _repeats(found: Replay) -> str:
    return f", {found.repeats:,} of them repeats" if found.repeats else ""


def print_difference(found: Replay) -> None:
    """Print on stderr where a log first differs from what it should hold."""
    first = found.first_difference
    if first is None:
        return
    others = f" (the first of {found.different:,} differences)" if found.different > 1 else ""
    output.say(
        f"Difference{others} in {first.topic}, partition {first.partition}, offset {first.offset}, field {first.field}:"
        f"\n  expected  {_shown(first.expected)}\n  in log    {_shown(first.actual)}"
    )


def _shown(value: Any) -> str:
    return "nothing" if value is None else output.one_line(orjson.dumps(value).decode())
