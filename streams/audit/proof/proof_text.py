"""Inclusion proofs in the form of C2SP's tlog-proof."""

import base64
import re
from typing import NamedTuple

from streams.audit.proof.notes import NoteError, hash_of

FORMAT = "c2sp.org/tlog-proof@v1"
"""Source: https://c2sp.org/tlog-proof."""

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,15})")
_MOST_HASHES = 64


class InclusionProof(NamedTuple):
    """Place of an entry in a tree, the hashes beside its way to the root, and the tree's signed checkpoint."""

    place: int
    path: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        lines = [FORMAT, f"index {self.place}", *(base64.b64encode(node).decode() for node in self.path)]
        return "\n".join(lines) + f"\n\n{self.note}"

    @classmethod
    def parse(cls, text: str) -> "InclusionProof":
        """
        Read a proof.

        Raises:
            NoteError: It has another form. Extra data, which no signature covers, is refused too.
        """
        head, blank, note = text.partition("\n\n")
        lines = head.split("\n")
        index = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
        if not blank or lines[0] != FORMAT or index is None or len(lines) > 2 + _MOST_HASHES:
            raise NoteError(f"it is no proof of the form {FORMAT}")
        return cls(int(index[1]), tuple(map(hash_of, lines[2:])), note)
