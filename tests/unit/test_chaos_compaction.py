"""The proof that a trial met compaction with open work."""

import random

import pytest

from infra.chaos.compaction import STAGES, stage_of
from infra.chaos.disks import Disks, drawn
from infra.chaos.removal import Removal, RemovalTally
from infra.chaos.workers import Opening

PLACES = {(f"orch-{stage}-changelog", 3): stage for stage in STAGES}


def look(gone: int) -> dict[tuple[str, int], int]:
    """See so many records gone in each changelog."""
    return dict.fromkeys(PLACES, gone)


def proof(*looks: tuple[int, bool], disk: str = "-", at: float = 9.0) -> Removal:
    """Add up looks, a second apart, with one owner of each stage."""
    tally = RemovalTally(PLACES)
    for number, (gone, is_open) in enumerate(looks):
        tally.take(look(gone), float(number), is_open=is_open)
    return tally.finish([Opening(stage, 3, at, disk) for stage in STAGES])


def test_removal_while_questions_are_open_is_a_proof() -> None:
    """Records went between two looks at open questions, and each stage was taken over after that without a copy."""
    found = proof((0, True), (5, True), (7, True))
    assert found.lacking() == []
    assert found.as_json()["removed"] == dict.fromkeys(STAGES, 7)
    assert found.as_json()["removed_while_open"] == dict.fromkeys(STAGES, 7)
    assert found.as_json()["owners_after_removal_without_copy"] == dict.fromkeys(STAGES, 1)


@pytest.mark.parametrize(
    ("looks", "at", "disk"),
    [
        pytest.param([(0, True), (0, True)], 9.0, "-", id="nothing is removed"),
        pytest.param([(0, False), (5, True), (5, True)], 9.0, "-", id="no question is open before"),
        pytest.param([(0, True), (5, False), (5, True)], 9.0, "-", id="no question is open after"),
        pytest.param([(0, True), (5, True)], 0.5, "-", id="nobody takes over after it"),
    ],
)
def test_what_lacks_is_told(looks: list[tuple[int, bool]], at: float, disk: str) -> None:
    """A trial in which nothing of this kind happened proves nothing, for any stage."""
    lacking = proof(*looks, at=at, disk=disk).lacking()
    assert {stage for stage in STAGES if any(f" {stage} " in f"{one} " for one in lacking)} == set(STAGES)


def test_owners_are_no_part_of_the_proof_where_they_are_not_asked_for() -> None:
    """A sample whose troubles need not hit an owner of each stage proves the removal alone."""
    nobody_took_over = proof((0, True), (5, True), at=0.5)
    assert nobody_took_over.lacking(owners=False) == []
    assert len(proof((0, True), (0, True)).lacking(owners=False)) == len(STAGES)


def test_one_stage_without_compaction_is_enough_to_lack() -> None:
    """Each stage needs a removal of its own."""
    tally = RemovalTally(PLACES)
    tally.take(look(0), 0.0, is_open=True)
    tally.take({place: 0 if stage == "learn" else 4 for place, stage in PLACES.items()}, 1.0, is_open=True)
    found = tally.finish([Opening(stage, 3, 2.0, "-") for stage in STAGES])
    assert len(found.lacking()) == 3
    assert all("learn" in one for one in found.lacking())


def test_a_disk_on_which_a_partition_was_opened_has_a_copy() -> None:
    """Who opens it there again, whichever process, has one; another partition or disk has none."""
    tally = RemovalTally(PLACES)
    tally.take(look(0), 0.0, is_open=True)
    tally.take(look(1), 1.0, is_open=True)
    first, again = Opening("merge", 3, 2.0, "state"), Opening("merge", 3, 4.0, "state")
    elsewhere = Opening("merge", 3, 3.0, "state-w1-1")
    found = tally.finish([again, elsewhere, first])
    assert (found.owners["merge"], found.owners_without_copy["merge"]) == (3, 2)


def test_offsets_that_come_back_are_not_counted_twice() -> None:
    """A look that saw less than the one before, for the broker was cleaning, takes nothing back."""
    assert proof((0, True), (5, True), (3, True), (6, True)).removed == dict.fromkeys(STAGES, 6)


def test_changelogs_are_known_by_their_names() -> None:
    """Whatever a later version hangs on the name; other topics, and stages without questions, are none."""
    assert stage_of("orch-merge-changelog") == "merge"
    assert stage_of("abc.orch-rank-changelog.2", "abc.") == "rank"
    assert stage_of("orch-rank-changelog", "abc.") is None
    assert stage_of("orch-agents-changelog") is None
    assert stage_of("orch.router") is None


def test_a_worker_finds_the_disk_it_is_given_once() -> None:
    """An empty one is kept from then on, a former one is found again, and to have none lasts for one start."""
    disks = Disks("w1", keeps=True)
    found = [disks.start()]
    for disk in ("same", "empty", "same", "former", "none", "same"):
        disks.turn_to(disk)  # type: ignore[arg-type]  # one of them
        found.append(disks.start())
    assert found == ["state", "state", "state-w1-1", "state-w1-1", "state", "-", "state"]
    assert disks.start() == "state"
    assert disks.starts == {"empty": 2, "same": 4, "former": 1, "none": 1}


def test_a_worker_without_a_disk_gets_none() -> None:
    """Whatever is drawn for it."""
    disks = Disks("w3", keeps=False)
    draw = random.Random(1)
    for _ in range(20):
        disks.turn_to(drawn(draw))
        assert disks.start() == "-"
    assert disks.starts == {"none": 20}
