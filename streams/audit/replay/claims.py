"""Claims of a replay, and the limits of its proof."""

FOLLOWS = "every derived event follows from the inputs, byte for byte, and none is missing"
PLACED = "keys and partitions are those of the events"
BUDGETED = "calls under a budget were reserved, settled at their cost, or refused for lack of room"
PRICED = "costs are the recorded tokens times the prices of a policy in the log"

ORDERED_PROVED = (
    FOLLOWS,
    "each panel rests on exactly the router entries and the policy before its question",
    PLACED,
    BUDGETED,
    PRICED,
    "no record before the last is missing or hidden from an index",
    "derived records stand in the order of their causes, and record times never go backwards",
    "derived records carry on the headers of their causes",
    "the checkpoint covers all that had effects, and the next run starts from the newest tables",
)
UNORDERED_PROVED = (
    FOLLOWS,
    "policies and router entries that a partition saw never go backwards",
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
ORDERED_NOT_PROVED = (
    *_OUTSIDE,
    "an end that was cut off together with the tables beside it",
    "record times beyond their order, headers of inputs, and the order of inputs without effect on each other",
    "how far the log was folded behind the last effect, and the states kept for the next run",
)
UNORDERED_NOT_PROVED = (
    *_OUTSIDE,
    "that a panel saw the newest router entries and policy: a stage may have lagged behind",
    "records removed from which nothing in the log follows, and gaps in offsets",
    "record times, headers, and the order between partitions",
    "committed offsets that were set back: what lies behind them counts as not yet written",
)


def removed_policies(panels: int) -> str:
    """Name the panels that compaction left without their policy."""
    return f"{panels} {'panel' if panels == 1 else 'panels'} whose policy was removed by compaction"
