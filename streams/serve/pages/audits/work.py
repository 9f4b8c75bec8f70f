"""Work of the jobs of pages: replay and whatif."""

from contextlib import suppress

from streams.app.merge_rules import merge_for
from streams.app.reporter import Reporter
from streams.app.whatif import Counterfactual, what_if
from streams.app.workspace import Workspace
from streams.audit.replay.ordered_questions import TOPICS
from streams.audit.replay.replay import Replay
from streams.audit.replay.replay import replay as replay_log
from streams.audit.whatif.outcome import WhatIf
from streams.errors import DifferenceError


def replay(reporter: Reporter, log: str, config: str | None) -> Replay:
    """Derive every derived event of a log again."""
    with Workspace(log, config).open_reader() as reader:
        total = None
        # A damaged log has no ends; the replay says where.
        with suppress(DifferenceError):
            total = sum(end for (topic, _), end in reader.ends().items() if topic in TOPICS)
        with reporter.progress("replaying", total) as advance:
            # The server keeps the other core for its pages.
            return replay_log(reader, advance, second_process=False, merge=merge_for(reader))


def whatif(reporter: Reporter, log: str, config: str | None, settings: tuple[str, ...]) -> WhatIf:
    """Decide every decided question of a log again under other settings."""
    return what_if(Workspace(log, config), Counterfactual(settings), reporter)
