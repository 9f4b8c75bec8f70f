"""Router entries found by their ids."""

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from schemas.router import RouterEntry
from streams.audit.entry_lookup import NamedEntry, SeenEntries, find_entries
from streams.audit.explain.explain import explain
from streams.log import read_event
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.topology import ROUTER

from ...worlds import gold, policy, question, said
from ..played_log import Played

ROUTING = {"rule": "weighted", "by_subject": True}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a log of eight questions; the policy of the last four asks one agent less."""
    played = Played(tmp_path_factory.mktemp("entries") / "orch.db")
    played.put(policy("ann", "bob", "cyd", routing=ROUTING))
    for number in range(8):
        if number == 4:
            played.put(policy("ann", "bob", "cyd", policy_id="two", at=5_000, routing={**ROUTING, "panel_size": 2}))
        played.ask([question(f"q{number}", subject="law")], said(ann="A", bob="A", cyd="B"))
        played.put(gold("A", f"q{number}"))
    played.close()
    return played.path


@pytest.fixture
def reader(path: Path) -> Iterator[EmbeddedReader]:
    """A reader of that log."""
    with EmbeddedReader(path) as opened:
        yield opened


def entries(reader: EmbeddedReader) -> dict[str, tuple[RouterEntry, int]]:
    """Give all entries with their places."""
    found = ((read_event(record), record.seq) for record in reader.records((ROUTER,)))
    return {event.event_id: (event, seq) for event, seq in found if isinstance(event, RouterEntry)}


def test_every_entry_is_found_before_its_place(reader: EmbeddedReader) -> None:
    """An entry is found where it should be: behind it, far behind it, and without any place."""
    known = entries(reader)
    for before in ({one: seq + 1 for one, (_, seq) in known.items()}, dict.fromkeys(known, reader.end + 1)):
        wanted = {one: NamedEntry(entry.key, before[one]) for one, (entry, _) in known.items()}
        assert find_entries(reader, wanted) == {one: entry for one, (entry, _) in known.items()}
    nowhere = {one: NamedEntry(entry.key, 0) for one, (entry, _) in known.items()}
    assert find_entries(reader, nowhere).keys() == known.keys()


def test_wrong_key_is_no_hindrance(reader: EmbeddedReader) -> None:
    """An entry under another key than it should have is found all the same; one that the log lacks is not."""
    wanted = {one: NamedEntry("law/nobody", reader.end) for one in entries(reader)}
    lacking = {"0" * 64: NamedEntry("law/ann", reader.end)}
    assert find_entries(reader, {**wanted, **lacking}).keys() == wanted.keys()


def test_idle_agent_costs_no_search(reader: EmbeddedReader) -> None:
    """What panels name of an agent that nobody asks any more is found without reading the topic."""
    with mock.patch.object(EmbeddedReader, "records", side_effect=AssertionError):
        routed = explain(reader, "q7")["routing"]
    assert routed is not None
    assert all(entry["averages"] for one in routed["candidates"] for entry in one["entries"])


def test_seen_entries_are_bounded(reader: EmbeddedReader) -> None:
    """What was found before is not looked for again, and the oldest goes when there is too much."""
    known = entries(reader)
    wanted = {one: NamedEntry(entry.key, seq + 1) for one, (entry, seq) in known.items()}
    seen = SeenEntries(most=3)
    assert find_entries(reader, wanted, seen).keys() == known.keys()
    kept = seen.known(wanted)
    assert list(kept) == list(known)[-3:]
    with mock.patch.object(EmbeddedReader, "last", side_effect=AssertionError):
        assert find_entries(reader, {one: wanted[one] for one in kept}, seen) == kept
