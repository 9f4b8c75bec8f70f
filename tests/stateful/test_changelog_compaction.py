"""
The changelog under any interleaving of owners and compaction.

Owners, crashes, zombies and compaction leave a changelog that says which batches count.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.runtimes.kafka.client.producer import ProducerRecord
from streams.runtimes.kafka.stages import changelog_codec
from streams.runtimes.kafka.stages import state_store as store_module
from streams.runtimes.kafka.stages.changelog_records import FENCE, PROBE, RecordKind, parse_key

from .simulated_changelog import SimulatedLog, SimulatedOwner

KEYS = ["a", "b", "c", "d"]
OWNERS = 3


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of several outbox records, and local copies that lag behind by a batch or two."""
    monkeypatch.setattr(changelog_codec, "CHUNK_BYTES", 3)
    monkeypatch.setattr(store_module, "FLUSH_BATCHES", 2)


class World:
    """A changelog, the processes that own it or did, and the disks of machines."""

    def __init__(self, draw: Any, folder: Path) -> None:
        self.draw = draw
        self.log = SimulatedLog()
        self.folder = folder
        self.owners: list[SimulatedOwner | None] = [None] * OWNERS
        self.batches = 0

    def choose(self, options: list[Any], label: str) -> Any:
        return self.draw(st.sampled_from(options), label=label)

    async def act(self) -> None:
        """Do one thing somewhere."""
        number = self.choose(list(range(OWNERS)), "owner")
        owner = self.owners[number]
        if owner is None:
            keeps = self.draw(st.booleans(), label="keeps its disk")
            owner = self.owners[number] = SimulatedOwner(self.log, self.folder / f"{number}.db" if keeps else None)
            owner.open()
            return
        what = self.choose(["step", "step", "finish", "commit", "commit", "compact", "vanish", "reopen"], "what")
        if what == "compact":
            self.compact()
        elif what == "vanish":
            await owner.vanish()
            self.owners[number] = None
            return
        elif owner.busy:
            await (owner.finish() if what == "finish" else owner.step(self.draw(st.integers(1, 6), label="steps")))
        elif owner.opened is None:
            # It learned that somebody else wrote: it takes over again, as a stage does.
            owner.open()
        elif what == "reopen":
            owner.open()
        else:
            self.commit(owner)
        self.check(owner)

    def commit(self, owner: SimulatedOwner) -> None:
        self.batches += 1
        keys = self.draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True), label="keys")
        sizes = self.draw(st.lists(st.integers(1, 3), max_size=2), label="outputs")
        outputs = [ProducerRecord("orch.decisions", "q", b"%d" % self.batches * size) for size in sizes]
        owner.commit(dict.fromkeys(keys, b"%d" % self.batches), {"t": self.batches}, outputs)

    def compact(self) -> None:
        removable = self.log.removable()
        if removable:
            chosen = self.draw(st.lists(st.sampled_from(removable), unique=True), label="removed")
            self.log.remove(removable if len(chosen) % 2 else chosen)

    def check(self, owner: SimulatedOwner) -> None:
        """An owner that has taken over found what it had to find."""
        if owner.opened is None or owner.busy or owner.counted:
            return
        self.compare(owner)

    def compare(self, owner: SimulatedOwner) -> None:
        assert owner.opened is not None
        expected = self.log.expected(owner.changelog._batch.epoch)
        assert owner.opened.offsets == expected.offsets
        assert owner.opened.unsent == expected.outputs
        found = {key: owner.store.get(key) for key in KEYS}
        assert {key: value for key, value in found.items() if value is not None} == expected.states

    async def end(self) -> None:
        """Whatever became of it, a new process without a disk finds all that counts, and leaves nothing useless."""
        last = SimulatedOwner(self.log, None)
        last.open()
        await last.finish()
        self.compare(last)
        await self.settle(last)
        for owner in (*self.owners, last):
            if owner is not None:
                await owner.vanish()

    async def settle(self, last: SimulatedOwner) -> None:
        assert last.opened is not None
        for _ in range(2):
            last.commit({"a": b"end"}, {"t": 0}, [])
            await last.finish()
        self.log.compact()
        kept = [record for record in self.log.left.values() if record.value is not None]
        parsed = [key for record in kept if (key := parse_key(record.key)) is not None]
        states = [key.name for key in parsed if key.kind is RecordKind.STATE]
        commits = [key for key in parsed if key.kind in (RecordKind.COMMIT, RecordKind.OUTBOX)]
        fences = [record for record in kept if record.key.startswith(FENCE)]
        ends = [key for key in parsed if key.kind is RecordKind.END]
        # The last batch's own leftovers go with the one after it: one state and one commit record.
        assert len(states) <= len(set(states)) + 1
        assert len(commits) <= 2
        assert len(ends) <= len(fences)
        assert len(kept) == len(states) + len(commits) + len(fences) + len(ends) + sum(
            record.key in (b"commit", PROBE) for record in kept
        )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_compaction_leaves_says_what_counts(data: st.DataObject) -> None:
    """Every owner finds exactly the batches whose commit stands before the next fence, with and without its disk."""

    async def play(folder: Path) -> None:
        world = World(data.draw, folder)
        for _ in range(data.draw(st.integers(1, 60), label="acts")):
            await world.act()
        await world.end()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


def test_an_owner_that_was_replaced_while_it_read_judges_nothing() -> None:
    """What it missed because the next owner gave it up must not count as useless: it learns that it was replaced."""
    log = SimulatedLog()

    async def play() -> None:
        first = SimulatedOwner(log, None)
        first.open()
        await first.finish()
        for number, key in enumerate(KEYS):
            first.commit({key: b"%d" % number}, {"t": number}, [])
            await first.finish()
        slow, quick = SimulatedOwner(log, None), SimulatedOwner(log, None)
        slow.open()
        await slow.step(2)
        quick.open()
        await quick.finish()
        for number in (10, 11, 12):
            quick.commit({}, {"t": number}, [])
            await quick.finish()
        log.compact()
        await slow.finish()
        if slow.opened is not None:
            slow.commit({}, {"t": 0}, [])
            await slow.finish()
        log.compact()
        last = SimulatedOwner(log, None)
        last.open()
        await last.finish()
        assert slow.opened is None
        assert {key: last.store.get(key) for key in KEYS} == {key: b"%d" % n for n, key in enumerate(KEYS)}

    asyncio.run(play())
