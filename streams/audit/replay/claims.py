"""Claims of a replay, and the limits of its proof."""

from collections.abc import Sequence

from schemas.origins import LogStarted

FOLLOWS = "every derived event follows from the inputs, byte for byte, and none is missing"
PLACED = "keys and partitions are those of the events"
BUDGETED = "calls under a budget were reserved, settled at their cost, or refused for lack of room"
PRICED = "costs are the recorded tokens times the prices of a policy in the log"

_IN_ORDER = (
    FOLLOWS,
    "each panel rests on exactly the policy and the entries of router and weights before its question",
    PLACED,
    BUDGETED,
    PRICED,
)
_CARRIED = (
    "derived records stand in the order of their causes, and record times never go backwards",
    "derived records carry on the headers of their causes",
)
ORDERED_PROVED: tuple[str, ...] = (
    *_IN_ORDER,
    "no record before the last is missing or hidden from an index",
    *_CARRIED,
    "the checkpoint covers all that had effects, and the next run starts from the newest tables",
)
_EXPORTED = (
    "no record before the last is missing, and files and columns of the archive are those of its manifest",
    "typed columns are those of the events",
)
ARCHIVE_PROVED: tuple[str, ...] = (*_IN_ORDER, _EXPORTED[0], *_CARRIED, _EXPORTED[1])
UNORDERED_PROVED: tuple[str, ...] = (
    FOLLOWS,
    "policies and entries of router and weights that a partition saw never go backwards",
    PLACED,
    BUDGETED,
    PRICED,
)

_OUTSIDE = (
    "inputs that were rewritten with all that follows from them",
    "what a provider answered and counted, and how long it took",
    "costs without recorded tokens, and which policy of the log a call was priced by",
    "amounts reserved, settlements of calls without an analysis, and refusals for other reasons than a budget",
    "that a call without a named provider was made, or needed no reservation",
    "that the router's table was full where a panel says so",
)
ORDERED_NOT_PROVED: tuple[str, ...] = (
    *_OUTSIDE,
    "an end that was cut off together with the tables beside it",
    "record times beyond their order, headers of inputs, and the order of inputs without effect on each other",
    "how far the log was folded behind the last effect, and the states kept for the next run",
)
_COPIED = (
    "that the export took what the log held, and all of it up to the end that it names",
    "archives rewritten with their manifest",
)
ARCHIVE_NOT_PROVED: tuple[str, ...] = (
    *ORDERED_NOT_PROVED,
    *_COPIED,
    "indexes, newest tables and states of the log's file, beyond what the export found wrong with them",
)
UNORDERED_NOT_PROVED: tuple[str, ...] = (
    *_OUTSIDE,
    "that a panel saw the newest entries and policy: a stage may have lagged behind",
    "records removed from which nothing in the log follows, and gaps in offsets",
    "record times, headers, and the order between partitions",
    "committed offsets that were set back: what lies behind them counts as not yet written",
)


UNORDERED_ARCHIVE_PROVED: tuple[str, ...] = (
    *UNORDERED_PROVED,
    "files and typed columns are those of the manifest and of the events",
)
UNORDERED_ARCHIVE_NOT_PROVED: tuple[str, ...] = (*UNORDERED_NOT_PROVED, *_COPIED)


def aborted_records(places: Sequence[tuple[str, int, int]]) -> tuple[str, ...]:
    """Name the records of aborted transactions that count in this log, because an earlier version has read them."""
    if not places:
        return ()
    named = ", ".join(f"{topic}/{partition}/{offset}" for topic, partition, offset in places[:5])
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    return (
        f"that anybody said what stands in records of aborted transactions, from which an earlier version has derived"
        f" events: {named}{more}",
    )


def taken_as_given(started: LogStarted) -> str:
    """Name the earlier log whose tables a log goes on from."""
    return (
        f"what this log began with, policy {started.policy_id}, {started.router.entries} router entries and"
        f" {started.weights.entries} tables of weights: taken as given from log {started.log} with root {started.root}"
        " (`orch replay --origin ARCHIVE` proves them)"
    )


def origin_proved(started: LogStarted) -> str:
    """Say that the earlier log's own replay gives what a log goes on from."""
    return (
        f"what this log began with is what log {started.log} with root {started.root} ended with, and that log's own"
        " replay finds no difference"
    )


def removed_policies(panels: int) -> str:
    """Name the panels that compaction left without their policy."""
    return f"{panels} {'panel' if panels == 1 else 'panels'} whose policy was removed by compaction"
