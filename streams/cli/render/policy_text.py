"""History and differences of policies as text."""

from collections.abc import Sequence
from typing import Any

import orjson

from streams.app.amounts import counted
from streams.app.policy_history import ID_DIGITS, AdoptedPolicy, Change
from streams.cli import output


def print_history(history: Sequence[AdoptedPolicy]) -> None:
    """Print one row for each adoption, the newest last."""
    rows = [
        (
            one.policy.occurred_at[:16].replace("T", " "),
            one.name,
            one.policy.event_id[:ID_DIGITS],
            one.rules,
            f"{one.policy.merge.rule}, {counted(len(one.policy.agents), 'agent')}",
        )
        for one in history
    ]
    output.print_table(("adopted", "policy", "id", "rules", "decides by"), rows, whole=("id",))


def print_difference(before: AdoptedPolicy, after: AdoptedPolicy, changes: Sequence[Change]) -> None:
    """Print the ids, and one row for each setting that differs."""
    if not changes:
        output.print_text(output.clean(f"{before.name} and {after.name} are the same policy."))
        return
    heads = [output.clean(one.name) for one in (before, after)]
    ids = ("id", before.policy.event_id[:ID_DIGITS], after.policy.event_id[:ID_DIGITS])
    rows = [ids, *((change.setting, _shown(change.before), _shown(change.after)) for change in changes)]
    output.print_table(("setting", *heads), rows, whole=("setting",))


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return output.one_line(value if isinstance(value, str) else orjson.dumps(value).decode(), 60)
