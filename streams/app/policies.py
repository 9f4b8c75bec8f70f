"""The policy in force, and the adoption of another."""

from typing import NamedTuple

from schemas.policies import PolicyAdopted
from schemas.quantities import instant_of_ms
from streams.app.workspace import Workspace
from streams.errors import UsageError
from streams.log import read_event, wall_clock_ms
from streams.settings import build_policy, same_policy, succeeding
from streams.topology import POLICIES


class Adoption(NamedTuple):
    """The policy in force from now on, and the one before it."""

    policy: PolicyAdopted
    before: PolicyAdopted | None

    @property
    def changed(self) -> bool:
        """Whether a policy was adopted; the configured one may have been in force already."""
        return self.policy is not self.before


def policy_in_force(work: Workspace) -> PolicyAdopted:
    """
    Give the newest policy of a log.

    Raises:
        UsageError: The log holds no policy.
    """
    newest = None
    with work.open_reader(topics=(POLICIES,)) as reader:
        for record in reader.records((POLICIES,)):
            event = read_event(record)
            if isinstance(event, PolicyAdopted):
                newest = event
    if newest is None:
        raise UsageError(f"{work.log_url} holds no policy", remedy="`orch policy adopt` writes the configured one")
    return newest


def adopt_policy(work: Workspace) -> Adoption:
    """Put the configured policy in force, unless it already is."""
    wanted = build_policy(work.config, instant_of_ms(wall_clock_ms()))
    with work.open_writer(folding=False) as log:
        before = log.policy
        if before is not None and same_policy(wanted, before):
            return Adoption(before, before)
        wanted = succeeding(wanted, before)
        log.append(wanted)
        log.commit()
    return Adoption(wanted, before)
