"""Tests of the folder and order of a run."""

from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .conftest import fast_folder, waiting_ones_first

Modules = st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=30)


def items(modules: list[tuple[int, bool]]) -> list[pytest.Item]:
    """Tests of modules of the given lengths; the first of a waiting module is slow."""
    made = []
    for number, (length, waits) in enumerate(modules):
        for index in range(length):
            slow = waits and index == 0
            made.append(
                SimpleNamespace(path=number, fixturenames=(), get_closest_marker=lambda _, slow=slow: slow or None)
            )
    return cast(list[pytest.Item], made)


@given(Modules, st.integers(1, 6))
def test_each_test_runs_once_beside_those_of_its_module(modules: list[tuple[int, bool]], workers: int) -> None:
    """Whatever the order."""
    given_items = items(modules)
    planned = waiting_ones_first(given_items, workers)
    assert sorted(map(id, planned)) == sorted(map(id, given_items))
    assert len(list(groupby(planned, lambda item: item.path))) == len(modules)


@given(st.integers(1, 8), st.integers(8, 30))
def test_a_share_ends_with_tests_that_only_compute(waiting: int, computing: int) -> None:
    """The last quarter of them."""
    planned = waiting_ones_first(items([(1, True)] * waiting + [(1, False)] * computing), 1)
    assert not any(item.get_closest_marker("slow") for item in planned[-(computing // 4) :])


def test_files_lie_on_the_disk_where_memory_has_no_room(tmp_path: Path) -> None:
    """Or has no such file system."""
    anything: Any = fast_folder(tmp_path, room=1)
    assert anything == tmp_path
    assert fast_folder(tmp_path, room=2**62) is None
    assert fast_folder(tmp_path / "absent") is None
