"""
Signed notes of C2SP, with Ed25519 keys.

Source: https://c2sp.org/signed-note. Keys are written as golang.org/x/mod/sumdb/note writes them.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

ED25519 = b"\x01"
"""Number of the signature algorithm in keys and key ids."""

_SECRET = "PRIVATE+KEY+"
_SIGNATURE = re.compile("\u2014 ([^ +\n]+) ([A-Za-z0-9+/]+={0,2})\n")
MOST_NOTE_BYTES = 1_000_000
MOST_SIGNATURES = 100
"""Bounds of a note from a stranger, as in Go's package."""


class NoteError(ValueError):
    """A note or key is not well formed, or no trusted key signed the note."""


class PublicKey(NamedTuple):
    """An Ed25519 key, and the name under which it signs: the origin of a log."""

    name: str
    key: bytes

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """
        Read a key as `NAME+ID+KEY`.

        Raises:
            NoteError: The text is no Ed25519 key, or its id is another key's.
        """
        name, _, rest = text.strip().partition("+")
        written, _, encoded = rest.partition("+")
        raw = _from_base64(encoded)
        if not is_name(name) or raw[:1] != ED25519 or len(raw) != 33:
            raise NoteError(f"{text.strip()[:80]!r} is no public key of the form NAME+ID+KEY")
        found = cls(name, raw[1:])
        if found.id_as(name).hex() != written:
            raise NoteError(f"the key of {name} says its id is {written[:8]!r}, and it is {found.id_as(name).hex()}")
        return found

    def id_as(self, name: str) -> bytes:
        """Give the four bytes by which a signature line under *name* names this key."""
        return sha256(name.encode() + b"\n" + ED25519 + self.key).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(ED25519 + self.key).decode()
        return f"{self.name}+{self.id_as(self.name).hex()}+{encoded}"


class SigningKey:
    """
    A private key.

    Args:
        name: The origin of a log.
        seed: 32 bytes.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        self.public = PublicKey(name, self._private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name_of: "str | None") -> "SigningKey":
        """Make a key; without a name it is called after its own hash, so that no two logs share an origin."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.generate()
        digest = sha256(private.public_key().public_bytes_raw()).hexdigest()
        return cls(name_of or f"orch-{digest[:12]}", private.private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """
        Read a key as `PRIVATE+KEY+NAME+ID+SEED`.

        Raises:
            NoteError: The text is no such key; the message does not repeat it.
        """
        name, _, rest = text.strip().removeprefix(_SECRET).partition("+")
        written, _, encoded = rest.partition("+")
        raw = _from_base64(encoded)
        if not text.startswith(_SECRET) or not is_name(name) or raw[:1] != ED25519 or len(raw) != 33:
            raise NoteError("this is no private key of the form PRIVATE+KEY+NAME+ID+SEED")
        key = cls(name, raw[1:])
        if key.public.id_as(name).hex() != written:
            raise NoteError("the key's id is another key's")
        return key

    def __str__(self) -> str:
        raise TypeError("a private key is written by `secret_text` alone")

    __repr__ = object.__repr__

    def secret_text(self) -> str:
        """Write the key, for its own file alone."""
        name = self.public.name
        return f"{_SECRET}{name}+{self.public.id_as(name).hex()}+{base64.b64encode(ED25519 + self._seed).decode()}"

    def sign(self, text: str, name: str) -> str:
        """
        Sign a text as a note.

        Args:
            text: Lines, the last one ended too.
            name: Name of the key in the signature line: the origin of the checkpoint.
        """
        signature = self.public.id_as(name) + self._private.sign(text.encode())
        return f"{text}\n\u2014 {name} {base64.b64encode(signature).decode()}\n"


def is_name(name: str) -> bool:
    """Say whether a name can stand in a signature line: no spaces, no plus, nothing that cannot be seen."""
    return bool(name) and name.isprintable() and not re.search(r"[\s+]", name)


def open_note(note: str, name: str, keys: Iterable[PublicKey]) -> str:
    """
    Give the text of a note that a trusted key signed under a name.

    Raises:
        NoteError: It is no note, or none of these keys signed it. Signatures of others are passed over.
    """
    text, lines = split_note(note)
    ids = {key.id_as(name): key for key in keys}
    for signer, signature in lines:
        key = ids.get(signature[:4]) if signer == name else None
        if key is None:
            continue
        if not is_signed(key.key, signature[4:], text.encode()):
            raise NoteError(f"the signature of {name} does not belong to this text")
        return text
    signers = ", ".join(f"{signer}+{signature[:4].hex()}" for signer, signature in lines)
    raise NoteError(
        f"no trusted key ({', '.join(f'{name}+{i.hex()}' for i in ids)}) signed it; it is signed by {signers}"
    )


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """
    Split a note into its text, and its signatures as name and bytes (key id, then signature).

    Raises:
        NoteError: It has not the form of a note.
    """
    if len(note) > MOST_NOTE_BYTES:
        raise NoteError(f"a note of {len(note):,} characters; the limit is {MOST_NOTE_BYTES:,}")
    before, blank, signatures = note.rpartition("\n\n")
    lines = [(found[1], _from_base64(found[2])) for found in _SIGNATURE.finditer(signatures)]
    whole = "".join(found[0] for found in _SIGNATURE.finditer(signatures)) == signatures
    if not blank or not lines or not whole or len(lines) > MOST_SIGNATURES or any(len(s) < 5 for _, s in lines):
        raise NoteError("it has not the form of a signed note: text, an empty line, signature lines")
    return before + "\n", lines


@lru_cache(maxsize=4_096)
def is_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether an Ed25519 key (32 bytes) signed a message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _from_base64(text: str) -> bytes:
    """Decode base64 that is written in the one canonical way; no bytes for anything else."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if base64.b64encode(raw).decode() == text else b""


def hash_of(line: str) -> bytes:
    """
    Read a hash, 32 bytes in base64.

    Raises:
        NoteError: It is none.
    """
    raw = _from_base64(line)
    if len(raw) != 32:
        raise NoteError(f"{line[:60]!r} is no SHA-256 in base64")
    return raw
