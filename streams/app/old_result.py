"""Questions of a file that were decided under other policies."""

from collections import Counter
from collections.abc import Collection

from schemas.policies import PolicyAdopted
from streams.audit.policy_names import PolicyNames
from streams.errors import UsageError
from streams.log import LogReader, read_event
from streams.settings import same_settings
from streams.topology import ASSIGNMENTS, DECISIONS, POLICIES


def refuse_old_result(reader: LogReader, policy: PolicyAdopted, ids: Collection[str]) -> None:
    """
    Refuse a run that would decide nothing and report what other policies decided.

    A policy with the same settings and older rules is no other one: whoever upgrades the program repeats the command
    and gets the result.

    Args:
        reader: The log, before the run.
        policy: The policy of the run, whether or not it was adopted.
        ids: Ids of the file's questions.

    Raises:
        UsageError: All of the questions are decided, and none under a policy of these settings.
    """
    names = PolicyNames.of(reader)
    wanted = names.name(policy)
    if not ids or not names.by_event or set(names.by_event.values()) == {wanted}:
        return
    decided = _decided_under(reader, names, ids)
    if decided.total() < len(ids) or wanted in decided or decided.keys() & _alike(reader, names, policy):
        return
    told = ", ".join(f"{count:,} of {len(ids):,} were decided under {name!r}" for name, count in decided.items())
    raise UsageError(
        f"{told}; {wanted!r} decided none",
        remedy=f"A decided question is never decided again. `--again {_short(wanted)}` asks them all under new ids;"
        " with the policy from then, the same command reports its result",
    )


def _alike(reader: LogReader, names: PolicyNames, policy: PolicyAdopted) -> set[str]:
    """Name the policies of the log whose settings are those of *policy*, under whatever rules."""
    adopted = map(read_event, reader.records((POLICIES,)))
    return {
        names.by_event[event.event_id]
        for event in adopted
        if isinstance(event, PolicyAdopted) and same_settings(event, policy)
    }


def _short(name: str) -> str:
    return name.replace("#", "-")


def _decided_under(reader: LogReader, names: PolicyNames, ids: Collection[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for question_id, records in reader.by_correlation((ASSIGNMENTS, DECISIONS)):
        if question_id in ids and any(record.topic == DECISIONS for record in records):
            found[names.of_question(records) or "another policy"] += 1
    return found
