"""Adopted policies by name or event id."""

from schemas.policies import PolicyAdopted
from streams.app.workspace import Workspace
from streams.audit.event_ids import find_event, may_be_id
from streams.errors import UsageError
from streams.log import read_event
from streams.topology import POLICIES

_MOST_NAMED = 10


def adopted_policy(work: Workspace, given: str) -> PolicyAdopted:
    """
    Give a policy of a log, whether or not it is still in force.

    Args:
        work: Workspace of the log.
        given: The policy's name, which stands for its last adoption; or the id of an adoption, or at least its first
            12 digits.

    Raises:
        UsageError: No policy was adopted under this name or id, or several ids begin with these digits.
    """
    with work.open_reader(topics=(POLICIES,)) as reader:
        records = list(reader.records((POLICIES,)))
    named = [record for record in records if record.key == given]
    record = named[-1] if named else find_event(records, given, among=POLICIES) if may_be_id(given) else None
    policy = None if record is None else read_event(record)
    if not isinstance(policy, PolicyAdopted):
        names = list(dict.fromkeys(record.key for record in reversed(records)))[:_MOST_NAMED]
        known = f"It has had {', '.join(names)}" if names else "It has had none: `orch policy adopt` adopts one"
        raise UsageError(f"{work.log_url} never had a policy {given!r}", remedy=known)
    return policy
