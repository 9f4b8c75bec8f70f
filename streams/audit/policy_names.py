"""Names that tell the policies of a log apart."""

from collections.abc import Iterable, Mapping

from schemas.canonical import canonical_json, content_id
from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdopted
from streams.log import LogReader, Record, read_event
from streams.topology import ASSIGNMENTS, POLICIES


def content_of(policy: PolicyAdopted) -> str:
    """Hash everything of a policy but the circumstances of its adoption: time, id, and the policy before it."""
    unlike = {"event_id", "occurred_at", "causes"}
    return content_id(canonical_json(policy.model_dump(mode="json", exclude=unlike)))


class PolicyNames:
    """
    Names of policies by content: `first` is the first content that was adopted under that name, `first#2` the second.

    Policies are added in the order of their adoption. One that comes back into force has the name that it had.
    """

    def __init__(self) -> None:
        self._contents: dict[str, list[str]] = {}
        self._by_event: dict[str, str] = {}

    @classmethod
    def of(cls, reader: LogReader) -> "PolicyNames":
        """Name the policies of a log."""
        names = cls()
        for record in reader.records((POLICIES,)):
            event: Event = read_event(record)
            if isinstance(event, PolicyAdopted):
                names.add(event)
        return names

    @property
    def by_event(self) -> Mapping[str, str]:
        """Names by the id of the policy's event, in the order of adoption."""
        return self._by_event

    def of_question(self, records: Iterable[Record]) -> str | None:
        """Name the policy under which a question was assigned; None if its panel is not among the records."""
        for record in records:
            if record.topic == ASSIGNMENTS:
                panel = read_event(record)
                if isinstance(panel, PanelAssigned):
                    # A panel names the question and the policy before anything else.
                    return self._by_event.get(panel.causes[1], panel.policy_id)
        return None

    def add(self, policy: PolicyAdopted) -> str:
        """Name a policy that was adopted after all others."""
        name = self.name(policy)
        content, contents = content_of(policy), self._contents.setdefault(policy.policy_id, [])
        if content not in contents:
            contents.append(content)
        self._by_event[policy.event_id] = name
        return name

    def name(self, policy: PolicyAdopted) -> str:
        """Give the name that a policy has, or would have if it were adopted now."""
        content, contents = content_of(policy), self._contents.get(policy.policy_id, [])
        place = contents.index(content) if content in contents else len(contents)
        return policy.policy_id if place == 0 else f"{policy.policy_id}#{place + 1}"
