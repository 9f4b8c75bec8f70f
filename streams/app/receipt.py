"""Receipt of a question's decision, under a checkpoint."""

from typing import Any

from schemas.checkpoints import CheckpointSignedV2
from streams.app.anchors import read_anchor
from streams.app.workspace import Workspace
from streams.audit.proof.checkpoints import read_roots
from streams.audit.proof.notes import NoteError
from streams.audit.proof.receipt import receipt_of
from streams.errors import UsageError
from streams.log import LogReader, read_event
from streams.topology import CHECKPOINTS


def make_receipt(
    work: Workspace, question_id: str, *, checkpoint: str | None = None, since: str | None = None
) -> dict[str, Any]:
    """
    Build the receipt of a decision, under the newest checkpoint of the log.

    Args:
        checkpoint: An anchor whose newest checkpoint is used instead of the log's.
        since: An anchor; the receipt proves that the log goes on from its newest checkpoint. All partitions are read.

    Raises:
        UsageError: There is no such decision, no checkpoint, or none that covers it.
        DifferenceError: The log is not as it was sealed.
    """
    earlier = None if since is None else _newest(read_anchor(since)[0], since)
    with work.open_reader(about=None if since else question_id) as reader:
        own = _checkpoints(reader)
        events = own if checkpoint is None else [*read_anchor(checkpoint)[0]]
        newest = _newest(events, checkpoint or work.log_url)
        changes = [event.key_change for event in (*own, *events) if event.key_change]
        try:
            return receipt_of(
                reader,
                question_id,
                read_roots(newest),
                key_changes=list(dict.fromkeys(changes)),
                since=None if earlier is None else read_roots(earlier),
            )
        except NoteError as problem:
            raise UsageError(
                f"the checkpoint of {newest.occurred_at}: {problem}", remedy="Name one of this log, with --checkpoint"
            ) from None


def _checkpoints(reader: LogReader) -> list[CheckpointSignedV2]:
    events = [read_event(record) for record in reader.records((CHECKPOINTS,))]
    return [event for event in events if isinstance(event, CheckpointSignedV2)]


def _newest(events: "list[CheckpointSignedV2] | Any", where: str) -> CheckpointSignedV2:
    newest = max(events, key=lambda event: event.occurred_at, default=None)
    if newest is None:
        raise UsageError(
            f"{where} has no checkpoint",
            remedy="`orch seal` signs one; or name the file that --anchor wrote, with --checkpoint",
        )
    found: CheckpointSignedV2 = newest
    return found
