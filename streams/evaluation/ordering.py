"""Seeded orders of questions."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def permuted(items: Sequence[T], keys: Sequence[str], *, seed: int, order: int) -> list[T]:
    """
    Give one order of the items; the same seed, order and keys give the same on any machine and Python.

    Sorted by SHA-256 of seed, order and key, so an item's place depends on no other item and on no generator.

    Args:
        items: What is put in order.
        keys: A distinct key for each item.
        seed: Seed of the evaluation.
        order: Number of the order, from 1.
    """
    marks = [hashlib.sha256(f"{seed}/{order}/{key}".encode()).digest() for key in keys]
    return [items[place] for place in sorted(range(len(items)), key=marks.__getitem__)]
