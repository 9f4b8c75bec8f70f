"""Router table and weights of a log."""

from typing import Any, NamedTuple

from streams.app.workspace import Workspace
from streams.audit import behaviour, router_table, weights_table
from streams.topology import POLICIES, ROUTER, WEIGHTS


class RouterState(NamedTuple):
    """What the router knows of each agent."""

    table: router_table.RouterTable
    weights: list[Any]
    """Lines of the table of weights, under the merge rule `odds`; else empty."""
    changes: list[behaviour.BehaviourChange]
    """Agents that behave otherwise than before; empty for one scope, one question, and a log on Kafka."""

    def lines(self) -> list[dict[str, Any]]:
        """Give the contract of `orch router --format json`: each line says which table it is of."""
        place = {"policy_id": self.table["policy_id"], "at": self.table["at"]}
        return [
            *({"table": "router", **place, **line} for line in self.table["lines"]),
            *({"table": "weights", **place, **known} for known in self.weights),
            *({"table": "behaviour", **change._asdict()} for change in self.changes),
        ]


def router_state(work: Workspace, question_id: str | None = None, scope: str | None = None) -> RouterState:
    """
    Give the router's table.

    Args:
        work: Workspace of the log.
        question_id: The table as it was for this question; None: as it is now.
        scope: One subject, or `*` for all; then without weights, which have no scopes. None: every scope.

    Raises:
        UsageError: There is no such question or scope, or no policy.
    """
    topics = () if question_id is not None else (POLICIES, ROUTER, WEIGHTS)
    with work.open_reader(about=question_id, topics=topics) as reader:
        if question_id is None:
            table = router_table.table_now(reader, scope)
            if scope is not None:
                return RouterState(table, [], [])
            return RouterState(table, weights_table.weights_now(reader), behaviour.watched(reader).changes)
        table = router_table.table_at(reader, question_id, scope)
        return RouterState(table, weights_table.weights_at(reader, question_id) if scope is None else [], [])
