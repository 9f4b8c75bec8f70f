"""Signed notes, keys and checkpoints."""

import base64
from random import Random

import pytest

from schemas.checkpoints import CheckpointSignedV2
from streams.audit.proof.checkpoints import (
    Checkpoint,
    Head,
    SealedRoots,
    hand_over,
    keys_after,
    open_roots,
    partition_named,
    root_over,
    sign_roots,
)
from streams.audit.proof.merkle import EMPTY_ROOT, leaf_hash
from streams.audit.proof.notes import NoteError, PublicKey, SigningKey, open_note, split_note
from streams.audit.proof.proof_text import InclusionProof

SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""Keys and note of the documentation of golang.org/x/mod/sumdb/note."""

KEY = SigningKey("example.com/log", Random(1).randbytes(32))
NEXT = SigningKey("example.com/log", Random(2).randbytes(32))
HEADS = {("orch.questions", 3): Head(7, leaf_hash(b"q")), ("orch.decisions", 10): Head(2, leaf_hash(b"d"))}


def event_of(roots: SealedRoots) -> CheckpointSignedV2:
    """Write a checkpoint as its event."""
    return CheckpointSignedV2(
        occurred_at="2026-01-01T00:00:00.000Z", note=roots.note, partitions=tuple(roots.notes.values())
    )


def test_known_note_opens() -> None:
    """The note of Go's documentation opens under its key."""
    assert open_note(NOTE, "PeterNeumann", [PublicKey.parse(PUBLIC)]) == split_note(NOTE)[0]


def test_known_key_signs_the_known_note() -> None:
    """The private key of Go's documentation gives its public key and, byte for byte, its note."""
    key = SigningKey.parse(SECRET)
    assert str(key.public) == PUBLIC
    assert key.sign(split_note(NOTE)[0], "PeterNeumann") == NOTE
    assert key.secret_text() == SECRET


@pytest.mark.parametrize(
    ("old", "new"),
    [("problem,", "problem."), ("x08go/", "x08go+"), ("PeterNeumann x", "Peter x"), ("\n\n", "\n"), ("JnAM=", "JnA=")],
)
def test_changed_note_is_refused(old: str, new: str) -> None:
    """A note that was changed anywhere does not open."""
    with pytest.raises(NoteError):
        open_note(NOTE.replace(old, new, 1), "PeterNeumann", [PublicKey.parse(PUBLIC)])


def test_signatures_of_others_are_passed_over() -> None:
    """A note opens beside signatures of unknown keys, in any order."""
    other = NEXT.sign(split_note(NOTE)[0], "witness").rpartition("\n\n")[2]
    text, _, lines = NOTE.rpartition("\n\n")
    for note in (NOTE + other, f"{text}\n\n{other}{lines}"):
        assert open_note(note, "PeterNeumann", [PublicKey.parse(PUBLIC)])


@pytest.mark.parametrize("text", ["", "a+b", PUBLIC.replace("c74f", "c74e"), PUBLIC[:-4], f"x y{PUBLIC}", SECRET])
def test_what_is_no_public_key(text: str) -> None:
    """A text that is no key is refused."""
    with pytest.raises(NoteError):
        PublicKey.parse(text)


@pytest.mark.parametrize("text", ["", PUBLIC, SECRET.replace("c74f", "c74e"), SECRET[:-8]])
def test_what_is_no_private_key(text: str) -> None:
    """A text that is no private key is refused, and the message does not repeat it."""
    with pytest.raises(NoteError) as refused:
        SigningKey.parse(text)
    assert not text or text[-20:] not in str(refused.value)


def test_private_key_never_prints_itself() -> None:
    """Nothing prints a private key by accident."""
    assert SECRET[-30:] not in repr(SigningKey.parse(SECRET))
    with pytest.raises(TypeError):
        str(SigningKey.parse(SECRET))


def test_key_without_a_name_is_called_after_its_hash() -> None:
    """Two keys that were given no name have different ones."""
    assert SigningKey.generate(None).public.name != SigningKey.generate(None).public.name


@pytest.mark.parametrize(
    "body",
    ["a\n1\n", f"a\n01\n{'A' * 43}=\n", "a\n1\nAAAA\n", f"a\n1\n{'A' * 43}=\nmore\n", f"a\n-1\n{'A' * 43}=\n", ""],
)
def test_what_is_no_checkpoint(body: str) -> None:
    """A checkpoint has exactly origin, size and root."""
    with pytest.raises(NoteError):
        Checkpoint.parse(body)


def test_checkpoint_of_all_partitions_opens() -> None:
    """What was signed opens as it was, in the order of topics and numbers, empty partitions left out."""
    signed = sign_roots(KEY, {**HEADS, ("orch.feedback", 0): Head(0, EMPTY_ROOT)})
    opened = open_roots(event_of(signed), [KEY.public])
    assert opened == signed
    assert list(opened.heads) == [("orch.decisions", 10), ("orch.questions", 3)]
    assert opened.root == root_over("example.com/log", HEADS)


def test_partitions_are_in_the_order_of_their_numbers() -> None:
    """Partition 10 comes behind partition 9, as numbers do."""
    heads = {("orch.questions", number): Head(1, leaf_hash(b"%d" % number)) for number in (10, 9, 0)}
    assert [number for _, number in sign_roots(KEY, heads).heads] == [0, 9, 10]


def test_partition_left_out_is_found() -> None:
    """A checkpoint whose partitions are not those of its root is refused."""
    event = event_of(sign_roots(KEY, HEADS))
    for notes in (event.partitions[:1], event.partitions[::-1], (*event.partitions, event.partitions[0])):
        changed = CheckpointSignedV2(occurred_at=event.occurred_at, note=event.note, partitions=notes)
        with pytest.raises(NoteError):
            open_roots(changed, [KEY.public])


def test_other_key_does_not_open_it() -> None:
    """Another key of the same name does not open a checkpoint."""
    with pytest.raises(NoteError, match="no trusted key"):
        open_roots(event_of(sign_roots(KEY, HEADS)), [NEXT.public])


def test_key_hands_over() -> None:
    """Whoever trusts a key trusts the one that it handed over to, and so on; nobody else's word counts."""
    third = SigningKey("example.com/log", Random(3).randbytes(32))
    changes = [hand_over(KEY, NEXT.public), hand_over(NEXT, third.public)]
    assert keys_after(KEY.public, changes) == [KEY.public, NEXT.public, third.public]
    assert keys_after(NEXT.public, changes) == [NEXT.public, third.public]
    assert keys_after(third.public, changes) == [third.public]
    assert keys_after(KEY.public, [hand_over(third, NEXT.public)]) == [KEY.public]


@pytest.mark.parametrize(
    "origin", ["example.com/log", "example.com/log/orch.checkpoints/0", "other/orch.questions/0", "example.com/log/x/0"]
)
def test_what_names_no_partition(origin: str) -> None:
    """A tree is of a sealed topic of the log."""
    with pytest.raises(NoteError):
        partition_named(origin, "example.com/log")


def test_proof_is_written_as_it_is_read() -> None:
    """A proof survives being written and read."""
    proof = InclusionProof(5, (leaf_hash(b"a"), leaf_hash(b"b")), NOTE)
    assert InclusionProof.parse(str(proof)) == proof


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("index 5", "index 05"),
        ("index 5", "extra YQ==\nindex 5"),
        ("@v1", "@v2"),
        (base64.b64encode(leaf_hash(b"a")).decode(), "YQ=="),
        ("\n\n", "\n"),
    ],
)
def test_what_is_no_proof(old: str, new: str) -> None:
    """A proof of another form is refused; extra data, which nothing covers, too."""
    text = str(InclusionProof(5, (leaf_hash(b"a"),), NOTE.replace("\n\n", "\n")))
    with pytest.raises(NoteError):
        InclusionProof.parse(text.replace(old, new, 1))
