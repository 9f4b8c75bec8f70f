"""Identity of a merge rule of another distribution."""

from typing import Annotated

from pydantic import StringConstraints

from schemas.event import Fact
from schemas.quantities import EventId, Name

RuleWord = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class OwnRule(Fact):
    """
    A merge rule that is not ours, with all that tells it from another one.

    Its distribution's name and version say where it comes from, and the hash of its files what it is: a replay takes
    no other. What the distribution itself depends on is not hashed.
    """

    name: RuleWord
    """Name of the entry point in the group `orch.merge_rules`."""
    version: RuleWord
    """The rule's own version; a rule whose answers change gets a new one."""
    distribution: Name
    distribution_version: Name
    files_sha256: EventId
    """SHA-256 over the names and hashes of all files of the distribution and of the rule's package."""

    @property
    def published(self) -> str:
        """Name that decisions and traces give; no rule of ours has a colon in its name."""
        return f"own:{self.name}.{self.version}"

    def __str__(self) -> str:
        """Name it for people."""
        return (
            f"{self.name} {self.version} of {self.distribution} {self.distribution_version}"
            f" (files {self.files_sha256[:12]})"
        )
