"""Start, stop and state of a folder's broker."""

from collections.abc import Callable
from pathlib import Path

from infra.broker import jars
from infra.broker.folder import USUAL_PORT, Folder, is_free
from infra.broker.java import find_java
from infra.broker.node import Broker

Note = Callable[[str], None]
"""Prints a note for a person; data are what a job returns."""


def start(folder: Path, port: int | None, note: Note) -> Broker:
    """
    Start the broker of a folder in the background; one that runs already is left as it is.

    Args:
        folder: Holds its data, settings and log.
        port: For clients. None: the one it had, else 9092, else a free one.
        note: Called before a step that takes a while.

    Raises:
        OperatorError: Java or Kafka is missing, or it does not start.
    """
    if port is None and Folder(folder).ports is None and is_free(USUAL_PORT):
        port = USUAL_PORT
    find_java()
    jars.fetch(note=note)
    broker = Broker(folder, port=port, outlives=True)
    broker.start()
    return broker


def stop(folder: Path, note: Note) -> None:
    """End the broker of a folder in order. Its data stay."""
    broker = Broker(folder)
    if not broker.running:
        note(_none_runs(broker))
    elif not broker.stop():
        note("It did not stop in time and was killed")


def kill(folder: Path) -> None:
    """End the broker of a folder as a crash would. What it has acknowledged stays."""
    Broker(folder).kill()


def status(folder: Path, note: Note) -> tuple[Broker | None, bool]:
    """Give the broker of a folder, if it runs, and whether it answers."""
    broker = Broker(folder)
    if not broker.running:
        note(_none_runs(broker))
        return None, False
    ready = broker.ready
    note(f"Process {broker.pid} {'answers' if ready else 'does not answer'}")
    return broker, ready


def fetch(note: Note) -> Path:
    """Get Kafka's jars, and give the folder they are in."""
    jars.fetch(note=note)
    return jars.cache()


def _none_runs(broker: Broker) -> str:
    return f"No broker runs from {broker.folder}"
