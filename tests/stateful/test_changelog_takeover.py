"""
Takeover of changelogs in format 1.

They are taken over whole or refused, never misread.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.errors import OperatorError
from streams.runtimes.kafka.client.producer import ProducerRecord
from streams.runtimes.kafka.stages.changelog import Rebuilt

from .legacy_owner import LegacyOwner, Refused, legacy_expected
from .simulated_changelog import SimulatedLog, SimulatedOwner

KEYS = ["a", "b", "c"]


def play(draw: Any, log: SimulatedLog, *, compacting: bool) -> None:
    """Let owners of format 1 work, die, wake up too late, and let compaction remove what it may."""
    owners: list[LegacyOwner] = []
    for act in range(draw(st.integers(1, 25), label="acts")):
        what = draw(st.sampled_from(["open", "commit", "commit", "land", "compact"]), label="what")
        if what == "open" or not owners:
            owners.append(LegacyOwner(log, f"owner-{len(owners)}"))
            owners[-1].open()
        elif what == "compact":
            removable = log.removable()
            if compacting and removable:
                log.remove(draw(st.lists(st.sampled_from(removable), unique=True), label="removed"))
        else:
            owner = draw(st.sampled_from(owners), label="owner")
            if what == "commit" and owner.idle and owner.alive:
                keys = draw(st.lists(st.sampled_from(KEYS), max_size=2, unique=True), label="keys")
                outputs = [ProducerRecord("orch.decisions", "q", b"%d" % act)]
                owner.begin(dict.fromkeys(keys, b"%d" % act), {"t": act}, outputs)
            owner.land(draw(st.integers(0, 4), label="records"))


async def take_over(log: SimulatedLog) -> SimulatedOwner:
    """Let an owner of this version, without a disk, take over."""
    owner = SimulatedOwner(log, None)
    owner.open()
    await owner.finish()
    return owner


def compare(owner: SimulatedOwner, log: SimulatedLog, before: int) -> None:
    """Make sure that an owner has what counts of the first *before* records."""
    expected = legacy_expected(_only(log, before))
    assert owner.opened is not None
    found = {key: owner.store.get(key) for key in KEYS}
    assert {key: value for key, value in found.items() if value is not None} == expected.states
    assert (owner.opened.offsets, owner.opened.unsent) == (expected.offsets, expected.outputs)


def _only(log: SimulatedLog, before: int) -> SimulatedLog:
    cut = SimulatedLog()
    cut.history = log.history[:before]
    return cut


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_changelog_that_was_never_compacted_is_taken_over(data: st.DataObject) -> None:
    """Every state, offset and output that counted under format 1 counts for the owner that takes over."""
    log = SimulatedLog()
    play(data.draw, log, compacting=False)
    before = len(log.history)

    async def go() -> None:
        owner = await take_over(log)
        compare(owner, log, before)
        log.compact()
        compare(await take_over(log), log, before)

    asyncio.run(go())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_compacted_changelog_is_read_right_or_refused(data: st.DataObject) -> None:
    """Where compaction may have taken what counts, the owner says so instead of guessing."""
    log = SimulatedLog()
    play(data.draw, log, compacting=True)
    before = len(log.history)

    async def go() -> None:
        try:
            owner = await take_over(log)
        except OperatorError:
            assert log.removed
        else:
            compare(owner, log, before)

    asyncio.run(go())


def _compacted_across_owners() -> SimulatedLog:
    """Two owners, the commit record of the first compacted away while its state stays."""
    log = SimulatedLog()
    for number, key in enumerate(KEYS[:2]):
        owner = LegacyOwner(log, f"owner-{number}")
        owner.open()
        owner.begin({key: b"%d" % number}, {"t": number}, [])
        owner.land(9)
    log.compact()
    return log


def test_a_refused_changelog_can_be_rebuilt() -> None:
    """With states from the topics the owner goes on, and later owners find those and no others."""
    log = _compacted_across_owners()

    async def go() -> None:
        with pytest.raises(OperatorError, match="compacted across owners") as refused:
            await take_over(log)
        assert "--rebuild" in refused.value.remedy
        owner = SimulatedOwner(log, None)
        owner.rebuild(Rebuilt({"a": b"0", "c": b"2"}, {"t": 7}, []))
        await owner.finish()
        for _ in range(2):
            next_owner = await take_over(log)
            assert next_owner.opened is not None
            assert next_owner.opened.offsets == {"t": 7}
            assert {key: next_owner.store.get(key) for key in KEYS} == {"a": b"0", "b": None, "c": b"2"}
            log.compact()

    asyncio.run(go())


def test_an_owner_of_the_version_before_refuses_a_changelog_that_was_taken_over() -> None:
    """The version before finds a format that it does not read, compacted or not, and the new owner goes on."""
    log = SimulatedLog()
    old = LegacyOwner(log, "old")
    old.open()
    old.begin({"a": b"1"}, {"t": 1}, [])
    old.land(9)

    async def go() -> None:
        owner = await take_over(log)
        for _ in range(2):
            with pytest.raises(Refused):
                LegacyOwner(log, "again").open()
            log.compact()
        # What the old one wrote was its fence alone: the owner takes over once more, and has all it had.
        owner.open()
        await owner.finish()
        assert owner.opened is not None
        assert (owner.store.get("a"), owner.opened.offsets) == (b"1", {"t": 1})

    asyncio.run(go())


def test_a_late_record_of_the_version_before_changes_nothing() -> None:
    """A process of the version before that wakes up after it was replaced leaves what nobody counts."""
    log = SimulatedLog()
    old = LegacyOwner(log, "old")
    old.open()
    old.begin({"a": b"1"}, {"t": 1}, [])
    old.land(9)
    old.begin({"a": b"late", "b": b"late"}, {"t": 2}, [])

    async def go() -> None:
        owner = await take_over(log)
        old.land(9)
        log.compact()
        owner.open()
        await owner.finish()
        fresh = await take_over(log)
        for one in (owner, fresh):
            assert one.opened is not None
            assert one.opened.offsets == {"t": 1}
            assert (one.store.get("a"), one.store.get("b")) == (b"1", None)
        # The barrier stands again where the late commit record had taken its place.
        with pytest.raises(Refused):
            LegacyOwner(log, "again").open()

    asyncio.run(go())


def test_a_late_commit_record_that_hides_the_last_one_is_noticed() -> None:
    """Where compaction kept a zombie's commit record and an older one, the newest that counts is gone: refused."""
    log = SimulatedLog()
    old = LegacyOwner(log, "old")
    old.open()
    for number, key in enumerate("ab"):
        old.begin({key: b"%d" % number}, {"t": number}, [])
        old.land(9)
    newest = len(log.history) - 1
    LegacyOwner(log, "next").open()
    old.begin({}, {"t": 9}, [])
    old.land(9)
    log.remove([newest])

    async def go() -> None:
        with pytest.raises(OperatorError, match="compacted across owners"):
            await take_over(log)

    asyncio.run(go())
