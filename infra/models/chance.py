"""Deterministic chance: numbers and ids from hashes of their purpose."""

import hashlib
import json


def digest(*parts: object) -> str:
    """Hash values of JSON, in hex."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def share(*parts: object) -> float:
    """Give a number from 0 up to, not including, 1, evenly spread over different parts."""
    # 52 bits, which a float holds exactly.
    return int(digest(*parts)[:13], 16) / 16**13
