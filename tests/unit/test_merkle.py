"""Merkle trees of RFC 6962."""

import random
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audit.proof.merkle import (
    EMPTY_ROOT,
    SpanHasher,
    TreeHasher,
    consistency_spans,
    fill_spans,
    inclusion_spans,
    is_consistent,
    leaf_hash,
    node_hash,
    root_by_inclusion,
    root_of,
)

ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Leaves and roots that implementations of RFC 6962 check themselves by."""

LEAVES = [leaf_hash(b"%d" % number) for number in range(512)]
SIZES = random.Random(6962).sample(range(66, 513), 6)
"""Besides every size up to 65; `python -m infra.verifier.proofs` takes all of them, up to 512."""


def tree_of(leaves: Sequence[bytes]) -> bytes:
    """Give the root as RFC 6962 defines it, by recursion."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256().digest()
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree_of(leaves[:middle]), tree_of(leaves[middle:]))


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size: int) -> None:
    """The reference tree has the known root at every size."""
    assert root_of(leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize("size", [*range(66), *SIZES])
def test_root_is_that_of_the_definition(size: int) -> None:
    """A root taken leaf by leaf is the one that the recursion of the RFC gives."""
    assert root_of(LEAVES[:size]) == tree_of(LEAVES[:size])


@pytest.mark.parametrize("size", [*range(1, 66), *SIZES])
def test_every_inclusion_proof_holds(size: int) -> None:
    """The proof of every leaf leads to the root, and no shorter, longer or changed one does."""
    leaves, root = LEAVES[:size], root_of(LEAVES[:size])
    for index in range(size):
        path = fill_spans(inclusion_spans(index, size), leaves)
        assert root_by_inclusion(leaves[index], index, size, path) == root
        assert root_by_inclusion(leaves[index], index, size, [*path, EMPTY_ROOT]) != root
        assert root_by_inclusion(leaves[index], index ^ 1, size, path) != root or size == 1
        if path:
            assert root_by_inclusion(leaves[index], index, size, path[:-1]) != root
            assert root_by_inclusion(leaves[index], index, size, [*path[:-1], EMPTY_ROOT]) != root


@pytest.mark.parametrize("size", [*range(1, 66), *SIZES[:2]])
def test_every_consistency_proof_holds(size: int) -> None:
    """The proof from every earlier size holds, and no shorter, longer or changed one does."""
    root = root_of(LEAVES[:size])
    for old in range(size + 1):
        before = root_of(LEAVES[:old])
        path = fill_spans(consistency_spans(old, size), LEAVES)
        assert is_consistent(old, size, path, before, root)
        assert not is_consistent(old, size, [*path, EMPTY_ROOT], before, root)
        assert not is_consistent(old, size, path, before[::-1], root)
        assert not is_consistent(old, size, path, before, root[::-1]) or old == 0
        if path:
            assert not is_consistent(old, size, path[:-1], before, root)
            assert not is_consistent(old, size, [*path[:-1], EMPTY_ROOT], before, root)


@given(st.integers(1, 400), st.data())
def test_one_pass_fills_many_proofs(size: int, data: st.DataObject) -> None:
    """Spans of several proofs, filled in one pass, are those of the definition, left ones from the tree so far."""
    indexes = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=5))
    hasher, tree, known = SpanHasher(), TreeHasher(), {}
    for number, leaf in enumerate(LEAVES[:size]):
        if number in indexes:
            known |= tree.subtrees()
            for span in inclusion_spans(number, size):
                if span[0] > number:
                    hasher.want(span)
        hasher.add(number, leaf)
        tree.add(leaf)
    known |= hasher.roots
    for index in indexes:
        path = [known[span] for span in inclusion_spans(index, size)]
        assert path == fill_spans(inclusion_spans(index, size), LEAVES)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 4), (9, 8)])
def test_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    """A leaf outside the tree has no proof, and none is accepted."""
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_spans(index, size)
    assert root_by_inclusion(EMPTY_ROOT, index, size, []) is None


def test_no_proof_from_a_larger_tree() -> None:
    """A smaller tree does not go on from a larger one."""
    with pytest.raises(ValueError, match="no earlier size"):
        consistency_spans(3, 2)
    assert not is_consistent(3, 2, [], EMPTY_ROOT, EMPTY_ROOT)
